"""Damage that a weaker hash or a looser equality does not see: found in its row and column, and nothing else is."""

from __future__ import annotations

import pytest

from rehearse.engines.mysql.client import execute
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.model import TableComparison
from tests.engines.comparing import table, wrote
from tests.engines.mysql.comparing import compared, numbers, run

pytestmark = pytest.mark.slow

# Of each trap the column's type, the value that was, and the one that it becomes in one row.
TRAPS = {
    "null_to_empty": ("varchar(9)", "null", "''"),
    "empty_to_null": ("varchar(9)", "''", "null"),
    "null_to_zero": ("int", "null", "0"),
    "zero_to_null": ("int", "0", "null"),
    "upper_case": ("varchar(9)", "'a'", "'A'"),
    "accent": ("varchar(9)", "'a'", "'ä'"),
    "sharp_s": ("varchar(9) collate utf8mb4_unicode_ci", "'ss'", "'ß'"),
    "blanks_at_the_end": ("varchar(9)", "'a'", "'a  '"),
    "zero_width": ("varchar(9)", "'a'", "concat('a', _utf8mb4 x'E2808B')"),
    "emoji": ("varchar(9)", "'😀'", "'😁'"),
    "composed": ("varchar(9)", "_utf8mb4 x'C3A9'", "_utf8mb4 x'65CC81'"),
    "twice_encoded": ("varchar(9)", "'é'", "convert(convert('é' using binary) using latin1)"),
    "cyrillic": ("varchar(9) character set cp1251", "'Я'", "'я'"),
    "two_bytes": ("varchar(9) character set ucs2", "x'0041'", "x'0042'"),
    "one_character_of_two_codes": ("varchar(9) character set cp932", "x'81CA'", "x'EEF9'"),
    "no_character": ("varchar(9) character set tis620", "x'DB'", "x'DC'"),
    "nul_bytes": ("varbinary(9)", "x'00'", "x'0000'"),
    "bytes": ("blob", "x'00ff'", "x'00fe'"),
    "binary": ("binary(4)", "x'01'", "x'02'"),
    "minus_one": ("bigint", "-1", "4294967295"),
    "unsigned": ("bigint unsigned", "18446744073709551615", "18446744073709551614"),
    "sign": ("tinyint", "1", "-1"),
    "decimal": ("decimal(65, 30)", "1e-30", "2e-30"),
    "last_bit_of_a_double": ("double", "0.1e0", "0.1e0 + 1.4e-17"),
    "large_double": ("double", "9007199254740992e0", "9007199254740994e0"),
    "last_bit_of_a_float": ("float", "0.1e0", "0.100000009e0"),
    "small_float": ("float", "1.17549435e-38", "1.1754945e-38"),
    "bits": ("bit(64)", "0xffffffffffffffff", "0xfffffffffffffffe"),
    "bit": ("bit(1)", "b'0'", "b'1'"),
    "enum": ("enum('a', 'b')", "'a'", "'b'"),
    "enum_of_nothing": ("enum('a', '')", "0", "2"),
    "set": ("set('a', 'b', 'c')", "'a,b'", "'a,c'"),
    "year": ("year", "2000", "0"),
    "zero_date": ("date", "null", "'0000-00-00'"),
    "zero_day": ("date", "'2024-01-00'", "'2024-00-00'"),
    "zero_datetime": ("datetime", "'0000-00-00 00:00:00'", "null"),
    "microsecond": ("datetime(6)", "'2024-01-01'", "'2024-01-01 00:00:00.000001'"),
    "hour": ("timestamp null", "'2024-03-31 00:30:00'", "'2024-03-31 01:30:00'"),
    "millisecond": ("timestamp(3) null", "'2024-01-01'", "'2024-01-01 00:00:00.001'"),
    "negative_time": ("time(6)", "'-00:00:00.000001'", "'00:00:00.000001'"),
    "null_in_json": ("json", "'{\"a\": null}'", "'{}'"),
    "point": ("geometry", "st_geomfromtext('point(1 2)')", "st_geomfromtext('point(1 2.0000000000000004)')"),
    "place": ("geometry", "st_geomfromtext('point(1 2)', 0)", "st_geomfromtext('point(1 2)', 4326)"),
}  # fmt: skip
OWN = {
    "mariadb": {
        "order_of_json": ("json", '\'{"a": 1, "b": 2}\'', '\'{"b": 2, "a": 1}\''),
        "uuid": ("uuid", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
        "inet": ("inet6", "'::1'", "'::2'"),
        "compressed": ("text compressed", "repeat('a', 500)", "concat(repeat('a', 499), 'b')"),
    },
    "mysql": {
        "json_number": ("json", "'[1]'", "'[1.0]'"),
        "minus_zero": ("double", "'0'", "'-0'"),
        "minus_zero_float": ("float", "0e0", "-0e0"),
        "vector": ("vector(2)", "to_vector('[1, 2]')", "to_vector('[1, 2.0001]')"),
    },
}


def test_every_trap_is_found_in_its_row_and_column_alone(shop: MysqlDatabase) -> None:
    traps = TRAPS | OWN[shop.server.flavour.name]
    kinds = ", ".join(f"`{name}` {kind}" for name, (kind, _, _) in traps.items())
    made = f"create table t (id int primary key, {kinds}); insert into t (id) select seq from {numbers(len(traps))};"
    filled = ", ".join(f"`{name}` = {was}" for name, (_, was, _) in traps.items())
    damage = "".join(
        f"update t set `{name}` = {becomes} where id = {place};"
        for place, (name, (_, _, becomes)) in enumerate(traps.items(), 1)
    )
    found = table(compared(shop, f"{made} update t set {filled}", damage))
    keys = {one.column: [each.key for each in one.examples] for one in found.columns}
    assert keys == {name: [str(place)] for place, name in enumerate(traps, 1)}
    assert {one.values_changed for one in found.columns} == {1}
    assert (found.rows_missing, found.rows_unexpected, found.unmeasured) == (0, 0, ())


ROWS = "insert into t select {key}, seq * 7, concat('w', seq), seq % 2 from " + numbers(400)
KEYS = {
    "a number": ("id int primary key", "seq"),
    "a text": ("id varchar(20) primary key", "concat('k', seq)"),
    "a negative number": ("id bigint primary key", "-seq"),
}
MOVES = {
    "two rows exchange their values": ("if(seq = 3, 300, if(seq = 300, 3, seq))", 2),
    "all neighbours exchange their values": ("seq + if(seq % 2, 1, -1)", 400),
    "values turn in blocks": ("seq - seq % 8 + (seq + 1) % 8", 400),
    "all values turn by one": ("seq % 400 + 1", 400),
}


@pytest.mark.parametrize(
    ("key", "move"),
    [
        *(("a number", move) for move in MOVES),
        ("a text", "all neighbours exchange their values"),
        ("a negative number", "values turn in blocks"),
    ],
)
def test_values_that_change_places_are_found(shop: MysqlDatabase, key: str, move: str) -> None:
    declared, number = KEYS[key]
    to, count = MOVES[move]
    made = f"create table t ({declared}, v int, w varchar(20), b int, key (v)); {ROWS.format(key=number)}"
    moved = f"update t, {numbers(400)} set t.w = concat('w', {to}) where t.v = seq * 7"
    found = table(compared(shop, made, moved))
    assert [(one.column, one.values_changed) for one in found.columns] == [("w", count)]
    assert (found.rows_missing, found.rows_unexpected) == (0, 0)


def test_values_that_change_places_between_rows_without_a_key_are_other_rows(shop: MysqlDatabase) -> None:
    made = "create table t (v int, w varchar(20)); insert into t select seq, concat('w', seq) from " + numbers(50)
    found = table(compared(shop, made, "update t set w = concat('w', v % 50 + 1)"))
    assert (found.rows_missing, found.rows_unexpected) == (50, 50)


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ("update t set b = 1 - b where id <= 200", {"b": 200}),  # as many bits up as down
        ("update t set v = v ^ 1 where id in (10, 11, 12, 13)", {"v": 4}),
        ("update t set w = concat(left(v, 1), w), v = 0 where id = 9", {"v": 1, "w": 1}),
        ("update t set a = concat(a, left(c, 1)), c = substr(c, 2)", {"a": 400, "c": 400}),  # xy, z and x, yz
        ("update t set a = concat(a, '1:'), c = c where id = 1", {"a": 1}),  # what the images' own marks look like
        ("update t set a = c, c = @a where (@a := a) is not null", {"a": 400, "c": 400}),
        ("update t set g = 5 where id = 8", {"g": 1, "made": 1, "kept": 1}),
    ],
)
def test_damage_that_cancels_out_or_crosses_columns_is_found(
    shop: MysqlDatabase, change: str, columns: dict[str, int]
) -> None:
    made = (
        "create table t (id int primary key, v int, w varchar(20), b int, a varchar(9) default 'xy',"
        "c varchar(9) default 'zz', g int default 1, made int as (g * 2) virtual, kept int as (g * 3) stored);"
        "insert into t (id, v, w, b) select seq, seq * 7, concat('w', seq), seq % 2 from " + numbers(400)
    )
    found = table(compared(shop, made, change))
    assert {one.column: one.values_changed for one in found.columns} == columns


LOSSY = {
    "letters": ("varchar(9) character set utf8mb4", "'Ж'", "varchar(9) character set latin1"),
    "no_letter": ("varchar(9) character set tis620", "x'DB'", "varchar(9) character set utf8mb4"),
    "cut": ("varchar(9)", "'123456789'", "varchar(8)"),
    "rounded": ("decimal(9, 3)", "1.255", "decimal(9, 2)"),
    "narrowed": ("double", "0.1e0", "float"),
    "clipped": ("bigint", "300", "tinyint"),
    "signed": ("int", "-1", "int unsigned"),
    "shortened": ("datetime(6)", "'2024-01-01 00:00:00.6'", "datetime"),
    "relabelled": ("enum('a', 'b')", "'b'", "enum('a', 'c')"),
    "day": ("datetime", "'2024-01-01 12:00:00'", "date"),
    "padded": ("varbinary(4)", "x'01'", "binary(4)"),
    "trimmed": ("varchar(9)", "'a  '", "char(9)"),
}


def test_types_that_cannot_hold_what_was_are_found_each_in_its_column(shop: MysqlDatabase) -> None:
    kinds = ", ".join(f"{name} {kind}" for name, (kind, _, _) in LOSSY.items())
    made = f"create table t (id int primary key, whole varchar(9) character set latin1, {kinds});"
    values = ", ".join(was for _, was, _ in LOSSY.values())
    changed = ", ".join(f"modify {name} {kind}" for name, (_, _, kind) in LOSSY.items())
    script = f"alter table t {changed}, modify whole text character set utf8mb4"
    found = table(compared(shop, f"{made} insert into t values (1, 'é?', {values})", script))
    assert {one.column for one in found.columns} == LOSSY.keys()


def is_silent(one: TableComparison) -> bool:
    return not one.rows_missing and not one.rows_unexpected and not one.columns and not one.unmeasured


@pytest.mark.parametrize(
    "change",
    [
        "alter table t partition by hash (id) partitions 3",
        "alter table t engine = aria",
        "alter table t modify legacy varchar(9) character set utf8mb4",
        "alter table t modify at datetime(6), modify made_at datetime(6)",
        "update t set padded = 'a   ', bytes = x'01000000', amount = 1.50",  # as the types hold them
        "alter table t modify amount decimal(12, 4), modify e enum('b', 'a')",
    ],
)
def test_what_changes_no_value_is_silent(shop: MysqlDatabase, change: str) -> None:
    made = (
        "create table t (id int primary key, legacy varchar(9) character set cp1251, at datetime,"
        "made_at timestamp null, padded char(9), bytes binary(4), amount decimal(9, 2), e enum('a', 'b'));"
        "insert into t values (1, 'Я?', '2024-01-01', '2024-01-01', 'a', x'01', 1.5, 'b')"
    )
    assert is_silent(table(compared(shop, made, change)))


def test_a_column_may_have_any_short_name(shop: MysqlDatabase) -> None:
    made = "create table t (x0 varchar(9) primary key, n int, w int, t int); insert into t values ('a', 1, 1, 1);"
    writes = [wrote("update", {"x0": "A"}, {"n": "7", "w": "7", "t": "7"})]
    assert is_silent(table(compared(shop, made, "update t set n = 7, w = 7, t = 7", writes)))


def test_a_checksum_does_not_hang_on_the_servers_time_zone(shop: MysqlDatabase) -> None:
    run(shop, "create table t (id int primary key, at timestamp null); insert into t values (1, '2024-01-01')")
    before = shop.snapshot("start").tables["t"]
    with shop.server.connect() as connection:
        execute(connection, "SET GLOBAL time_zone = '+05:00'")
        try:
            assert shop.snapshot("back").tables["t"].is_like(before)
        finally:
            execute(connection, "SET GLOBAL time_zone = '+00:00'")
