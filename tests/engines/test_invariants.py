"""What the schema promises of its rows: each fault is really made on a server, and found by reading the rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import Connection

from rehearse.engines.postgres import invariants
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.schema import take
from rehearse.events import InvariantTried
from rehearse.protocols import Role
from tests.engines.comparing import run

pytestmark = pytest.mark.slow

BASE = """
create table items (id int primary key, name text not null, price int check (price >= 0), code text);
create table parts (id serial primary key, item int references items, other int, unique (other));
insert into items select n, 'item ' || n, n, 'c' || n from generate_series(1, 100) n;
insert into parts (item, other) select n, n from generate_series(1, 100) n;
"""


def tried(
    database: PostgresDatabase, change: str, *, base: str = BASE, given: Collection[tuple[str, str]] = ()
) -> dict[tuple[str, str], InvariantTried]:
    """Return what is verified after a change, by kind and name."""
    run(database, base)
    start, copy = take(database, "start"), database.fork(f"{database.name}_copy")
    try:
        for statement in change.split(";;"):
            run(database, statement)
        now = take(database, "forward").tables
        same = {name for name, one in now.items() if name in start.tables and one.is_like(start.tables[name])}
        found = invariants.tried(database, copy, "forward", unchanged=same, given=given)
        left = take(database, "after")
        assert left.schema == take(database, "forward").schema, "verifying leaves nothing behind"
    finally:
        copy.drop()
    return {(one.kind, one.name): one for one in found}


def faults(found: dict[tuple[str, str], InvariantTried]) -> dict[tuple[str, str], int]:
    return {key: one.rows - (one.rows_before or 0) for key, one in found.items() if one.rows}


ORPHANS = "alter table parts disable trigger all; insert into parts (item, other) values (999, 101), (998, 102);"
OTHERS = [
    (ORPHANS, ("foreign key", "parts_item_fkey"), 2, "101 (item = 999)"),
    (
        "set session_replication_role = replica; delete from items where id in (3, 4, 5)",
        ("foreign key", "parts_item_fkey"),
        3,
        "3 (item = 3)",
    ),
    ("alter table items add constraint cheap check (price < 99) not valid", ("check", "cheap"), 2, "100"),
    (
        "update pg_attribute set attnotnull = false where attrelid = 'items'::regclass and attname = 'name';"
        "update items set name = null where id = 7;"
        "update pg_attribute set attnotnull = true where attrelid = 'items'::regclass and attname = 'name'",
        ("not null", "name"),
        1,
        "7",
    ),
    (
        "update items set code = 'c1' where id < 4;;create unique index concurrently twice on items (code)",
        ("unique", "twice"),
        2,
        "c1",
    ),
    (
        "drop index if exists twice; create index twice on items (code); update items set code = 'c1' where id = 2;"
        "update pg_index set indisunique = true where indexrelid = 'twice'::regclass",
        ("unique", "twice"),
        1,
        "c1",
    ),
    ("insert into parts (id, item) values (150, 1)", ("sequence", "parts_id_seq"), 50, "id = 150 is there"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "key", "rows", "example"), OTHERS)
def test_a_fault_is_counted_from_the_rows_with_an_example(
    database: PostgresDatabase, change: str, key: tuple[str, str], rows: int, example: str
) -> None:
    try:
        found = tried(database, change)
    except Exception as error:  # a unique index that cannot be built stays behind, INVALID
        assert "could not create unique index" in str(error)
        found = {(one.kind, one.name): one for one in invariants.tried(database, None, "forward")}
    assert faults(found) == {key: rows}
    assert example in (found[key].example or "")


def test_a_schema_that_is_kept_has_no_fault_and_what_cannot_have_changed_is_not_read(
    database: PostgresDatabase,
) -> None:
    found = tried(database, "update items set price = 5 where id = 5; alter table items add note text")
    assert not faults(found)
    assert not [one for one in found.values() if one.error or one.flaw]
    assert found["unique", "parts_pkey"].is_unchanged
    assert not found["check", "items_price_check"].is_unchanged
    assert not found["foreign key", "parts_item_fkey"].is_unchanged
    assert ("index", "items_pkey") in found
    assert ("index", "parts_pkey") not in found


def test_what_was_broken_at_the_start_is_not_the_migrations_doing(database: PostgresDatabase) -> None:
    found = tried(database, "insert into items values (200, 'x', 1, 'y')", base=BASE + ORPHANS)
    one = found["foreign key", "parts_item_fkey"]
    assert (one.rows, one.rows_before, one.is_new) == (2, 2, False)


REPLICA = "set session_replication_role = replica; "
DOUBTED = "alter table items add constraint cheap check (price < 99) not valid;"


@pytest.mark.parametrize(
    ("base", "change", "key", "new", "example"),
    [
        (ORPHANS, "update parts set item = 1 where id = 101; update parts set item = 997 where id = 5",
         ("foreign key", "parts_item_fkey"), 1, "5"),
        (ORPHANS, "alter table parts alter id type bigint; update parts set item = 997 where id = 101",
         ("foreign key", "parts_item_fkey"), 0, ""),
        (DOUBTED, "alter table items drop constraint cheap; update items set price = 7 where id = 99;"
         "update items set price = 500 where id = 4; " + DOUBTED, ("check", "cheap"), 1, "4"),
        (DOUBTED, "update items set id = id + 1000 where id < 50", ("check", "cheap"), 0, ""),
    ],
)  # fmt: skip
def test_other_rows_that_break_a_promise_are_told_by_their_keys(
    database: PostgresDatabase, base: str, change: str, key: tuple[str, str], new: int, example: str
) -> None:
    one = tried(database, REPLICA + change, base=BASE + base)[key]
    assert (one.rows, one.rows_before, one.rows_new) == (2, 2, new)
    assert example in (one.example or "")


def test_rows_of_a_table_whose_key_is_another_are_not_told_apart(database: PostgresDatabase) -> None:
    change = "alter table parts drop constraint parts_pkey, drop column id, add column name uuid primary key"
    one = tried(database, f"{change} default gen_random_uuid()", base=BASE + ORPHANS)["foreign key", "parts_item_fkey"]
    assert (one.rows, one.rows_before, one.rows_new) == (2, 2, None)


def test_a_start_that_cannot_be_asked_is_said_to_be(database: PostgresDatabase) -> None:
    run(database, BASE + ORPHANS)
    copy = database.fork(f"{database.name}_copy")
    try:
        run(database, "insert into items values (200, 'x', 1, 'y')")
        found = {(one.kind, one.name): one for one in invariants.tried(database, ByNobody(copy), "forward")}
    finally:
        copy.drop()
    one = found["foreign key", "parts_item_fkey"]
    assert (one.rows, one.rows_before) == (2, None)
    assert "permission denied" in (one.error_before or "")


def test_what_cannot_be_asked_in_sql_is_listed_and_not_counted_as_verified(database: PostgresDatabase) -> None:
    base = """
create extension btree_gist;
create domain amount as int;
create table rooms (id int, at int4range, price amount, exclude using gist (id with =, at with &&));
insert into rooms values (1, '[1,2)', 5);
"""
    change = "alter domain amount add constraint cheap check (value < 3) not valid; insert into rooms values (2)"
    found = tried(database, change, base=base)
    assert {key: one.error for key, one in found.items() if one.error} == {
        ("exclusion", "rooms_id_at_excl"): "which rows exclude each other is not verified",
        ("domain check", "amount.cheap"): "a domain's check that is NOT VALID is not verified",
    }
    assert found["domain check", "amount.cheap"].is_new
    assert not found["exclusion", "rooms_id_at_excl"].is_new


def test_a_key_without_overlaps_is_not_counted_as_verified(database: PostgresDatabase) -> None:
    if int(database.server.version.split(".")[0]) < 18:
        pytest.skip("WITHOUT OVERLAPS is there from PostgreSQL 18")
    base = (
        "create extension btree_gist; create table stays (id int, at int4range, primary key (id, at without overlaps))"
    )
    found = tried(database, "insert into stays values (1, '[1,2)')", base=base)
    assert found["exclusion", "stays_pkey"].error == "which rows exclude each other is not verified"


def test_partly_null_references_break_match_full_and_no_other(database: PostgresDatabase) -> None:
    base = """
create table a (x int, y int, primary key (x, y));
create table b (id int primary key, x int, y int, u int, v int,
    foreign key (x, y) references a match full, foreign key (u, v) references a);
insert into a values (1, 1); insert into b values (1, 1, 1, 1, 1);
"""
    found = tried(
        database, "set session_replication_role = replica; insert into b values (2, 1, null, 1, null)", base=base
    )
    assert faults(found) == {("foreign key", "b_x_y_fkey"): 1}


def test_partitions_are_read_through_their_table(database: PostgresDatabase) -> None:
    base = """
create table p (id int, day int not null, item int, primary key (id, day)) partition by range (day);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
create table items (id int primary key);
insert into items values (1), (2);
alter table p add foreign key (item) references items;
insert into p values (1, 1, 1), (2, 11, 2);
"""
    found = tried(database, "set session_replication_role = replica; insert into p values (3, 12, 9)", base=base)
    assert faults(found) == {("foreign key", "p_item_fkey"): 1}
    assert found["foreign key", "p_item_fkey"].example == "id = 3, day = 12 (item = 9)"
    assert {name for kind, name in found if kind == "index"} >= {"p2_pkey"}


def test_an_expression_index_whose_function_changed_is_damaged(database: PostgresDatabase) -> None:
    base = BASE + (
        "create function f(text) returns text language sql immutable as 'select $1';"
        "create index by_f on items (f(code));"
    )
    found = tried(
        database,
        "create or replace function f(text) returns text language sql immutable as 'select ''z'' || $1'",
        base=base,
    )
    one = found["index", "by_f"]
    assert (one.rows, one.rows_before) == (1, 0)
    assert "by_f" in (one.example or "") or "items" in (one.example or "")


@dataclass(frozen=True)
class ByNobody:
    """A database whose owner is the application, as on a server of others where we are no superuser."""

    database: PostgresDatabase
    name: str = "by nobody"

    def connect(self, _role: Role) -> Connection[Any]:
        return self.database.connect(Role.APPLICATION)


def test_without_the_right_to_have_amcheck_indexes_are_not_measured_and_the_rest_is(database: PostgresDatabase) -> None:
    run(database, BASE + ORPHANS + "grant select on all tables in schema public to public;")
    found = {(one.kind, one.name): one for one in invariants.tried(ByNobody(database), None, "forward")}
    one = found["index", "items_pkey"]
    assert one.rows is None
    assert "amcheck could not be had: permission denied" in (one.error or "")
    assert found["foreign key", "parts_item_fkey"].rows == 2
    assert "permission denied for sequence" in (found["sequence", "parts_id_seq"].error or "")


def test_without_amcheck_no_word_is_said_of_indexes_that_the_server_kept_itself(database: PostgresDatabase) -> None:
    run(database, BASE + "create function f(text) returns text language sql immutable as 'select $1';")
    run(database, "create index named on items (f(name)); grant select on all tables in schema public to public")
    copy = database.fork(f"{database.name}_copy")
    try:
        run(database, "update items set price = 5 where id = 5; create index built on items (code)")
        found = invariants.tried(ByNobody(database), ByNobody(copy), "forward")
    finally:
        copy.drop()
    assert {one.name for one in found if one.kind == "index"} == {"built", "named"}
    assert all("amcheck could not be had" in (one.error or "") for one in found if one.kind == "index")


def test_a_key_that_calls_give_themselves_leaves_its_sequence_behind_by_right(database: PostgresDatabase) -> None:
    change = "insert into parts (id, item) values (150, 1)"
    assert ("sequence", "parts_id_seq") not in tried(database, change, given={("parts", "id")})


def test_a_sequence_that_a_default_only_uses_and_an_identity_are_verified(database: PostgresDatabase) -> None:
    base = """
create sequence numbers increment by -1;
create table t (id bigint generated by default as identity primary key, n int default nextval('numbers'));
insert into t default values; insert into t default values;
"""
    found = tried(database, "insert into t (id, n) values (10, -7)", base=base)
    assert faults(found) == {("sequence", "t_id_seq"): 8, ("sequence", "numbers"): 5}


def test_a_constraint_says_what_the_server_doubts_of_it(database: PostgresDatabase) -> None:
    found = tried(database, "alter table parts add foreign key (other) references items not valid")
    one = found["foreign key", "parts_other_fkey"]
    assert (one.rows, one.flaw, one.is_new) == (0, "NOT VALID", True)


def test_a_condition_that_cannot_be_computed_hides_no_other(database: PostgresDatabase) -> None:
    change = """
alter table items drop constraint items_price_check;
update items set price = 0 where id = 3;
alter table items add constraint ratio check (100 / price > 0) not valid;
alter table items add constraint cheap check (price < 100) not valid
"""
    found = tried(database, change)
    assert found["check", "ratio"].error == "division by zero"
    assert faults(found) == {("check", "cheap"): 1}


SHAPES = """
create schema "My App";
create type pair as (a int, b text);
create domain amount as int check (value >= 0);
create table "My App"."Orders" ("Id" bigint generated always as identity primary key, "Total" amount not null,
    parent bigint references "My App"."Orders", double int generated always as ("Total" * 2) stored, p pair not null,
    tags text[] not null default '{}', unique ("Total", parent), check ("Orders"."Total" < 1000 or parent is null));
create unique index on "My App"."Orders" (lower((p).b) collate "C", ("Total" + 1)) where "Total" > 5;
create unique index on "My App"."Orders" (parent, "Total") nulls not distinct;
create table base (id int primary key, label varchar(20) check (label <> ''), made timestamptz not null default now());
create table child (extra text not null) inherits (base);
create table parts (id int, day date not null, ref int, primary key (id, day), check (id > 0)) partition by range (day);
create table parts_1 partition of parts for values from ('2020-01-01') to ('2021-01-01');
create table parts_2 (id int not null, day date not null, ref int, constraint own check (ref > 0),
    constraint parts_id_check check (id > 0));
alter table parts attach partition parts_2 for values from ('2021-01-01') to ('2022-01-01');
create table points (id int primary key, part int, day date, foreign key (part, day) references parts);
alter table parts add foreign key (ref) references base deferrable initially deferred;
create unlogged table fast (k text collate "POSIX" primary key, v int unique deferrable);
create unlogged table slow (k text references fast, numbered smallserial);
create table keyless (a int not null, b json, c numeric check (c > 0));
insert into "My App"."Orders" ("Total", p) select n, row(n, 'x' || n::text)::pair from generate_series(1, 30) n;
insert into base values (1, 'one'), (2, 'two');
insert into child values (1, 'one', now(), 'x');
insert into parts values (1, '2020-05-05', 1), (1, '2021-05-05', 2);
insert into points values (1, 1, '2020-05-05'), (2, null, '2020-05-05');
insert into fast values ('a', 1); insert into slow values ('a'), (null); insert into keyless values (1, '{}', 2);
"""


def test_every_shape_of_promise_can_be_asked_and_is_kept(database: PostgresDatabase) -> None:
    run(database, SHAPES)
    found = invariants.tried(database, None, "forward")
    assert [(one.kind, one.name, one.error) for one in found if one.error or one.rows] == []
    kinds = {kind: {one.name for one in found if one.kind == kind} for kind in {one.kind for one in found}}
    assert kinds["check"] >= {"parts_id_check", "own", "keyless_c_check", "base_label_check"}
    assert kinds["foreign key"] >= {"points_part_day_fkey", "parts_ref_fkey", "Orders_parent_fkey", "slow_k_fkey"}
    assert kinds["unique"] >= {"parts_pkey", "fast_v_key", "base_pkey"}
    assert kinds["sequence"] == {"My App.Orders_Id_seq", "slow_numbered_seq"}
    assert kinds["index"] >= {"parts_1_pkey", "parts_2_pkey", "Orders_pkey", "fast_pkey"}


def test_every_shape_of_promise_is_found_broken(database: PostgresDatabase) -> None:
    change = """
set session_replication_role = replica;
delete from base where id = 2; update "My App"."Orders" set parent = 77 where "Id" = 3;
insert into points values (3, 9, '2020-05-05'); insert into slow values ('b');
alter table keyless add constraint less check (c < 1) not valid;
alter table parts_2 add constraint more check (ref > 5) not valid;
insert into slow (numbered) values (9)
"""
    found = tried(database, change, base=SHAPES)
    assert faults(found) == {
        ("foreign key", "parts_ref_fkey"): 1,
        ("foreign key", "Orders_parent_fkey"): 1,
        ("foreign key", "points_part_day_fkey"): 1,
        ("foreign key", "slow_k_fkey"): 1,
        ("check", "less"): 1,
        ("check", "more"): 1,
        ("sequence", "slow_numbered_seq"): 6,
    }
