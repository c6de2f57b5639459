from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rehearse import datasets
from rehearse.datasets.conditions import compiled
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.load import load
from rehearse.errors import ScenarioMistake
from rehearse.events import TableLoaded
from rehearse.profiles import Structure
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

TYPES = """
    CREATE EXTENSION citext;
    CREATE TYPE mood AS ENUM ('sad', 'glad', 'mad');
    CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE >= 0 AND VALUE <= 100);
    CREATE DOMAIN handle AS text CHECK (VALUE ~ '^[a-z0-9_.]+$') CHECK (length(VALUE) <= 20 AND VALUE <> 'VALUE');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN small AS positive CHECK (VALUE < 100);
"""
# What real schemas say, to be met by the shapes that we choose ourselves.
VARIED = f"""
    {TYPES}
    CREATE TABLE posts (id bigserial PRIMARY KEY, n int CHECK (n > 20000));
    CREATE TABLE comments (id bigserial PRIMARY KEY);
    CREATE TABLE likes (
        id bigserial PRIMARY KEY,
        post_id bigint REFERENCES posts,
        comment_id bigint REFERENCES comments,
        CHECK (num_nonnulls(post_id, comment_id) = 1)
    );
    CREATE TABLE things (
        id bigserial PRIMARY KEY,
        number int NOT NULL UNIQUE CHECK (number >= 1000),
        parent_id bigint REFERENCES things,
        price numeric(10, 2) NOT NULL CHECK (price >= 0 AND price < 500),
        quantity int NOT NULL,
        total numeric(12, 2) NOT NULL,
        low numeric,
        high numeric,
        status varchar(20) NOT NULL CHECK (status IN ('new', 'sold')),
        other text NOT NULL CHECK (other = 'x' OR other = 'y'),
        sold_at timestamptz,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz,
        code varchar(40) NOT NULL UNIQUE CHECK (char_length(code) <= 10),
        email varchar(80) CHECK (email ~ '^[^@]+@[^@]+$'),
        address citext NOT NULL CHECK (address ~ '^[^@]+@[^@]+$'),
        a int,
        b int,
        discount int NOT NULL CHECK (discount BETWEEN 0 AND 100),
        negative int NOT NULL CHECK (negative < 0),
        even int NOT NULL CHECK (even % 2 = 0),
        name varchar(30) NOT NULL CHECK (lower(name) = name),
        payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
        sku text NOT NULL CHECK (sku ~ '^[A-Z]{{3}}-[0-9]{{4,}}$'),
        slug text NOT NULL UNIQUE CHECK (slug LIKE 'SKU-%'),
        hash text NOT NULL CHECK (length(hash) = 64),
        letters char(3) NOT NULL CHECK (letters ~ '^[A-Z]{{3}}$'),
        born date CHECK (born >= '1900-01-01' AND born < '2020-01-01'),
        until date CHECK (until <= born + interval '90 days'),
        workday date NOT NULL CHECK (EXTRACT(isodow FROM workday) < 6),
        mood mood NOT NULL CHECK (mood <> 'mad'),
        tags text[] NOT NULL CHECK (cardinality(tags) > 0 AND array_length(tags, 1) < 5),
        share percent NOT NULL,
        handle handle,
        few small NOT NULL,
        agreed boolean NOT NULL CHECK (agreed),
        maybe int CHECK (maybe IS NOT NULL),
        longitude float8 NOT NULL CHECK (longitude >= -180 AND longitude <= 180.5),
        clock time NOT NULL CHECK (clock >= '08:00' AND clock < '18:00'),
        span interval CHECK (span > '00:01:00' AND span < interval '1 day'),
        seen_at timestamptz CHECK (seen_at < now() + interval '1 day'),
        doubled int GENERATED ALWAYS AS (quantity * 2) STORED CHECK (doubled > 0),
        CHECK (parent_id <> id),
        CHECK (low <= high),
        CHECK (coalesce(low, 0) < 9000),
        CHECK (ends_at IS NULL OR ends_at > starts_at),
        CHECK ((a IS NULL) <> (b IS NULL)),
        CHECK (quantity * price <= 1000000),
        CHECK (total = quantity * price),
        CHECK ((status = 'sold') = (sold_at IS NOT NULL)),
        CHECK (CASE WHEN status = 'new' THEN price > 10 ELSE price > 20 END)
    );
"""
ROWS = {"posts": {"rows": 500}, "comments": {"rows": 500}, "likes": {"rows": 3000}, "things": {"rows": 5000}}
# Conditions that about half of the rows break, for comparing our word with the server's.
HALF = f"""
    {TYPES}
    CREATE TABLE t (
        id bigserial PRIMARY KEY,
        a int CHECK (a % 2 = 0) CHECK (-a < 0) CHECK (a IS DISTINCT FROM 3) CHECK (NULLIF(a, 0) IS NULL OR a > 0),
        b int CHECK (mod(b, 3) = 0) CHECK (abs(b) < 4) CHECK (b / 2 = 1) CHECK ((b > 1) IS TRUE OR b IS NULL),
        price numeric(10, 2) CHECK (price / 3 > 0.5) CHECK (price::int >= 1) CHECK (trunc(price) >= 0)
            CHECK (-price <= 0.5),
        total numeric(12, 2) CHECK (round(total) = 1) CHECK (floor(total) < ceil(total)) CHECK (sign(total) > 0),
        f float8 CHECK (f * 2 > 0.3) CHECK (round(f) = 2) CHECK (power(f, 2) < 4),
        r real CHECK (r > 0.1),
        status text CHECK (status IN ('a', 'b')) CHECK (status || 'x' <> 'ax') CHECK (strpos(status, 'b') = 0),
        name varchar(30) CHECK (lower(name) = name) CHECK (left(name, 1) <> 'A') CHECK (substring(name, 2, 2) = 'bc')
            CHECK (right(name, 1) = 'c') CHECK (char_length(name) < 4) CHECK (name !~ '[0-9]') CHECK (name ~* '^a.c')
            CHECK (name LIKE 'a_c%') CHECK (name NOT ILIKE '%C%') CHECK (concat(name, 'x') <> 'abcx')
            CHECK (replace(name, 'b', '') = 'ac') CHECK (btrim(name) = name) CHECK (octet_length(name) > 3),
        letters char(3) CHECK (letters ~ '^[A-Z]{{3}}$') CHECK (letters = 'AB') CHECK (length(letters) > 2),
        address citext CHECK (address ~ '^a') CHECK (address = 'a@b') CHECK (address::text = 'a@b'),
        mood mood CHECK (mood <> 'mad') CHECK (mood > 'sad') CHECK (mood IN ('sad', 'glad')),
        payload jsonb CHECK (jsonb_typeof(payload) IN ('object', 'number')),
        tags text[] CHECK (cardinality(tags) > 0) CHECK (array_length(tags, 1) < 3),
        yes boolean CHECK (yes) CHECK (NOT yes) CHECK (yes IS NOT TRUE) CHECK (yes IS NOT NULL),
        born date CHECK (EXTRACT(year FROM born) >= 2024) CHECK (date_part('month', born) > 1)
            CHECK (EXTRACT(isodow FROM born) < 6) CHECK (EXTRACT(doy FROM born) < 20),
        until date CHECK (until <= born + interval '1 month') CHECK (until - born < 10) CHECK (until >= born - 3),
        seen timestamp CHECK (seen::date >= '2024-01-01') CHECK (seen > born) CHECK (EXTRACT(hour FROM seen) < 12),
        starts_at timestamptz CHECK (starts_at > '2024-01-01 03:00:00+01'),
        ends_at timestamptz CHECK (ends_at > starts_at) CHECK (ends_at < starts_at + interval '1 mon 2 days 03:04:05')
            CHECK (EXTRACT(epoch FROM ends_at - starts_at) > 86400),
        clock time CHECK (clock >= '08:00' AND clock < '18:00'),
        span interval CHECK (span > '10:00:00') CHECK (span * 2 < interval '1 day'),
        CHECK (num_nonnulls(a, b, name) = 2), CHECK ((a IS NULL) <> (b IS NULL)), CHECK (greatest(a, b) < 3),
        CHECK (least(a, b) > -3), CHECK (coalesce(a, b, 9) < 5), CHECK (a * price <= 2), CHECK (total = a * price),
        CHECK (CASE WHEN status = 'a' THEN price > 1 WHEN a > 2 THEN price > 2 END),
        CHECK (CASE status WHEN 'a' THEN 1 ELSE 2 END > a), CHECK (a IS NOT DISTINCT FROM b)
    );
"""
MIXED = {
    **{name: {"kind": "number", "low": -5, "high": 5, "null": 0.2} for name in ("a", "b")},
    **{name: {"kind": "number", "low": -2, "high": 3, "null": 0.1} for name in ("price", "total", "f")},
    "r": {"kind": "choice", "of": ["0.1", "0.2", "0"]},
    "status": {"kind": "choice", "of": ["a", "b", "c"], "null": 0.1},
    "name": {"kind": "choice", "of": ["abc", "Abc", "ABCd", "a1c", " abc", "aéc"], "null": 0.1},
    "letters": {"kind": "choice", "of": ["ABC", "AB", "abc"]},
    "address": {"kind": "choice", "of": ["A@b", "a@b", "x@y"]},
    "payload": {"kind": "choice", "of": ["{}", "[1]", "3", '"x"', "null", "true"]},
    **{
        name: {"kind": "time", "order": "random", "since": "2023-12-20", "until": "2024-03-05"}
        for name in ("born", "until")
    },
    **{
        name: {"kind": "time", "order": "random", "since": "2023-12-20T00:00:00", "until": "2024-02-05T00:00:00"}
        for name in ("seen", "starts_at", "ends_at")
    },
    "clock": {"kind": "time", "order": "random"},
}


def made(database: PostgresDatabase, schema: str) -> Structure:
    with database.connect(Role.OWNER) as connection:
        connection.execute(schema)
    return database.structure()


def one(database: PostgresDatabase, query: str) -> Any:
    with database.connect() as connection:
        found = connection.execute(query).fetchone()
    assert found is not None
    return found[0]


def filled(database: PostgresDatabase, schema: str, tables: dict[str, Any]) -> KeepingJournal:
    structure, journal = made(database, schema), KeepingJournal()
    database.load(datasets.open_tables(profiles.parse({"name": "p", "tables": tables}), structure), journal)
    return journal


def test_default_shapes_meet_varied_conditions(database: PostgresDatabase) -> None:
    journal = filled(database, VARIED, ROWS)
    loaded = {event.table: event.rows for event in journal.events if isinstance(event, TableLoaded)}
    assert loaded == {name: table["rows"] for name, table in ROWS.items()}
    assert one(database, "SELECT count(*) FROM things WHERE born IS NOT NULL AND handle IS NOT NULL") > 3500
    assert (
        one(database, "SELECT count(DISTINCT status) + count(DISTINCT other) + count(DISTINCT mood) FROM things") == 6
    )
    assert 1000 < one(database, "SELECT count(post_id) FROM likes") < 2000


def test_our_word_on_a_condition_is_the_server_s(database: PostgresDatabase) -> None:
    structure = made(database, HALF)
    table = structure.tables["t"]
    with database.connect() as connection:
        names = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 't'::regclass"
        for (name,) in connection.execute(names).fetchall():
            connection.execute(f'ALTER TABLE t DROP CONSTRAINT "{name}"')
    bare = Structure({"t": replace(table, checks=())})
    described = profiles.parse({"name": "p", "tables": {"t": {"rows": 1500, "columns": MIXED}}})
    rows = datasets.open_tables(described, bare)[0]
    database.load([rows], KeepingJournal())
    batch, differences, told_apart = rows.chunk(0), [], 0
    with database.connect() as connection:
        for check in table.checks:
            condition = compiled(check, table.columns)
            assert condition is not None, check
            query = f"SELECT ({check.removeprefix('CHECK ')}) IS NOT FALSE FROM t ORDER BY id"
            theirs = np.array([held for (held,) in connection.execute(query).fetchall()])
            told_apart += 0 < theirs.mean() < 1
            if (theirs != condition.holds(batch)).any():
                differences.append(check)
    assert differences == []
    assert told_apart > 0.9 * len(table.checks) > 60


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("a int, CHECK (a > 5), CHECK (a < 3)", r"tables\.t\.columns\.a: no value can hold: CHECK \(\(a > 5\)\)"),
        ("a int NOT NULL, b int NOT NULL, CHECK (a < b AND b < a)", r"t\.columns\.a and b: unsatisfiable.* CHECK"),
        ("a jsonb NOT NULL CHECK (a ? 'key')", r"t\.columns\.a: the generated rows break CHECK \(\(a \? 'key'"),
        ("a twice NOT NULL", r"t\.columns\.a: the generated rows break CHECK \(\(VALUE ~ '\^\(a\|b\)\\1"),
        ("a point NOT NULL", r"t\.columns\.a: NOT NULL, and there is no shape for its type, point"),
        ("a xml NOT NULL DEFAULT nullif('x'::text, 'x')::xml", r"t\.columns\.a: NOT NULL, and the generated"),
    ],
)  # fmt: skip
def test_what_no_row_can_hold_is_told_before_anything_is_loaded(
    database: PostgresDatabase, schema: str, words: str
) -> None:
    domain = r"CREATE DOMAIN twice AS text CHECK (VALUE ~ '^(a|b)\1$')"
    whole = f"{domain}; CREATE TABLE first (id serial PRIMARY KEY); CREATE TABLE t (id serial PRIMARY KEY, {schema})"
    with pytest.raises(ScenarioMistake, match=words):
        filled(database, whole, {"first": {"rows": 100}, "t": {"rows": 100}})
    assert one(database, "SELECT pg_relation_size('first')") == 0


def test_a_literal_that_the_server_cannot_read_is_told_before_anything_is_loaded(database: PostgresDatabase) -> None:
    columns = {"net": {"kind": "choice", "of": ["10.0.0.0/8", "no net"]}}
    with pytest.raises(ScenarioMistake, match=r"tables\.t.*invalid input syntax for type cidr"):
        filled(database, "CREATE TABLE t (id serial PRIMARY KEY, net cidr)", {"t": {"rows": 90, "columns": columns}})


def test_a_trial_leaves_nothing_behind(database: PostgresDatabase) -> None:
    schema = "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n jsonb NOT NULL CHECK (n ? 'key'))"
    structure = made(database, schema)
    before = database.snapshot("before").schema
    tables = datasets.open_tables(profiles.parse({"name": "p", "tables": {"t": {"rows": 500}}}), structure)
    with pytest.raises(ScenarioMistake, match="the generated rows break"):
        database.load(tables, KeepingJournal())
    assert database.snapshot("after").schema == before
    assert one(database, "SELECT count(*) FROM pg_class WHERE relname LIKE 'rehearse%'") == 0


CIRCLE = """
    CREATE TABLE accounts (id serial PRIMARY KEY, owner_id int NOT NULL);
    CREATE TABLE users (id serial PRIMARY KEY, account_id int NOT NULL REFERENCES accounts {});
    ALTER TABLE accounts ADD FOREIGN KEY (owner_id) REFERENCES users {};
"""
BOTH = {"accounts": {"rows": 40}, "users": {"rows": 60}}


def as_owner(database: PostgresDatabase, words: str) -> None:
    class AsMigration:
        def connect(self, **options: Any) -> Any:
            return database.connect(Role.MIGRATION, **options)

    with database.connect(Role.MIGRATION) as connection:
        connection.execute(CIRCLE.format(words, words))
    tables = datasets.open_tables(profiles.parse({"name": "p", "tables": BOTH}), database.structure())
    load(AsMigration(), tables, KeepingJournal())


def test_tables_that_need_each_other_are_filled(database: PostgresDatabase) -> None:
    filled(database, CIRCLE.format("", ""), BOTH)
    assert one(database, "SELECT count(*) FROM users JOIN accounts ON accounts.id = account_id") == 60


def test_tables_that_need_each_other_are_filled_where_keys_may_be_checked_late(database: PostgresDatabase) -> None:
    as_owner(database, "DEFERRABLE")
    assert one(database, "SELECT count(*) FROM accounts JOIN users ON users.id = owner_id") == 40


def test_tables_that_need_each_other_and_cannot_be_filled_are_told(database: PostgresDatabase) -> None:
    words = r"^tables\.(users|accounts)\.columns\.\w+: points at (users|accounts), which points back, .*DEFERRABLE"
    with pytest.raises(ScenarioMistake, match=words):
        as_owner(database, "")
    assert one(database, "SELECT pg_relation_size('accounts') + pg_relation_size('users')") == 0


def test_a_trigger_may_fill_in_what_a_condition_asks_for(database: PostgresDatabase) -> None:
    class AsMigration:
        def connect(self, **options: Any) -> Any:
            return database.connect(Role.MIGRATION, **options)

    with database.connect(Role.MIGRATION) as connection:
        connection.execute("""
            CREATE TABLE t (id int PRIMARY KEY, n jsonb CHECK (n ? 'key'));
            CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN NEW.n = '{"key": 1}'; RETURN NEW; END
            $$;
            CREATE TRIGGER filling BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fill();
        """)
    tables = datasets.open_tables(profiles.parse({"name": "p", "tables": {"t": {"rows": 10}}}), database.structure())
    load(AsMigration(), tables, KeepingJournal())
    assert one(database, "SELECT count(*) FROM t WHERE n ? 'key'") == 10
