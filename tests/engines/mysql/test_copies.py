"""A copy of a database is the same database: whatever its tables are, and whichever way they were copied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearse.engines.mysql import tablespaces
from rehearse.engines.mysql.client import execute, named, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.protocols import Role
from tests.engines.mysql.numbers import numbered

pytestmark = pytest.mark.slow

SCRIPT = """
create table parents (id int primary key auto_increment, name varchar(20) character set latin1 not null unique);
create table children (id bigint unsigned primary key auto_increment, parent_id int, body longtext, doc json,
    at datetime(3), amount decimal(20, 5), raw varbinary(200),
    made int as (parent_id + 1) stored, key (at), key (parent_id, at), check (amount < 1000000),
    foreign key (parent_id) references parents (id));
create table compact (id int primary key, v varchar(10)) row_format = compact;
create table keyless (a int, b text);
create table blank (id int primary key auto_increment) auto_increment = 77;
create table grown (id int primary key, v int);
create table shrunk (id int primary key, a int, b int, c int);
create table parted (id int primary key, v int) partition by hash (id) partitions 3;
create table searched (id int primary key, body text, fulltext (body));
create table placed (id int primary key, p point not null, spatial index (p));
create table computed (id int primary key, v int, twice int as (v * 2) virtual, key (twice));
create table squeezed (id int primary key, v varchar(100)) row_format = compressed;
create table `odd name-é` (id int primary key, v int);
insert into parents (name) values ('one'), ('two'), ('drei');
insert into children (parent_id, body, doc, at, amount, raw)
    select 1 + seq % 3, repeat(char(97 + seq % 26), if(seq % 50 = 0, 20000, 5)), json_object('n', seq),
        '2020-01-01' + interval seq second, seq / 7, unhex(left(sha2(seq, 256), 32)) from seq_1_to_3000;
delete from children where id % 10 = 0;
insert into compact values (1, 'x'), (2, null);
insert into keyless select seq % 5, concat('row ', seq % 7) from seq_1_to_100;
insert into grown (id, v) select seq, seq from seq_1_to_100;
alter table grown add column late varchar(10) default 'late', algorithm = instant;
update grown set late = 'now' where id % 2;
insert into shrunk select seq, seq, seq, seq from seq_1_to_100;
alter table shrunk drop column b, algorithm = instant;
insert into parted select seq, seq from seq_1_to_100;
insert into searched values (1, 'hello world');
insert into placed values (1, point(1, 2));
insert into computed (id, v) select seq, seq from seq_1_to_100;
insert into squeezed select seq, repeat('x', 100) from seq_1_to_100;
insert into `odd name-é` values (1, 2);
analyze table parents, children, keyless;
"""
BY_FILES = {"parents", "children", "compact", "keyless", "blank"}
TABLES = BY_FILES | {
    "grown", "shrunk", "parted", "searched", "placed", "computed", "squeezed", "odd name-é"
}  # fmt: skip


@pytest.fixture(scope="module")
def pair(server: MysqlServer) -> Iterator[tuple[MysqlDatabase, MysqlDatabase]]:
    original = server.create("copied_from")
    with original.connect() as connection:
        for statement in filter(str.strip, numbered(SCRIPT).split(";")):
            execute(connection, statement)
    original.grant()
    copy = original.fork("copied_to")
    yield original, copy
    copy.drop()
    original.drop()


def test_a_copy_has_the_same_objects_and_rows(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    original, copy = (one.snapshot("now") for one in pair)
    assert copy.schema == original.schema
    assert copy.tables.keys() == original.tables.keys() == TABLES
    for name, table in original.tables.items():
        assert (copy.tables[name].rows, copy.tables[name].checksum) == (table.rows, table.checksum), name


def test_every_page_of_a_copy_is_sound(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    with pair[1].connect() as connection:
        for name in TABLES:
            said = rows(connection, f"CHECK TABLE {named(name)} EXTENDED")
            assert [text for *_, text in said] == ["OK"], name


def test_what_imports_are_not_known_to_keep_is_copied_by_rows(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    original, _ = pair
    target = original.server.create("copied_again")
    try:
        with target.connect() as connection:
            execute(connection, "SET SESSION foreign_key_checks = 0")
            for name in TABLES:
                ((_, text, *_),) = rows(connection, f"SHOW CREATE TABLE {named(original.name, name)}")
                execute(connection, str(text))
        assert tablespaces.copy(original, target) == BY_FILES
    finally:
        target.drop()


def test_the_next_row_of_a_copy_gets_the_number_that_it_would_have_got(
    pair: tuple[MysqlDatabase, MysqlDatabase],
) -> None:
    found = []
    for one in pair:
        with one.connect(Role.APPLICATION) as connection:
            execute(connection, "INSERT INTO children (parent_id) VALUES (1)")
            execute(connection, "INSERT INTO blank VALUES ()")
            found.append([rows(connection, f"SELECT max(id) FROM {table}") for table in ("children", "blank")])
    assert found[0] == found[1]
    assert found[0][1] == ((77,),)


def test_the_planner_reckons_with_a_copy_as_with_the_original(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    query = """
        SELECT table_name, index_name, stat_name, stat_value FROM mysql.innodb_index_stats
        WHERE database_name = %s AND table_name IN ('parents', 'children') ORDER BY 1, 2, 3
    """
    with pair[0].connect() as connection:
        original, copy = (rows(connection, query, (one.name,)) for one in pair)
    assert original == copy


def test_a_reference_of_a_copy_is_kept_by_the_server(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    with pair[1].connect(Role.APPLICATION) as connection, pytest.raises(Exception, match="foreign key constraint"):
        # With a NULL beside it in the index, MySQL 9.7.4 lets an orphan in, into the original too.
        execute(connection, "INSERT INTO children (parent_id, at) VALUES (99, '2020-01-01')")


def test_nobody_is_kept_out_of_the_original_afterwards(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    with pair[0].connect(Role.APPLICATION) as connection:
        execute(connection, "SET lock_wait_timeout = 1")
        assert execute(connection, "UPDATE compact SET v = 'y' WHERE id = 1") == 1


def test_a_table_without_a_file_of_its_own_is_copied_by_rows(server: MysqlServer) -> None:
    original = server.create("shared")
    with original.connect() as connection:
        ((usual,),) = rows(connection, "SELECT @@GLOBAL.innodb_file_per_table")
        try:
            execute(connection, "SET GLOBAL innodb_file_per_table = OFF")
            execute(connection, "CREATE TABLE inside (id int PRIMARY KEY)")
            execute(connection, "SET GLOBAL innodb_file_per_table = ON")
            execute(connection, "CREATE TABLE outside (id int PRIMARY KEY)")
            execute(connection, "INSERT INTO inside VALUES (1)")
            execute(connection, "INSERT INTO outside VALUES (2)")
            copies = [original.fork("shared_1")]
            execute(connection, "SET GLOBAL innodb_file_per_table = OFF")
            copies.append(original.fork("shared_2"))
        finally:
            execute(connection, f"SET GLOBAL innodb_file_per_table = {usual}")
        for copy in copies:
            with copy.connect() as there:
                assert rows(there, "SELECT inside.id, outside.id FROM inside, outside") == ((1, 2),)
            copy.drop()
    original.drop()
