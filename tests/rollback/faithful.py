"""Faithful pairs: nothing is lost, whatever the way back makes anew."""

from __future__ import annotations

from tests.rollback.contents import PARTY, STAMPS
from tests.rollback.objects import MOOD, TOUCH, TWICE, VIEW
from tests.rollback.pair import DROPPED, ORDER, Pair, T, deleted, inserted, updated
from tests.rollback.parts import CHILD, PARTS
from tests.rollback.rights import POLICY

WRITES = (inserted("t", "50", v="1", w="new"), updated("t", "3", w="mine"), deleted("t", "7"))
SERIAL = (
    "create table n (id serial primary key, v int not null default 3 check (v > 0), w text unique);"
    "create index on n (v); comment on table n is 'numbered'; grant select on n to auditor;"
    "insert into n (w) select 'w' || g from generate_series(1, 20) g;"
)

PAIRS = (
    Pair(
        name="a column renamed and back",
        up="alter table t rename w to words;",
        down="alter table t rename words to w;",
        writes=(inserted("t", "50", v="1", words="new"), updated("t", "3", v="4"), deleted("t", "7")),
    ),
    Pair(
        name="a table renamed and back",
        base=CHILD,
        up="alter table t rename to things;",
        down="alter table things rename to t;",
    ),
    Pair(
        name="a column added and dropped",
        up="alter table t add x int not null default 5;",
        down="alter table t drop x;",
        writes=WRITES,
        physical={DROPPED},
    ),
    Pair(
        name="expanded by a column that a trigger fills, and back",
        up="alter table t add big bigint; update t set big = v;"
        "create function keep_both() returns trigger language plpgsql as $$ begin new.big := new.v; return new; end $$;"
        "create trigger kept before insert or update on t for each row execute function keep_both();",
        down="drop trigger kept on t; drop function keep_both(); alter table t drop big;",
        writes=WRITES,
        physical={DROPPED},
    ),
    Pair(
        name="contracted by parking a column, and back",
        up="alter table t rename w to parked;",
        down="alter table t rename parked to w;",
    ),
    Pair(
        name="a column dropped whose values were copied and came back",
        up="create table parked as select id, w from t; alter table t drop w;",
        down="alter table t add w text; update t set w = p.w from parked p where p.id = t.id; drop table parked;",
        physical={DROPPED},
    ),
    Pair(
        name="a wider type and back",
        base=CHILD,
        up="alter table c alter id type bigint, alter t_id type bigint; alter table t alter v type numeric(12, 2);",
        down="alter table c alter id type int, alter t_id type int; alter table t alter v type int;",
    ),
    Pair(
        name="times without a zone and back, both in UTC",
        base=STAMPS,
        up="alter table t alter at type timestamp using at at time zone 'UTC';",
        down="alter table t alter at type timestamptz using at at time zone 'UTC';",
    ),
    Pair(
        name="an index by a made-up name dropped and made anew",
        base=T + "create index on t (v);",
        up="drop index t_v_idx; create index on t (w);",
        down="create index on t (v); drop index t_w_idx;",
    ),
    Pair(
        name="an index replaced concurrently, and back",
        base=T + "create index by_w on t (w);",
        up="create index concurrently by_w2 on t (w, v); drop index concurrently by_w;",
        down="create index concurrently by_w on t (w); drop index concurrently by_w2;",
        transaction="none",
    ),
    Pair(
        name="constraints by made-up names dropped and made anew",
        base=SERIAL + "create table c (n_id int references n); ",
        up="alter table c drop constraint c_n_id_fkey; alter table n drop constraint n_w_key, "
        "drop constraint n_v_check;"
        "alter table n drop constraint n_pkey;",
        down="alter table n add primary key (id), add unique (w), add check (v > 0);"
        "alter table c add foreign key (n_id) references n not valid; alter table c validate constraint c_n_id_fkey;",
    ),
    Pair(
        name="a check that was added in two steps, and dropped",
        up="alter table t add constraint w_is_there check (w is not null) not valid;"
        "alter table t validate constraint w_is_there; alter table t alter w set not null;"
        "alter table t drop constraint w_is_there;",
        down="alter table t alter w drop not null;",
        writes=WRITES,
    ),
    Pair(
        name="an enum's type swapped for one of more values, and back",
        base=MOOD,
        up="create type mood2 as enum ('sad', 'calm', 'fine', 'glad');"
        "alter table t alter m type mood2 using m::text::mood2; drop type mood; alter type mood2 rename to mood;",
        down="create type mood2 as enum ('sad', 'fine', 'glad');"
        "alter table t alter m type mood2 using m::text::mood2; drop type mood; alter type mood2 rename to mood;",
    ),
    Pair(
        name="a table rebuilt by copy and swap, both ways",
        base=SERIAL,
        up="create table new (id bigint primary key default nextval('n_id_seq'),"
        "v int not null default 3 check (v > 0),"
        "w text unique); insert into new (id, v, w) select id, v, w from n; create index on new (v);"
        "comment on table new is 'numbered'; grant select on new to auditor;"
        "alter sequence n_id_seq owned by new.id; drop table n; alter table new rename to n;"
        "alter index new_v_idx rename to n_v_idx; alter table n rename constraint new_pkey to n_pkey;"
        "alter table n rename constraint new_w_key to n_w_key;"
        "alter table n rename constraint new_v_check to n_v_check;",
        down="create table new (w text unique, id int primary key default nextval('n_id_seq'),"
        "v int not null default 3 check (v > 0)); insert into new select w, id, v from n; create index on new (v);"
        "comment on table new is 'numbered'; grant select on new to auditor;"
        "alter sequence n_id_seq owned by new.id; drop table n; alter table new rename to n;"
        "alter index new_v_idx rename to n_v_idx; alter table n rename constraint new_pkey to n_pkey;"
        "alter table n rename constraint new_w_key to n_w_key;"
        "alter table n rename constraint new_v_check to n_v_check;",
        physical={("table n", "column order")},
    ),
    Pair(
        name="partitioned and back",
        base=T + "create index by_w on t (w);",
        up="alter table t rename to old; alter index t_pkey rename to old_pkey; drop index by_w;"
        "create table t (id int primary key, v int, w text) partition by hash (id);"
        "create table t0 partition of t for values with (modulus 2, remainder 0);"
        "create table t1 partition of t for values with (modulus 2, remainder 1);"
        "insert into t select * from old; create index by_w on t (w); drop table old;",
        down="alter table t rename to parts; alter index t_pkey rename to parts_pkey; drop index by_w;"
        "create table t (id int primary key, v int, w text); insert into t select * from parts;"
        "create index by_w on t (w); drop table parts;",
        writes=WRITES,
    ),
    Pair(
        name="a partition detached and attached",
        base=PARTS + "create index by_v on p (v);",
        up="alter table p detach partition p2;",
        down="alter table p attach partition p2 for values from (10) to (100);",
    ),
    Pair(
        name="a view dropped for a change of type and made anew",
        base=VIEW + "grant select on large to auditor; comment on view large is 'large ones';",
        up="drop view large; alter table t alter v type bigint;create view large as select id, w from t where v > 100;",
        down="drop view large; alter table t alter v type int; create view large as select id, w from t where v > 100;"
        "grant select on large to auditor; comment on view large is 'large ones';",
    ),
    Pair(
        name="a trigger disabled for a backfill and enabled",
        base=TOUCH,
        up="alter table t disable trigger touched; alter table t add x int; update t set x = v;"
        "alter table t enable trigger touched;",
        down="alter table t drop x;",
        physical={DROPPED},
    ),
    Pair(
        name="a table moved to a schema and back",
        base=T + "create schema s; grant usage on schema s to rehearse_application;",
        up="alter table t set schema s;",
        down="alter table s.t set schema public;",
    ),
    Pair(
        name="two tables merged and split",
        base=PARTY,
        up="create table parties (id int primary key, name text, is_firm bool);"
        "insert into parties select id, name, false from people union all select id, name, true from firms;"
        "drop table people, firms;",
        down="create table people (id int primary key, name text); create table firms (id int primary key, name text);"
        "insert into people select id, name from parties where not is_firm;"
        "insert into firms select id, name from parties where is_firm; drop table parties;",
    ),
    Pair(
        name="a column split in two and joined",
        base="create table t (id int primary key, whole text, n int);"
        "insert into t select g, 'F' || g || ' L' || g, g from generate_series(1, 20) g;",
        up="alter table t add first text, add last text;"
        "update t set first = split_part(whole, ' ', 1), last = split_part(whole, ' ', 2); alter table t drop whole;",
        down="alter table t add whole text; update t set whole = first || ' ' || last;"
        "alter table t drop first, drop last;",
        physical={ORDER, DROPPED},
    ),
    Pair(
        name="a function replaced and put back",
        base=TWICE + "revoke execute on function twice from public;",
        up="create or replace function twice(n int) returns int language sql as 'select n << 1';",
        down="create or replace function twice(n int) returns int language sql immutable strict as 'select 2 * n';",
    ),
    Pair(
        name="row security widened and narrowed",
        base=POLICY,
        up="drop policy own on t; create policy own on t as restrictive for select using (true);",
        down="drop policy own on t; create policy own on t as restrictive for select to auditor using (v > 10);",
    ),
    Pair(
        name="a serial that became an identity, and back",
        base="create table n (id serial primary key, v int); insert into n (v) select g from generate_series(1, 5) g;",
        up="alter table n alter id drop default; drop sequence n_id_seq;"
        "alter table n alter id add generated by default as identity (restart with 6);",
        down="alter table n alter id drop identity; create sequence n_id_seq as int owned by n.id;"
        "select setval('n_id_seq', 5); alter table n alter id set default nextval('n_id_seq');",
    ),
    Pair(
        name="another key and back",
        base=T + "alter table t add u uuid not null default gen_random_uuid();",
        up="alter table t drop constraint t_pkey; alter table t add primary key (u);",
        down="alter table t drop constraint t_pkey; alter table t add primary key (id);",
    ),
    Pair(
        name="written rows without a default that the server computes",
        up="alter table t add made timestamptz not null default now();",
        down="alter table t drop made;",
        writes=WRITES,
        physical={DROPPED},
    ),
)
