"""Snapshots, copies, and what differs between two states with the traffic's writes taken out."""

from __future__ import annotations

import pytest

from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.model import TableComparison
from tests.engines.comparing import table, wrote
from tests.engines.mysql.comparing import compared, numbers, run

T = f"""
create table t (id int primary key, v int, w varchar(40));
insert into t select seq, seq, concat('w', seq) from {numbers(1000)};
"""
# Every type that has a trap: what its text, its CRC or its collation hides.
TYPES = """
create table types (
    id bigint unsigned primary key, i tinyint, u bigint unsigned, d decimal(20, 6), f float, r double, b bit(9),
    c char(5), v varchar(50) character set latin1, t text, x varbinary(40), y blob, e enum('a', 'b'), s set('p', 'q'),
    da date, ti time(3), dt datetime(6), ts timestamp(6) null, ye year, j json, g point
    /*M! , un uuid */ /*!90000 , ve vector(2) */,
    made bigint as (id % 7) virtual, kept bigint as (id % 5) stored
);
insert into types (id, i, u, d, f, r, b, c, v, t, x, y, e, s, da, ti, dt, ts, ye, j, g) values
    (1, -1, 18446744073709551615, -0.000001, 0.1, 1e-300, b'101', 'a', 'ä', '', x'00ff', '', 'a', 'p,q', '2024-02-29',
     '-838:59:58.5', '2024-01-01 00:00:00.000001', '2024-01-01 00:00:00.5', 2024, '{"a": [1, null]}', point(1, 2)),
    (3, 0, 0, 0, 0, 0, 0, '', '', 'x', '', x'00', 'b', '', '1970-01-01', '0:0:0', '1970-01-02', null, 1970, '0',
     point(0, 0));
update types set i = i /*M! , un = uuid() */ /*!90000 , ve = to_vector('[1, 2]') */ where id = 1;
insert into types (id) values (18446744073709551615);
"""

OWN = "/*M! un */ /*!90000 ve */"  # a column that only one of the servers can have

pytestmark = pytest.mark.slow


def is_silent(one: TableComparison) -> bool:
    is_clean = not one.rows_missing and not one.rows_unexpected and not one.columns and not one.unmeasured
    return is_clean and one.lost_writes == one.phantom_writes == 0


def test_nothing_differs_where_nothing_changed(shop: MysqlDatabase) -> None:
    found = compared(shop, T + TYPES, "")
    assert (found.schema, found.physical) == ((), ())
    assert all(map(is_silent, found.tables))
    assert table(found).rows_before == table(found).rows_after == 1000


def test_values_rows_and_losses_are_counted_by_column(shop: MysqlDatabase) -> None:
    change = "update t set v = 0 where id <= 10; update t set w = null where id <= 30; delete from t where id > 990;"
    found = table(compared(shop, T, change + "insert into t values (2000, 1, 'x')", limit=3))
    assert (found.rows_missing, found.rows_unexpected, found.examples_unexpected) == (10, 1, ("2000",))
    assert [(one.column, one.values_changed, one.values_lost) for one in found.columns] == [("v", 10, 0), ("w", 30, 30)]
    assert [(one.key, one.before, one.after) for one in found.columns[1].examples] == [
        ("1", "w1", None), ("2", "w2", None), ("3", "w3", None)
    ]  # fmt: skip


def test_values_that_change_places_are_seen(shop: MysqlDatabase) -> None:
    """A sum or XOR of CRCs does not see them: it is the same before and after."""
    swap = "update t set w = concat('w', if(id % 2, id + 1, id - 1));"
    found = table(compared(shop, T, swap))
    assert [(one.column, one.values_changed) for one in found.columns] == [("w", 1000)]


@pytest.mark.parametrize(
    "change",
    [
        "alter table t modify id bigint",
        "alter table t modify v bigint unsigned",
        "alter table t modify v decimal(12, 3)",
        "alter table t modify w text character set utf8mb3",
        "alter table t modify w varchar(400)",
        "alter table t add column z int default 7, drop column w",
        "alter table t modify w varchar(40) first",
        "alter table t drop primary key, add primary key (v)",
        "alter table t row_format = compressed",
    ],
)
def test_a_change_of_type_or_order_that_keeps_the_values_is_no_difference_of_data(
    shop: MysqlDatabase, change: str
) -> None:
    found = compared(shop, T, change)
    assert is_silent(table(found))
    assert found.schema or found.physical


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("i", "-2"), ("u", "18446744073709551614"), ("d", "0.000001"), ("f", "0.10000001"), ("r", "2e-300"),
        ("b", "b'100'"), ("c", "'A'"), ("v", "'a'"), ("t", "' '"), ("x", "x'00fe'"), ("y", "x'00'"), ("e", "'b'"),
        ("s", "'p'"), ("da", "'2024-02-28'"), ("ti", "'-838:59:58.499'"), ("dt", "'2024-01-01 00:00:00.000002'"),
        ("ts", "'2024-01-01 00:00:00.500001'"), ("ye", "2023"), ("j", "'{\"a\": [1, 0]}'"), ("g", "point(1, 2.5)"),
        (OWN, "/*M! uuid() */ /*!90000 to_vector('[1, 2.0001]') */"),
    ],
)  # fmt: skip
def test_the_smallest_change_of_every_type_is_seen(shop: MysqlDatabase, column: str, value: str) -> None:
    found = table(compared(shop, TYPES, f"update types set {column} = {value} where id = 1"), "types")
    column = {"mariadb": "un", "mysql": "ve"}[shop.server.flavour.name] if column == OWN else column
    assert [(one.column, one.values_changed) for one in found.columns] == [(column, 1)]
    assert (found.rows_missing, found.rows_unexpected) == (0, 0)


def test_acknowledged_writes_explain_what_they_wrote_and_lost_ones_are_told(shop: MysqlDatabase) -> None:
    change = (
        "update t set v = 70 where id = 7; update t set v = v + 5 where id = 8; insert into t values (5000, 1, 'x');"
    )
    writes = [
        wrote("update", {"id": "007"}, {"v": "70"}),
        wrote("update", {"id": "8"}, deltas={"v": "5"}),
        wrote("insert", {"id": "5000"}, {"v": "1", "w": "x"}),
        wrote("update", {"id": "9"}, {"w": "lost"}),
        wrote("insert", {"id": "6000"}, {"v": "1"}),
        wrote("update", {"id": "10"}, {"w": "refused"}, outcome="failed"),
    ]
    found = table(compared(shop, T, change, writes))
    assert (found.rows_missing, found.rows_unexpected, found.columns) == (0, 0, ())
    assert {(one.key, one.column, one.found) for one in found.wrong_writes} == {("9", "w", "w9"), ("6000", None, None)}


def test_a_text_key_is_compared_as_the_server_compares_it(shop: MysqlDatabase) -> None:
    made = "create table t (id varchar(20) primary key, v int); insert into t values ('Abc', 1), ('d', 2);"
    writes = [wrote("update", {"id": "aBC"}, {"v": "5"}), wrote("update", {"id": "ABC"}, {"v": "6"})]
    found = table(compared(shop, made, "update t set v = 6 where id = 'abc'", writes))
    assert is_silent(found)


def test_rows_without_a_key_are_compared_as_they_are(shop: MysqlDatabase) -> None:
    made = "create table t (v int, w varchar(9)); insert into t values (1, 'a'), (1, 'a'), (2, null);"
    found = table(compared(shop, made, "delete from t limit 1; insert into t values (3, 'c')"))
    assert (found.rows_missing, found.rows_unexpected) == (1, 1)
    assert found.examples_unexpected == ("(v = 3, w = c)",)


def test_a_key_that_is_negative_or_beyond_the_signed_numbers_is_told(shop: MysqlDatabase) -> None:
    made = (
        "create table t (id bigint unsigned primary key, v int); create table n (id int primary key, v int);"
        "insert into t values (18446744073709551615, 1), (9223372036854775808, 2), (0, 3);"
        "insert into n values (-1, 1);"
    )
    found = compared(shop, made, "update t set v = 0; update n set v = 0")
    assert {one.key for one in table(found).columns[0].examples} == {"18446744073709551615", "9223372036854775808", "0"}
    assert table(found, "n").columns[0].examples[0].key == "-1"


SCHEMA = """
create table p (id int primary key);
create table t (
    id int auto_increment primary key, v int not null default 5 comment 'c', w varchar(20) collate utf8mb4_bin,
    p_id int, u int, key v_idx (v), unique key u_key (u), fulltext key w_text (w),
    constraint t_p foreign key (p_id) references p (id) on delete cascade, constraint positive check (v > 0)
);
create view seen as select id, v from t;
create trigger t_before before insert on t for each row set new.w = 'made';
create procedure did() select 1;
create function twice(n int) returns int deterministic return 2 * n;
create event tick on schedule every 1 day do select 1;
create table parted (id int) partition by range (id)
    (partition p0 values less than (10), partition p1 values less than (20));
"""


@pytest.mark.parametrize(
    ("change", "thing"),
    [
        ("alter table t alter v set default 6", "table t column v"),
        ("alter table t modify v int default 5 comment 'c'", "table t column v"),
        ("alter table t modify v int not null default 5", "table t column v"),
        ("alter table t modify w varchar(21) collate utf8mb4_bin", "table t column w"),
        ("alter table t modify w varchar(20) collate utf8mb4_general_ci", "table t column w"),
        ("alter table t modify w varchar(20) collate utf8mb4_bin invisible", "table t column w"),
        ("alter table t modify id int", "table t column id"),
        ("alter table t drop key v_idx", "table t index v_idx"),
        ("alter table t alter index v_idx /*M! ignored */ /*!80000 invisible */", "table t index v_idx"),
        ("alter table t drop key v_idx, add key v_idx (v, u)", "table t index v_idx"),
        ("alter table t drop key u_key, add key u_key (u)", "table t index u_key"),
        ("alter table t drop foreign key t_p", "table t foreign key t_p"),
        (
            "alter table t drop foreign key t_p; "
            "alter table t add constraint t_p foreign key (p_id) references p (id) on delete set null",
            "table t foreign key t_p",
        ),
        ("alter table t drop constraint positive", "table t check positive"),
        ("alter table t comment = 'x'", "table t"),
        ("alter table t row_format = compact", "table t"),
        ("alter table t default character set latin1", "table t"),
        ("drop view seen", "view seen"),
        ("create or replace view seen as select id from t", "view seen"),
        ("create or replace sql security invoker view seen as select id, v from t", "view seen"),
        ("drop trigger t_before", "table t trigger t_before"),
        ("drop procedure did", "procedure did"),
        (
            "drop function twice; create function twice(n bigint) returns int deterministic return 2 * n",
            "function twice",
        ),
        ("alter event tick disable", "event tick"),
        ("alter table parted add partition (partition p2 values less than (30))", "table parted partitions"),
        ("alter table parted remove partitioning", "table parted partitions"),
        ("create table other (id int)", "table other"),
        ("drop table parted", "table parted"),
    ],
)
def test_every_change_of_the_schema_is_seen(shop: MysqlDatabase, change: str, thing: str) -> None:
    run(shop, SCHEMA)
    before = shop.snapshot("start")
    run(shop, change)
    after = shop.snapshot("back")
    changed = {
        name for name in before.schema.keys() | after.schema.keys() if before.schema.get(name) != after.schema.get(name)
    }
    assert thing in changed


def test_a_copy_has_every_object(shop: MysqlDatabase) -> None:
    run(shop, SCHEMA + "insert into p values (1); insert into t (p_id) values (1);")
    copy = shop.fork(f"{shop.name}_copy")
    try:
        mine, theirs = shop.snapshot("start"), copy.snapshot("start")
        events = {"event tick"}  # a copy's events do not run
        assert {name: one for name, one in mine.schema.items() if name not in events} == {
            name: one for name, one in theirs.schema.items() if name not in events
        }
        assert all(mine.tables[name].is_like(theirs.tables[name]) for name in mine.tables)
        with copy.connect() as connection:
            execute(connection, "INSERT INTO t (p_id) VALUES (1)")
            assert rows(connection, "SELECT max(id), max(w) FROM t") == ((2, "made"),)
    finally:
        copy.drop()


def test_columns_may_have_any_names_and_triggers_that_count_explain_their_rows(shop: MysqlDatabase) -> None:
    before = """
        create table t (n int, x0 varchar(9), w int, primary key (n, x0));
        insert into t values (1, 'a', 1), (2, 'b', 2);
        create table totals (k int primary key, n int);
        insert into totals values (1, 5);
        create table audit (n int auto_increment primary key, k int unique);
        create trigger counts after insert on t for each row insert into totals (k, n) values (1, 1)
            on duplicate key update n = n + 1;
        create trigger notes after insert on t for each row insert ignore into `audit` (k) values (new.n)
    """
    writes = [wrote("insert", {"n": "3", "x0": "c"}, {"w": "3"}), wrote("update", {"n": "1", "x0": "a"}, {"w": "9"})]
    found = compared(shop, before, "insert into t values (3, 'c', 3); update t set w = 8 where n = 1", writes)
    wrong = [(one.kind, one.column, one.written, one.found) for one in table(found).wrong_writes]
    assert wrong == [("lost", "w", "9", "8")]
    totals, audit = table(found, "totals"), table(found, "audit")
    assert (totals.columns, totals.columns_unmeasured, totals.rows_missing) == ((), ("n",), None)
    assert (audit.rows_unexpected, audit.rows_missing) == (0, 0)
    assert "trigger notes of t may have added" in audit.unmeasured[0]
