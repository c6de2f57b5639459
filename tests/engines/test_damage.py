"""Damage done to single values of a table, each kind of it found with its keys, its column, what was and what is."""

from __future__ import annotations

import random

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from tests.engines.comparing import compared, table

pytestmark = pytest.mark.slow

WIDE = """
create type state as enum ('new', 'paid', 'sent');
create extension citext;
create table t (
    id int primary key, name varchar(40), note text, free numeric, amount numeric(12, 2), at timestamptz,
    local timestamp, small float4, wide float8, doc jsonb, tags text[], raw bytea, word citext,
    span interval, state state, street text, city text, opt text);
insert into t select g, 'Žofia Müller number ' || g, 'note ' || g, (g || '.50')::numeric, g + 0.25,
    timestamptz '2024-03-31 00:30:00+00' + g * interval '1 minute', timestamp '2024-01-01' + g * interval '1 hour',
    g + 0.1, case when g % 7 = 0 then 0 else g / 3.0 end, jsonb_build_object('a', g, 'b', null, 'c', 'x' || g),
    array['x' || g, 'y', 'z'], decode(lpad(to_hex(g), 8, '0'), 'hex'), 'word' || g, interval '1 mon',
    (array['new', 'paid', 'sent'])[1 + g % 3]::state, 'street ' || g, 'city ' || g, case when g % 5 = 0 then '' end
from generate_series(1, 3000) g;
"""
NEW = [str(key) for key in range(3, 3001, 3)]
DAMAGE = {
    "a text is cut": ("name = left(name, 10) where id in (7, 2900)", "name", ["7", "2900"]),
    "a numeric is rounded": ("amount = round(amount, 1) where id = 11", "amount", ["11"]),
    "a numeric loses its scale": ("free = trim_scale(free) where id = 12", "free", ["12"]),
    "a time is cast in another zone": (
        "at = (at at time zone 'Europe/Berlin') at time zone 'UTC' where id in (1, 2)", "at", ["1", "2"]
    ),
    "a time without zone is shifted": ("local = local + interval '1 hour' where id = 5", "local", ["5"]),
    "NULL becomes the empty text": ("opt = '' where id = 4", "opt", ["4"]),
    "the empty text becomes NULL": ("opt = null where id = 5", "opt", ["5"]),
    "blanks come at the end": ("note = note || '  ' where id = 6", "note", ["6"]),
    "a double goes through float4": ("wide = wide::float4 where id in (7, 8)", "wide", ["8"]),  # 0 at 7 survives
    "a key of a jsonb is lost": ("doc = doc - 'b' where id = 9", "doc", ["9"]),
    "a jsonb's 1 becomes 1.0": ("doc = jsonb_set(doc, '{a}', '10.0') where id = 10", "doc", ["10"]),
    "elements of an array change places": ("tags = array['y', 'x13', 'z'] where id = 13", "tags", ["13"]),
    "UTF-8 is read as Latin-1": (
        "name = convert_from(convert_to(name, 'UTF8'), 'LATIN1') where id = 14", "name", ["14"]
    ),
    "a bit of a bytea flips": ("raw = set_bit(raw, 3, 1 - get_bit(raw, 3)) where id = 15", "raw", ["15"]),
    "a text becomes one that its collation holds equal": ("word = upper(word) where id = 16", "word", ["16"]),
    "0 becomes -0": ("wide = '-0' where id = 21", "wide", ["21"]),
    "a month becomes 30 days": ("span = interval '30 days' where id = 17", "span", ["17"]),
    "a form of Unicode becomes another": ("name = normalize(name, NFD) where id = 18", "name", ["18"]),
    "rows exchange their values": (
        "note = (select o.note from t o where o.id = case t.id when 19 then 2019 else 19 end) where id in (19, 2019)",
        "note", ["19", "2019"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_to_values_is_found_with_exactly_its_keys_and_column(database: PostgresDatabase, kind: str) -> None:
    change, column, keys = DAMAGE[kind]
    found = table(compared(database, WIDE, f"update t set {change}"))
    assert [one.column for one in found.columns] == [column]
    (one,) = found.columns
    assert [example.key for example in one.examples] == keys
    assert one.values_changed == len(keys)
    assert all(example.before != example.after for example in one.examples)
    assert (found.rows_missing, found.rows_unexpected, found.unmeasured) == (0, 0, ())


def test_a_pair_of_columns_that_change_places_in_a_copy_is_found_in_both(database: PostgresDatabase) -> None:
    change = (
        "create table o (like t including all); insert into o select * from t; "
        "update o set street = t.city, city = t.street from t where o.id = t.id and o.id % 1000 = 0; "
        "drop table t; alter table o rename to t"
    )
    found = table(compared(database, WIDE, change))
    assert [one.column for one in found.columns] == ["city", "street"]
    for one in found.columns:
        assert [example.key for example in one.examples] == ["1000", "2000", "3000"]
    assert (found.columns[0].examples[0].before, found.columns[0].examples[0].after) == ("city 1000", "street 1000")


def test_labels_of_an_enum_that_change_places_are_found_in_every_row_that_has_them(database: PostgresDatabase) -> None:
    change = (
        "alter type state rename value 'new' to 'x'; alter type state rename value 'sent' to 'new'; "
        "alter type state rename value 'x' to 'sent'"
    )
    found = table(compared(database, WIDE, change, limit=3000))
    (one,) = found.columns
    assert (one.column, one.values_changed) == ("state", 2000)
    assert [each.key for each in one.examples if each.before == "new"] == NEW
    assert {(each.before, each.after) for each in one.examples} == {("new", "sent"), ("sent", "new")}


@pytest.mark.parametrize(
    "change, column",
    [
        ("alter t.name type varchar(21) using left(name, 21)", "name"),
        ("alter t.wide type float4", "wide"),
        ("alter t.amount type numeric(12, 1)", "amount"),
        ("alter t.local type timestamptz using local at time zone 'Europe/Berlin'", "local"),
        ("alter t.doc type json using (doc - 'c')", "doc"),
    ],
)
def test_damage_by_another_type_is_found_in_its_column_alone(
    database: PostgresDatabase, change: str, column: str
) -> None:
    found = table(compared(database, WIDE, change.replace("alter t.", "alter table t alter ")))
    assert [one.column for one in found.columns] == [column]
    assert found.columns[0].examples[0].before != found.columns[0].examples[0].after


COLUMNS = ("note", "free", "amount", "at", "local", "small", "wide", "doc", "tags", "raw", "word", "span")
FLIPS = {
    "note": "overlay(note placing chr(ascii(substr(note, 2, 1)) # 1) from 2 for 1)",
    "free": "free + 0.01",
    "amount": "amount - 0.01",
    "at": "at + interval '1 microsecond'",
    "local": "local - interval '1 microsecond'",
    "small": "small + 0.001 * small",
    "wide": "wide + 1e-9",
    "doc": "jsonb_set(doc, '{c}', to_jsonb('y' || (doc ->> 'c')))",
    "tags": "array_append(tags, null)",
    "raw": "set_bit(raw, 31, 1 - get_bit(raw, 31))",
    "word": "upper(word)",
    "span": "justify_days(span) + interval '1 microsecond'",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_one_value_among_many_rows_is_found(database: PostgresDatabase, column: str) -> None:
    key = random.Random(column).randint(1, 200_000)
    many = WIDE.replace("generate_series(1, 3000)", "generate_series(1, 200000)")
    found = table(compared(database, many, f"update t set {column} = {FLIPS[column]} where id = {key}"))
    assert [(one.column, one.values_changed) for one in found.columns] == [(column, 1)]
    assert [one.key for one in found.columns[0].examples] == [str(key)]


BAG = "create table t (v int, w text); insert into t select g % 50, 'w' || g % 20 from generate_series(1, 1000) g;"


def test_rows_that_are_doubled_in_a_table_without_a_key_are_told_by_their_content(database: PostgresDatabase) -> None:
    found = table(compared(database, BAG, "insert into t values (3, 'w3'), (3, 'w3'); delete from t where v = 4"))
    assert (found.rows_missing, found.rows_unexpected) == (20, 2)
    assert found.examples_unexpected == ("(v = 3, w = w3)",)
    assert set(found.examples_missing) == {"(v = 4, w = w14)", "(v = 4, w = w4)"}


def test_rows_that_are_gone_or_there_by_nobodys_hand_are_named_by_key(database: PostgresDatabase) -> None:
    change = (
        "delete from t where id in (40, 2000); insert into t (id) values (5000); update t set note = 'x' where id = 1"
    )
    found = table(compared(database, WIDE, change))
    assert (found.examples_missing, found.examples_unexpected) == (("40", "2000"), ("5000",))


def test_a_row_that_is_doubled_where_the_key_is_gone_is_named(database: PostgresDatabase) -> None:
    change = "alter table t drop constraint t_pkey; insert into t select * from t where id = 77"
    found = table(compared(database, WIDE, change))
    assert (found.rows_missing, found.rows_unexpected, found.examples_unexpected) == (0, 1, ("77",))
