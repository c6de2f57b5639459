"""What differs between two states, the traffic's writes taken out; and every write verified."""

from __future__ import annotations

import pytest

from rehearse.engines import _table_comparison
from rehearse.engines.postgres import table_rows
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.model import TableComparison
from tests.engines.comparing import compared, named, table, wrote

T = (
    "create table t (id int primary key, v int, w text); "
    "insert into t select g, g, 'w' || g from generate_series(1, 1000) g;"
)

pytestmark = pytest.mark.slow


def silent(one: TableComparison) -> bool:
    is_clean = not one.rows_missing and not one.rows_unexpected and not one.columns and not one.unmeasured
    return is_clean and one.lost_writes == one.phantom_writes == 0


def test_nothing_differs_where_nothing_changed(database: PostgresDatabase) -> None:
    found = table(compared(database, T, ""))
    assert silent(found)
    assert (found.rows_missing, found.rows_unexpected, found.rows_before, found.rows_after) == (0, 0, 1000, 1000)


def test_values_rows_and_losses_are_counted_by_column(database: PostgresDatabase) -> None:
    change = "update t set v = 0 where id <= 10; update t set w = null where id <= 30; delete from t where id > 990;"
    found = table(compared(database, T, change + "insert into t values (2000, 1, 'x')", limit=3))
    assert (found.rows_missing, found.rows_unexpected) == (10, 1)
    assert [(one.column, one.values_changed, one.values_lost) for one in found.columns] == [("v", 10, 0), ("w", 30, 30)]
    assert [one.values_filled for one in found.columns] == [0, 0]
    assert [(one.key, one.before, one.after) for one in found.columns[1].examples] == [
        ("1", "w1", None), ("2", "w2", None), ("3", "w3", None)
    ]  # fmt: skip


def test_values_that_were_null_are_told_from_those_that_were_others(database: PostgresDatabase) -> None:
    first = T + "update t set w = null where id <= 20; update t set v = null where id = 7;"
    written = [wrote("update", {"id": "5"}, {"v": "50"})]
    found = table(
        compared(database, first, "update t set v = 50 where id = 5; update t set w = 'x' where id <= 25", written)
    )
    assert [(one.column, one.values_changed, one.values_lost, one.values_filled) for one in found.columns] == [
        ("w", 25, 0, 20)
    ]


@pytest.mark.parametrize(
    "change",
    [
        "alter table t alter id type bigint",
        "alter table t alter v type bigint",
        "alter table t alter v type numeric(10, 2)",
        "alter table t alter w type varchar(20)",
        "alter table t alter w type char(30)",
        "alter table t add x int default 5",
        "alter table t drop w; alter table t add z text",
        "alter table t rename to o; create table t (w text, v int, id int primary key); "
        "insert into t select w, v, id from o",
        "alter table t drop constraint t_pkey",
        "vacuum full t",
    ],
)
def test_another_form_of_the_same_values_is_no_difference(database: PostgresDatabase, change: str) -> None:
    assert silent(table(compared(database, T, change)))


@pytest.mark.parametrize(
    "exact, lossy, changed", [("numeric", "float8", 2), ("int8", "float8", 1), ("numeric", "real", 3)]
)
def test_digits_that_a_float_does_not_hold_are_found(
    database: PostgresDatabase, exact: str, lossy: str, changed: int
) -> None:
    numbers = [0.1, 2.50, 16777217, 9007199254740993, "12345678901234567890.5"]
    some = [one for one in numbers if exact == "numeric" or isinstance(one, int)]
    before = (
        f"create table t (id serial primary key, v {exact}); insert into t (v) values ({'), ('.join(map(str, some))})"
    )
    found = table(compared(database, before, f"alter table t alter v type {lossy}"))
    assert [(one.column, one.values_changed) for one in found.columns] == [("v", changed)]


def test_values_cut_by_a_shorter_type_are_found(database: PostgresDatabase) -> None:
    found = table(compared(database, T, "alter table t alter w type varchar(3) using left(w, 3)"))
    assert [(one.column, one.values_changed) for one in found.columns] == [("w", 901)]


@pytest.mark.parametrize(
    "key, value",
    [
        ("text", "'k' || g"),
        ("uuid", "md5(g::text)::uuid"),
        ("numeric", "g + 0.5"),
        ("timestamptz", "now() + g * interval '1 s'"),
    ],
)
def test_rows_are_paired_by_any_type_of_key(database: PostgresDatabase, key: str, value: str) -> None:
    before = (
        f"create table t (id {key} primary key, v int); insert into t select {value}, g from generate_series(1, 500) g"
    )
    found = table(compared(database, before, "update t set v = -v where v % 100 = 7; delete from t where v = 8"))
    assert found.rows_missing == 1
    assert [(one.column, one.values_changed, len(one.examples)) for one in found.columns] == [("v", 5, 5)]


def test_rows_are_paired_by_several_columns(database: PostgresDatabase) -> None:
    before = (
        "create table t (a int, b text, v int, primary key (a, b)); "
        "insert into t select g % 7, g, g from generate_series(1, 500) g"
    )
    found = table(
        compared(
            database,
            before,
            "update t set v = 0 where b = '20'; update t set v = 5 where b = '21'",
            [wrote("update", {"b": "21", "a": "0"}, {"v": "5"})],
        )
    )
    assert [(one.column, one.values_changed, one.examples[0].key) for one in found.columns] == [
        ("v", 1, "a = 6, b = 20")
    ]
    assert found.writes_checked == 1


def test_a_table_without_a_key_is_compared_as_a_bag_of_rows(database: PostgresDatabase) -> None:
    before = "create table t (v int); insert into t select g % 10 from generate_series(1, 100) g"
    found = table(compared(database, before, "insert into t values (3), (3); delete from t where v = 4"))
    assert (found.rows_missing, found.rows_unexpected) == (10, 2)
    assert "no key" in found.unmeasured[0]


def test_acknowledged_inserts_explain_the_rows_of_a_table_without_a_key(database: PostgresDatabase) -> None:
    before = "create table t (v int)"
    found = table(compared(database, before, "insert into t values (3)", [wrote("insert", None, {"v": "3"})]))
    assert (found.rows_unexpected, found.lost_writes) == (0, 0)
    assert found.rows_after == 1


def test_a_table_that_becomes_partitioned_is_compared_at_its_root(database: PostgresDatabase) -> None:
    change = (
        "alter table t rename to o; create table t (id int primary key, v int, w text) partition by hash (id);"
        "create table t0 partition of t for values with (modulus 2, remainder 0);"
        "create table t1 partition of t for values with (modulus 2, remainder 1);"
        "insert into t select * from o where id <> 77; drop table o"
    )
    comparison = compared(database, T, change)
    assert [one.table for one in comparison.tables] == ["t"]
    assert table(comparison).rows_missing == 1


def test_a_table_that_is_gone_is_said_to_be(database: PostgresDatabase) -> None:
    found = table(compared(database, T, "drop table t", [wrote("update", {"id": "1"}, {"v": "3"})]))
    assert (found.rows_before, found.rows_after, found.rows_missing, found.lost_writes) == (1000, None, None, 0)
    assert "1 writes to it were not verified" in found.unmeasured[1]


def test_what_acknowledged_writes_did_is_no_difference(database: PostgresDatabase) -> None:
    writes = [
        wrote("update", {"id": "1"}, {"v": "100"}),
        wrote("update", {"id": "02"}, {"w": "x"}),
        wrote("update", {"id": "3"}, deltas={"v": "5"}),
        wrote("update", {"id": "3"}, deltas={"v": "-1"}),
        wrote("delete", {"id": "4"}),
        wrote("insert", {"id": "2000"}, {"id": "2000", "v": "7"}, unclear=["w"]),
        wrote("update", {"id": "5"}, {"v": "1"}, outcome="unknown"),
        wrote("update", {"id": "6"}, {"v": "1"}, outcome="unknown"),
        wrote("update", {"id": "7"}, {"v": "1"}, outcome="failed"),
    ]
    change = (
        "update t set v = 100 where id = 1; update t set w = 'x' where id = 2; update t set v = v + 4 where id = 3;"
        "delete from t where id = 4; insert into t values (2000, 7, 'default'); update t set v = 1 where id = 5"
    )
    found = table(compared(database, T, change, writes))
    assert silent(found)
    assert found.writes_checked == 9


def test_a_lost_update_is_found_with_key_and_column(database: PostgresDatabase) -> None:
    writes = [wrote("update", {"id": "1"}, {"v": "100"}), wrote("update", {"id": "2"}, {"v": "100", "w": "x"})]
    found = table(compared(database, T, "update t set v = 100 where id = 1; update t set w = 'x' where id = 2", writes))
    assert found.lost_writes == 1
    assert [(one.kind, one.key, one.column, one.written, one.found) for one in found.wrong_writes] == [
        ("lost", "2", "v", "100", "2")
    ]


def test_a_lost_increment_a_lost_insert_and_a_lost_delete_are_found(database: PostgresDatabase) -> None:
    writes = [
        wrote("update", {"id": "1"}, deltas={"v": "5"}),
        wrote("update", {"id": "1"}, deltas={"v": "5"}),
        wrote("insert", {"id": "2000"}, {"v": "5"}),
        wrote("delete", {"id": "3"}),
    ]
    found = table(compared(database, T, "update t set v = v + 5 where id = 1", writes))
    assert [(one.key, one.column) for one in found.wrong_writes] == [("1", "v"), ("2000", None), ("3", None)]
    assert found.lost_writes == 3


def test_a_refused_write_that_is_there_is_a_phantom(database: PostgresDatabase) -> None:
    writes = [
        wrote("update", {"id": "1"}, {"v": "100"}, outcome="failed"),
        wrote("insert", {"id": "2000"}, {"v": "5"}, outcome="failed"),
        wrote("insert", None, {"v": "77", "w": "z"}, outcome="failed"),
    ]
    change = "update t set v = 100 where id = 1; insert into t values (2000, 5), (3000, 77, 'z'), (3001, 78, 'z')"
    found = table(compared(database, T, change.replace("(2000, 5)", "(2000, 5, null)"), writes))
    assert found.phantom_writes == 3
    assert found.rows_unexpected == 1
    assert found.lost_writes == 0


def test_a_cell_of_a_written_row_that_no_call_wrote_is_a_change_of_its_own(database: PostgresDatabase) -> None:
    found = table(
        compared(
            database, T, "update t set v = 100, w = 'oops' where id = 1", [wrote("update", {"id": "1"}, {"v": "100"})]
        )
    )
    assert [(one.column, one.values_changed) for one in found.columns] == [("w", 1)]
    assert found.lost_writes == 0


def test_either_order_of_two_writes_at_once_is_right_and_a_third_value_is_not(database: PostgresDatabase) -> None:
    writes = [
        wrote("update", {"id": key}, {"v": value}, at=at)
        for key in ("1", "2", "3")
        for value, at in (("10", (0, 100)), ("20", (50, 150)))
    ]
    found = table(compared(database, T, "update t set v = id * 10 where id <= 3", writes))
    assert [(one.key, one.found) for one in found.wrong_writes] == [("3", "30")]


def test_an_overwritten_write_does_not_count_but_the_older_of_two_in_order_does(database: PostgresDatabase) -> None:
    writes = [
        wrote("update", {"id": "1"}, {"v": "10"}, at=(0, 10)),
        wrote("update", {"id": "1"}, {"v": "20"}, at=(20, 30)),
    ]
    found = table(compared(database, T, "update t set v = 10 where id = 1", writes))
    assert [(one.written, one.found) for one in found.wrong_writes] == [("20", "10")]


def test_written_texts_are_read_as_the_column_reads_them(database: PostgresDatabase) -> None:
    before = (
        "create table t (id int primary key, n numeric(10, 2), s timestamptz, j jsonb, b bool, c char(4), f float8);"
        "insert into t values (1)"
    )
    values = {"n": "1.005", "s": "2024-01-01T00:00:00Z", "j": '{"b":1, "a":2}', "b": "t", "c": "ab", "f": "1e3"}
    change = (
        "update t set n = '1.005', s = '2024-01-01 00:00:00Z', j = '{\"a\":2,\"b\":1}', b = true, c = 'ab', f = 1000"
    )
    assert silent(table(compared(database, before, change, [wrote("update", {"id": "1"}, values)])))


def test_a_write_that_a_shorter_type_cut_is_lost(database: PostgresDatabase) -> None:
    before = "create table t (id int primary key, w varchar(20)); insert into t values (1, 'old')"
    change = "update t set w = 'abcdefgh'; alter table t alter w type varchar(5) using left(w, 5)"
    found = table(compared(database, before, change, [wrote("update", {"id": "1"}, {"w": "abcdefgh"})]))
    assert [(one.written, one.found) for one in found.wrong_writes] == [("abcdefgh", "abcde")]


def test_writes_to_a_column_that_is_gone_are_not_measured_and_not_lost(database: PostgresDatabase) -> None:
    found = table(compared(database, T, "alter table t drop w", [wrote("update", {"id": "1"}, {"w": "x"})]))
    assert found.lost_writes == 0
    assert found.columns_gone == ("w",)
    assert "1 writes to column w" in found.unmeasured[0]


def test_writes_that_told_no_row_hide_their_columns_and_rows_only(database: PostgresDatabase) -> None:
    writes = [wrote("update", None, {"v": "0"}), wrote("delete", None)]
    change = "update t set v = 0 where id < 5; update t set w = null where id = 9; delete from t where id > 998"
    found = table(compared(database, T, change, writes))
    assert [one.column for one in found.columns] == ["w"]
    assert found.rows_missing is None
    assert found.writes_untold == 1
    assert any("3 of v" in one or "values of v" in one for one in found.unmeasured)


AUDITED = T + (
    "create table log (id serial primary key, v int); insert into log (v) select g from generate_series(1, 50) g; "
    "create table other (id int primary key); "
    "create function note() returns trigger language plpgsql as $$ begin {}; return new; end $$; "
    "create trigger noted after update on t for each row execute function note();"
)
CHANGED = "update t set v = 5 where id = 1; "


def test_rows_that_a_trigger_may_have_added_for_a_call_are_no_difference(database: PostgresDatabase) -> None:
    before = AUDITED.format("insert into log (v) values (new.v)")
    change = CHANGED + "insert into other values (1)"
    comparison = compared(database, before, change, [wrote("update", {"id": "1"}, {"v": "5"})])
    assert table(comparison, "log").rows_unexpected == 0
    assert "trigger noted of t" in table(comparison, "log").unmeasured[0]
    assert table(comparison, "other").rows_unexpected == 1
    assert silent(table(comparison))


def test_rows_that_a_rule_adds_for_a_call_are_no_difference(database: PostgresDatabase) -> None:
    before = T + (
        "create table log (id serial primary key, v int); "
        "create rule noted as on update to t do also insert into log (v) values (old.v);"
    )
    comparison = compared(database, before, CHANGED, [wrote("update", {"id": "1"}, {"v": "5"})])
    assert table(comparison, "log").rows_unexpected == 0
    assert "rule noted of t" in table(comparison, "log").unmeasured[0]
    assert silent(table(comparison))


def test_rows_that_are_gone_are_told_where_triggers_only_add(database: PostgresDatabase) -> None:
    before = AUDITED.format("insert into log (v) values (new.v)")
    change = CHANGED + "delete from log where id <= 3; update log set v = null where id = 9"
    found = table(compared(database, before, change, [wrote("update", {"id": "1"}, {"v": "5"})]), "log")
    assert (found.rows_missing, [one.column for one in found.columns]) == (3, ["v"])


def test_what_a_trigger_may_have_changed_for_a_call_is_not_measured(database: PostgresDatabase) -> None:
    before = AUDITED.format("update log set v = v + 1 where id = 1")
    found = table(compared(database, before, CHANGED, [wrote("update", {"id": "1"}, {"v": "5"})]), "log")
    assert (found.rows_missing, found.rows_unexpected, found.columns_unmeasured) == (None, None, ("v",))
    assert "trigger noted of t" in found.unmeasured[0]


def test_a_trigger_on_the_row_itself_hides_no_other_row(database: PostgresDatabase) -> None:
    before = T + (
        "create function touch() returns trigger language plpgsql as $$ begin new.w = 'touched'; return new; end $$; "
        "create trigger touched before update on t for each row execute function touch();"
    )
    change = CHANGED + "delete from t where id > 990; update t set v = 0 where id = 7"
    found = table(compared(database, before, change, [wrote("update", {"id": "1"}, {"v": "5"}, unclear=("w",))]))
    assert found.rows_missing == 10
    assert {one.column: one.values_changed for one in found.columns} == {"v": 1, "w": 1}


def test_rows_without_a_key_that_calls_changed_are_not_counted(database: PostgresDatabase) -> None:
    before = "create table t (v int, w text); insert into t select g, 'w' from generate_series(1, 100) g;"
    found = table(compared(database, before, "update t set w = 'x' where v < 9", [wrote("update", None, {"w": "x"})]))
    assert (found.rows_missing, found.rows_unexpected, found.lost_writes) == (None, None, 0)
    assert "8 rows are gone and 8 came" in found.unmeasured[-1]


def test_a_row_that_is_there_twice_after_a_lost_key_is_unexpected(database: PostgresDatabase) -> None:
    found = table(compared(database, T, "alter table t drop constraint t_pkey; insert into t values (5, 5, 'w5')"))
    assert found.rows_unexpected == 1


def test_every_value_lost_is_counted_in_many_batches(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_table_comparison, "_BATCH", 64)
    monkeypatch.setattr(table_rows, "SLICE", 300)
    found = table(compared(database, T, "update t set w = null, v = v + 1 where id % 3 > 0", limit=5))
    assert [(one.column, one.values_changed, one.values_lost, len(one.examples)) for one in found.columns] == [
        ("v", 667, 0, 5), ("w", 667, 667, 5)
    ]  # fmt: skip


def test_fresh_values_of_a_key_that_the_way_forward_adds_tell_no_rows_apart(database: PostgresDatabase) -> None:
    forward = (
        "alter table t add u uuid not null default gen_random_uuid(); "
        "alter table t drop constraint t_pkey; alter table t add primary key (u), add constraint old_key unique (id);"
    )
    back = "alter table t drop u, drop constraint old_key, add primary key (id);"
    again = f"{back} {forward} update t set v = 0 where id = 7;"
    found = table(compared(database, forward, again, first=T))
    assert (found.rows_missing, found.rows_unexpected) == (0, 0)
    assert [(one.column, one.values_changed) for one in found.columns if one.column != "u"] == [("v", 1)]


SERIAL = "create table t (id serial primary key, v int); insert into t (v) select g from generate_series(1, 10) g;"
LAG = ("table t column id sequence", "behind")


@pytest.mark.parametrize(
    "change, writes, is_told",
    [
        ("insert into t values (50, 1)", [wrote("insert", {"id": "50"}, {"id": "50", "v": "1"})], False),
        ("insert into t values (50, 1)", [wrote("insert", {"id": "50"}, {"v": "1"})], True),
        ("insert into t values (50, 1)", [wrote("insert", {"id": "49"}, {"id": "49", "v": "1"})], True),
        ("insert into t values (50, 1)", [], True),
    ],
)
def test_a_sequence_lags_by_the_migration_unless_a_call_chose_the_outermost_key(
    database: PostgresDatabase, change: str, writes: list[dict[str, str]], is_told: bool
) -> None:
    assert (LAG in named(compared(database, SERIAL, change, writes).schema)) is is_told


def test_a_sequence_that_lagged_before_is_no_difference(database: PostgresDatabase) -> None:
    before = SERIAL + "insert into t values (11, 0), (12, 0);"
    assert named(compared(database, before, "select nextval('t_id_seq')").schema) == set()


def test_a_name_with_a_per_cent_sign_and_a_wider_truth_are_compared(database: PostgresDatabase) -> None:
    before = (
        'create table t (id int primary key, "rate %" int, flag bool); insert into t select g, g, true '
        "from generate_series(1, 9) g"
    )
    change = (
        'update t set "rate %" = 70 where id = 7; update t set "rate %" = 0 where id = 8;'
        "alter table t alter flag type numeric using case id when 1 then 1.4 when 2 then 3000000000 else 1 end"
    )
    found = table(compared(database, before, change, [wrote("update", {"id": "7"}, {"rate %": "70"})]))
    assert (found.lost_writes, found.writes_checked) == (0, 1)
    assert {one.column: [each.key for each in one.examples] for one in found.columns} == {
        "rate %": ["8"], "flag": ["1", "2"]
    }  # fmt: skip


def test_a_domain_over_another_type_changes_no_value(database: PostgresDatabase) -> None:
    before = "create domain d as int; create table t (id int primary key, v d); insert into t values (1, 5)"
    change = (
        "alter table t add w int; update t set w = v; drop domain d cascade; create domain d as bigint;"
        "alter table t add v d; update t set v = w; alter table t drop w"
    )
    assert table(compared(database, before, change)).columns == ()
