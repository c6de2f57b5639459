"""Which rows a statement failed on, counted by what it asks of them, now and at the start."""

from __future__ import annotations

import psycopg
import pytest

from rehearse.engines.postgres import blocking
from rehearse.engines.postgres.database import PostgresDatabase
from tests.engines.comparing import run

pytestmark = pytest.mark.slow

BASE = """
create schema app;
create table app.items (id int primary key, name text, price bigint, item int);
insert into app.items values (1, 'one', 1, 1), (2, null, 1, 2), (3, 'three', 2, 3);
"""
WRITTEN = """
insert into app.items values (4, null, 3000000000, 9), (5, 'a longer name', 1, 3), (6, null, 1, 4);
update app.items set name = 'one' where id = 3;
"""


@pytest.mark.parametrize(
    ("statement", "rule", "rows", "before", "keys"),
    [
        ("alter table app.items alter name set not null", "NOT NULL of name", 3, 1, ("2", "4", "6")),
        ("alter table items alter price type int", "type integer of price", 1, 0, ("4",)),
        ("alter table items alter name type varchar(7)", "type varchar(7) of name", 1, 0, ("5",)),
        ("alter table items alter name type int using name::int", "type integer of name", 3, 2, ("1", "3", "5")),
        ("alter table items add unique (name)", "UNIQUE (name)", 2, 0, ("1", "3")),
        ("create unique index on items (lower(name)) where id < 4", "UNIQUE (lower(name))", 2, 0, ("1", "3")),
        ("alter table items add check (items.price < 9), add a int", "CHECK (items.price < 9)", 1, 0, ("4",)),
        ("alter table items add foreign key (item) references items (id)", "REFERENCES items", 1, 0, ("4",)),
        ("alter table items alter price type int using price + 1", "type integer of price", None, None, ()),
        ("alter table items alter nothing set not null", "NOT NULL of nothing", None, None, ()),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_counted(
    database: PostgresDatabase, statement: str, rule: str, rows: int | None, before: int | None, keys: tuple[str, ...]
) -> None:
    run(database, BASE)
    copy = database.fork(f"{database.name}_copy")
    try:
        run(database, WRITTEN)
        with pytest.raises(psycopg.Error):
            run(database, f"set search_path = app; {statement}; select 1 / 0")
        (found,) = blocking.in_the_way(database, copy, statement, {"search_path": "app"})
    finally:
        copy.drop()
    assert rule in found["rule"]
    assert (found["table"] in {"app.items", "items"}, found["rows"], found["rows_before"], found["keys"]) == (
        True,
        rows,
        before,
        keys,
    )


def test_what_is_no_ddl_on_rows_blocks_nothing(database: PostgresDatabase) -> None:
    run(database, BASE)
    for statement in ("insert into items values (1)", "drop table items", "not sql", "alter table app.items add x int"):
        assert blocking.in_the_way(database, None, statement, {"search_path": "app"}) == []
