"""Rules that new columns follow are inferred on a real server, verified over all rows, and never read into noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas
import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.rules import inferred
from rehearse.engines.postgres.schema import take
from rehearse.engines.postgres.server import PostgresServer
from rehearse.events import RuleInferred
from tests.engines.comparing import COLUMNS, run, wrote

pytestmark = pytest.mark.slow

PEOPLE = """
set timezone = 'UTC';
create table regions (id int primary key, label text not null, tax numeric(4, 2) not null);
insert into regions select n, 'region ' || chr(64 + n), n / 100.0 from generate_series(1, 20) n;
create table people (
    id int primary key, first_name text not null, last_name text not null, nick text, name text not null,
    email text not null, state char(1) not null, cents int not null, price numeric(10, 2) not null, amount int not null,
    made_at timestamptz not null, local timestamp not null, doc jsonb not null, phone text not null,
    code text not null, paid_at timestamptz, region_id int not null references regions,
    title text not null, random_name text not null, born date not null);
insert into people
select n, initcap(left(translate(md5(n::text), '0123456789', 'ghijklmnop'), 3 + n % 5)),
    initcap(left(translate(md5((n * 7)::text), '0123456789', 'qrstuvwxyz'), 4 + n % 7)),
    case when n % 4 = 0 then 'nick' || n % 50 end, '', 'User' || n || '@Example' || n % 9 || '.org',
    (array['n', 'p', 's', 'x'])[1 + n * 7919 % 4], (n * 7919) % 100003, (n * 104729 % 99991) / 100.0, 1 + n * 31 % 17,
    timestamptz '2024-01-01' + n * interval '7 hours 13 minutes 11 seconds',
    timestamp '2023-01-01' + n * interval '5 hours 17 minutes',
    jsonb_build_object('city', 'city ' || n % 77, 'size', n % 13, 'deep', jsonb_build_object('zip', 10000 + n % 999)),
    '+49 ' || 100 + n % 800 || '-' || 10000 + n, (n * 37 % 5000)::text,
    case when n * 13 % 3 = 0 then timestamptz '2024-02-02' end, 1 + n * 7 % 20,
    array_to_string((array['big', 'red', 'old', 'wet'])[1 + n % 4 : 1 + n % 4 + n % 3], ' ') || n, md5((n * 3)::text),
    date '1960-01-01' + n * 5
from generate_series(1, 2000) n;
update people set name = first_name || ' ' || last_name;
"""


def rules(
    database: PostgresDatabase, before: str, change: str, writes: Iterable[dict[str, Any]] = ()
) -> list[RuleInferred]:
    """Return what is inferred after a change."""
    run(database, before)
    start = take(database, "start")
    copy = database.fork(f"{database.name}_copy")
    try:
        run(database, change)
        after, frame = take(database, "forward"), pandas.DataFrame(list(writes), columns=COLUMNS)
        found = inferred(database, copy, database.compare(copy, start, after, frame), frame)
        assert all(isinstance(one, RuleInferred) for one in found), found
        return [one for one in found if isinstance(one, RuleInferred)]
    finally:
        copy.drop()


KINDS = {
    "a copy": ("text", "email", "email"),
    "a copy as another type": ("int", "code::int", "CAST(code AS integer)"),
    "a number as text": ("text", "id::text", "CAST(id AS text)"),
    "a concatenation": ("text", "last_name || ', ' || first_name", "last_name || ', ' || first_name"),
    "a concatenation with a prefix": ("text", "'item-' || id", "'item-' || CAST(id AS text)"),
    "a concatenation of other spellings": (
        "text", "lower(first_name) || '.' || lower(last_name) || '@x.org'",
        "lower(first_name) || '.' || lower(last_name) || '@x.org'",
    ),
    "a concatenation without what is NULL": (
        "text", "concat_ws(', ', last_name, nick)", "concat_ws(', ', last_name, nick)"
    ),
    "small letters": ("text", "lower(email)", "lower(email)"),
    "capital letters": ("text", "upper(name)", "upper(name)"),
    "a default for NULL": ("text", "coalesce(nick, 'none')", "coalesce(nick, 'none')"),
    "NULL for a value": ("text", "nullif(state, 'x')", "nullif(state, 'x')"),
    "a constant": ("int", "5", "5"),
    "a sum": ("numeric", "price + amount", "amount + price"),
    "a product": ("numeric", "price * amount", "amount * price"),
    "a difference": ("numeric", "price - amount", "price - amount"),
    "cents as money": ("numeric(12, 2)", "cents / 100.0", "cents / 100.0"),
    "a multiple": ("bigint", "cents * 12", "cents * 12"),
    "a multiple that is rounded": ("numeric(12, 2)", "round(price * 1.19, 2)", "round(price * 1.19, 2)"),
    "a constant more": ("int", "amount + 1000", "amount + 1000"),
    "a line": ("numeric", "price * 1.8 + 32", "price * 1.8 + 32"),
    "whole hundreds": ("int", "cents / 100", "cents / 100"),
    "a part of a split": ("text", "split_part(email, '@', 2)", "split_part(email, '@', 2)"),
    "the rest of a split": (
        "text", "substr(title, strpos(title || ' ', ' ') + 1)", "substr(title, strpos(title || ' ', ' ') + 1)"
    ),
    "a year": ("int", "extract(year from local)", "extract(year FROM local)"),
    "a day": (
        "timestamp", "date_trunc('day', local)", "CAST(date_trunc('day', CAST(local AS timestamp)) AS timestamp)"
    ),
    "a moment in a zone": (
        "timestamptz", "local at time zone 'America/New_York'", "local AT TIME ZONE 'America/New_York'"
    ),
    "codes": (
        "text", "case state when 'n' then 'new' when 'p' then 'paid' when 's' then 'sent' else 'gone' end",
        "CASE state WHEN 'n' THEN 'new' WHEN 'p' THEN 'paid' WHEN 's' THEN 'sent' WHEN 'x' THEN 'gone' END",
    ),
    "a code's truth": ("bool", "state = 'p'", "state = 'p'"),
    "a field of a document": ("text", "doc ->> 'city'", "(doc ->> 'city')"),
    "a field below": ("int", "(doc -> 'deep' ->> 'zip')::int", "CAST((doc -> 'deep' ->> 'zip') AS integer)"),
    "a length": ("int", "length(name)", "length(name)"),
    "a month of a date": ("int", "extract(month from born)", "extract(month FROM born)"),
    "what is NULL": ("bool", "paid_at is not null", "paid_at IS NOT NULL"),
    "digits": ("text", "regexp_replace(phone, '[^0-9]', '', 'g')", "regexp_replace(phone, '[^0-9]', '', 'g')"),
    "a parent's value": (
        "text", "(select label from regions r where r.id = region_id)",
        "(SELECT p.label FROM regions p WHERE p.id = people.region_id)",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(server: PostgresServer) -> Iterator[dict[str, RuleInferred]]:
    """What is inferred of a table that gets a column of each kind, by kind."""
    database = server.create("rules")
    adds = ", ".join(f'add "{kind}" {type_}' for kind, (type_, _, _) in KINDS.items())
    sets = ", ".join(f'"{kind}" = {value}' for kind, (_, value, _) in KINDS.items())
    yield {one.column: one for one in rules(database, PEOPLE, f"alter table people {adds}; update people set {sets}")}
    database.drop()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_of_each_kind_is_inferred_and_holds_in_all_rows(found: dict[str, RuleInferred], kind: str) -> None:
    one, (_, _, rule) = found[kind], KINDS[kind]
    assert (one.table, one.rule, one.rows, one.broken, one.of_before, one.examples) == (
        "people", rule, 2000, 0, False, ()
    )  # fmt: skip


def test_two_rows_that_break_a_rule_are_named_and_hide_it_not(database: PostgresDatabase) -> None:
    change = (
        "alter table people add full_name text; update people set full_name = first_name || ' ' || last_name; "
        "update people set first_name = 'Newly' where id in (17, 1234)"
    )
    (found,) = rules(database, PEOPLE.replace("update people set name", "-- "), change)
    assert (found.column, found.rule) == ("full_name", "first_name || ' ' || last_name")
    assert (found.rows, found.broken, [one.key for one in found.examples]) == (2000, 2, ["17", "1234"])
    assert all(
        (one.ruled or "").startswith("Newly ") != (one.found or "").startswith("Newly ") for one in found.examples
    )


@pytest.mark.parametrize(
    "change",
    [
        "add made int default 5; update people set made = 6 where id = 3",  # a default that calls wrote over
        "add made text; update people set made = md5(random()::text)",
        "add made int; update people set made = random() * 10",
        "add made bool; update people set made = random() < 0.5",
        "add made bool; update people set made = random() < 0.004",
        "add made timestamptz default now()",
        "add made text",
        "add made text; update people set made = first_name where id % 2 = 0",
        "add made int generated always as (amount + 1) stored",
        "add made int generated always as identity",
    ],
)
def test_no_rule_is_told_where_there_is_none(database: PostgresDatabase, change: str) -> None:
    assert rules(database, PEOPLE, f"select setseed(0.3); alter table people {change}") == []


def test_a_renamed_column_is_known_by_its_values_though_calls_wrote_since(database: PostgresDatabase) -> None:
    change = "alter table people rename email to mail; update people set mail = 'x@y' where id = 7"
    (found,) = rules(
        database,
        PEOPLE,
        change,
        [
            wrote("update", {"id": "7"}, {"mail": "x@y"}, table="people"),
            wrote("insert", None, {"mail": "x@y"}, outcome="failed", table="people"),
        ],
    )
    assert (found.column, found.rule, found.of_before) == ("mail", "email", True)
    assert (found.rows, found.broken) == (1999, 0)


def test_a_column_that_takes_the_place_of_another_is_known_by_it(database: PostgresDatabase) -> None:
    change = (
        "alter table people add big bigint; update people set big = id; alter table people drop constraint people_pkey;"
        "alter table people rename id to small; alter table people rename big to id; "
        "alter table people alter id set not null, add primary key (id)"
    )
    (found,) = rules(database, PEOPLE, change)
    assert (found.column, found.rule, found.broken) == ("small", "id", 0)


def test_what_a_column_was_made_of_is_known_when_that_is_gone(database: PostgresDatabase) -> None:
    change = (
        "alter table people add full_name text; update people set full_name = first_name || ' ' || last_name; "
        "update people set full_name = 'Lost' where id = 99; "
        "alter table people drop name, drop first_name, drop last_name, alter cents type numeric using cents / 100.0"
    )
    cents, full_name = sorted(rules(database, PEOPLE, change), key=lambda one: one.column)
    assert (cents.column, cents.rule, cents.of_before, cents.broken) == ("cents", "cents / 100.0", True, 0)
    assert (full_name.rule, full_name.of_before, full_name.rows, full_name.broken) == ("name", True, 2000, 1)
    assert [(one.key, one.found) for one in full_name.examples] == [("99", "Lost")]


def test_a_new_tables_columns_are_known_by_the_rows_that_its_foreign_key_names(database: PostgresDatabase) -> None:
    change = (
        "create table phones (person_id int primary key references people, number text, note text); "
        "insert into phones select id, phone, md5(random()::text) from people"
    )
    (found,) = rules(database, PEOPLE, change)
    rule = "(SELECT p.phone FROM people p WHERE p.id = phones.person_id)"
    assert (found.table, found.column, found.rule, found.broken) == ("phones", "number", rule, 0)


def test_a_copy_of_a_table_is_known_by_its_key(database: PostgresDatabase) -> None:
    change = (
        "create table people2 (id int primary key, email text, phone text); "
        "insert into people2 select id, email, phone from people; update people2 set email = 'lost' where id = 5"
    )
    email, phone = sorted(rules(database, PEOPLE, change), key=lambda one: one.column)
    assert email.rule == "(SELECT p.email FROM people p WHERE p.id = people2.id)"
    assert (email.broken, email.examples[0].key, email.examples[0].found) == (1, "5", "lost")
    assert (phone.column, phone.broken) == ("phone", 0)


def test_a_rule_that_many_rows_break_is_told_where_calls_wrote_each_of_them(database: PostgresDatabase) -> None:
    change = (
        "alter table people add label text; update people set label = email || '!'; "
        "update people set email = 'new' || id where id <= 60"
    )
    writes = [wrote("update", {"id": str(n)}, {"email": f"new{n}"}, table="people") for n in range(1, 61)]
    assert rules(database, PEOPLE, change) == []
    run(database, "drop table people, regions")
    (found,) = rules(database, PEOPLE, change, writes)
    assert (found.rule, found.broken, found.by_calls) == ("email || '!'", 60, 60)


def test_rules_that_cannot_be_told_apart_are_told_together(database: PostgresDatabase) -> None:
    change = "alter table people add twin text; update people set twin = email; alter table people add made text;"
    first = PEOPLE + change.replace("made", "spare")
    (found,) = rules(database, first, "alter table people add made text; update people set made = email")
    assert {found.rule, *found.others} == {"email", "twin"}


def test_names_that_need_quotes_have_them(database: PostgresDatabase) -> None:
    first = (
        'create schema "My App"; create table "My App"."Order" (id int primary key, "First Name" text, "select" text); '
        """insert into "My App"."Order" select n, md5(n::text), 's' || n from generate_series(1, 500) n"""
    )
    change = """alter table "My App"."Order" add "Both" text;
        update "My App"."Order" set "Both" = "First Name" || '/' || "select" """
    (found,) = rules(database, first, change)
    assert (found.table, found.column) == ("My App.Order", "Both")
    assert found.rule == '"First Name" || \'/\' || "select"'
