-- A schema with an object of each kind, small; schema_changes.toml changes it.
create table customers (
    id int auto_increment primary key, email varchar(80) not null, name varchar(80) character set latin1 comment 'first and last',
    joined date, born year, unique key email (email), constraint adult check (joined < '2100-01-01')) auto_increment = 50 comment = 'people';
create table orders (
    id bigint unsigned auto_increment primary key, customer_id int, status enum('sad', 'glad', 'mad') not null default 'sad',
    total decimal(10, 2) default 0, net int(9) default 5, gross int as (net * 2) stored, half int as (net div 2) virtual,
    note varchar(200) collate utf8mb4_bin, made timestamp(3) not null default current_timestamp(3) on update current_timestamp(3),
    due datetime default (now() + interval 1 day), payload json, flags set('a', 'b') default 'a', amount int unsigned zerofill,
    big text, hidden int invisible default 3, place point srid 4326 not null, spatial key place (place), checked int check (checked > 0), code char(5),
    key status (status), key note (note(10), total desc) comment 'by words', unique key once (customer_id, made),
    key unused (net) invisible, key sums ((net + 1)), fulltext key grams (note) with parser ngram, fulltext key words (big),
    constraint orders_customer foreign key (customer_id) references customers (id) on delete cascade,
    constraint orders_positive check (total >= 0), constraint loose check (net < 100) not enforced) row_format = dynamic stats_persistent = 1;
create table pieces (
    id int primary key, order_id bigint unsigned, n int, check (n > 0), foreign key (order_id) references orders (id));
create table parted (id int, k int, primary key (id, k)) partition by range (id) subpartition by hash (k) subpartitions 2
    (partition p0 values less than (10) comment 'first', partition p1 values less than (20));
create table hashed (id int primary key) partition by hash (id) partitions 3;
create table plain (id int, body text, author varchar(20) character set ascii) default character set latin1;
create table nokey (n int);
create table isam (id int, key id (id)) engine = myisam connection = 'mysql://ann:hunter22@far/shop';
create view open_orders as select id, total, note from orders where status = 'sad';
create algorithm = merge sql security invoker view sold as select id, total from orders where total > 0 with local check option;
create view above as select id from sold;
create function thrice(n int) returns int deterministic no sql return 3 * n;
create function twice(n int) returns int deterministic no sql return 2 * n;
create procedure work(in n int, out s varchar(20) character set latin1) modifies sql data comment 'does it' select n;
set names latin1; create procedure accents() select 'é'; set names utf8mb4;
create trigger first before insert on orders for each row set new.net = 1;
create trigger second before insert on orders for each row set new.net = new.net + 1;
create trigger late after delete on orders for each row set @gone = old.id;
create event tick on schedule every 1 day starts '2035-01-01 03:00:00' comment 'daily' do select 1;
create event often on schedule every 5 minute do select 2;
create event once on schedule at '2035-01-01 00:00:00' on completion preserve disable do select 3;
grant select on orders to corpus_reader;
grant update (note), select (note, id) on orders to corpus_reader;
grant execute on function twice to corpus_reader;
grant select on open_orders to corpus_role;
grant delete on pieces to corpus_role;
grant corpus_role to corpus_reader;
