"""Large tables in buckets: what differs is found by any key, however its rows lie, by any number of readers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from rehearse.engines._numbered import Numbers
from rehearse.engines.postgres import buckets, diff, table_rows
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.diff import Asked, difference
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import TableComparison
from rehearse.protocols import Role
from tests.engines.comparing import run

pytestmark = pytest.mark.slow

ROWS = 20_000
KEYS = {
    "whole numbers": ("bigint primary key", "g"),
    "small numbers": ("int primary key", "g"),
    "numbers that lie far apart": (
        "bigint primary key",
        "-1000 + g * g",
    ),
    "the same, most of them near": ("bigint primary key", "case g when 1 then (2::numeric ^ 62)::bigint else g end"),
    "uuids": ("uuid primary key", "md5(g::text)::uuid"),
    "texts": ("text primary key", "'k' || g"),
    "none": ("bigint", "g"),
}


class Given:
    """A database of ours in the place of a user's."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database

    def connect(self, **options: object) -> object:
        """Connect, in autocommit."""
        return self.database.connect(Role.OWNER)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is small in production is large here."""
    monkeypatch.setattr(diff, "_SMALL", 0)
    monkeypatch.setattr(buckets, "_ROWS", 50)
    monkeypatch.setattr(buckets, "_PAGES", 16)
    monkeypatch.setattr(table_rows, "SLICE", 3_000)


@pytest.fixture
def second(server: PostgresServer, database: PostgresDatabase) -> Iterator[list[PostgresDatabase]]:
    """Databases that a test makes, dropped at its end."""
    made: list[PostgresDatabase] = []
    yield made
    for one in made:
        one.drop()


def found(
    database: PostgresDatabase, second: list[PostgresDatabase], script: str, change: str, *, jobs: int = 1
) -> TableComparison:
    run(database, script)
    copy = database.fork(f"{database.name}_second")
    second.append(copy)
    run(copy, change)
    compared = difference(Given(database), Given(copy), Asked(schema=False, examples=50, jobs=jobs))  # type: ignore[arg-type]
    return compared.tables[0]


def table(key: str) -> str:
    kind, value = KEYS[key]
    return (
        f"create table t (id {kind}, g int, v text); "
        f"insert into t select {value}, g, 'v' || g from generate_series(1, {ROWS}) g order by hashint4(g)"
    )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("key", KEYS)
def test_by_any_key_and_any_number_of_readers(
    database: PostgresDatabase, second: list[PostgresDatabase], key: str, jobs: int
) -> None:
    draw = Random(f"{key} {jobs}")
    changed, gone = draw.sample(range(2, ROWS), 12), draw.sample(range(2, ROWS), 5)
    gone = [one for one in gone if one not in changed]
    change = (
        f"update t set v = v || '!' where g = any('{{{','.join(map(str, changed))}}}');"
        f"delete from t where g = any('{{{','.join(map(str, gone))}}}');"
        f"insert into t select {KEYS[key][1]}, g, 'more' from generate_series({ROWS + 1}, {ROWS + 3}) g"
    )
    seen = found(database, second, table(key), change, jobs=jobs)
    assert (seen.rows_before, seen.rows_after) == (ROWS, ROWS - len(gone) + 3)
    if key == "none":
        assert (seen.rows_missing, seen.rows_unexpected) == (len(changed) + len(gone), len(changed) + 3)
        return
    assert (seen.rows_missing, seen.rows_unexpected) == (len(gone), 3)
    assert (len(seen.examples_missing), len(seen.examples_unexpected)) == (len(gone), 3)
    assert [(one.column, one.values_changed) for one in seen.columns] == [("v", len(changed))]
    assert {one.before for one in seen.columns[0].examples} == {f"v{one}" for one in changed}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("key", ["whole numbers", "uuids", "none"])
def test_every_row_may_differ(database: PostgresDatabase, second: list[PostgresDatabase], key: str) -> None:
    seen = found(database, second, table(key), "update t set v = 'x' || g")
    if key == "none":
        assert (seen.rows_missing, seen.rows_unexpected) == (ROWS, ROWS)
    else:
        assert [(one.column, one.values_changed) for one in seen.columns] == [("v", ROWS)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("key", KEYS)
def test_only_what_differs_is_streamed(
    database: PostgresDatabase, second: list[PostgresDatabase], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed: list[int] = []
    read = table_rows.streams.read

    def counting(*asked: object) -> Numbers:
        rows = read(*asked)  # type: ignore[arg-type]
        streamed.append(rows.shape[1])
        return rows

    monkeypatch.setattr(table_rows.streams, "read", counting)
    seen = found(database, second, table(key), "update t set v = 'other' where g = 777")
    assert seen.columns or seen.rows_missing == 1
    far = key == "the same, most of them near"  # all rows but one lie in one bucket
    assert sum(streamed) <= (2 * ROWS + 10 if far else ROWS / 4)


@pytest.mark.usefixtures("small")
def test_partitions_are_read_by_several_and_differ_by_nothing(
    database: PostgresDatabase, second: list[PostgresDatabase]
) -> None:
    parted = (
        "create table t (id int primary key, v text) partition by range (id);"
        "create table t1 partition of t for values from (0) to (15000);"
        "create table t2 (v text, id int not null);"
        "alter table t attach partition t2 for values from (15000) to (90000);"
        f"insert into t select g, 'v' || g from generate_series(1, {ROWS}) g"
    )
    plain = (
        "create table p (v text, id int primary key); insert into p select v, id from t order by id desc;"
        "drop table t; alter table p rename to t; update t set v = 'x' where id in (3, 17000)"
    )
    seen = found(database, second, parted, plain, jobs=3)
    assert [(one.column, one.values_changed) for one in seen.columns] == [("v", 2)]
    assert (seen.rows_missing, seen.rows_unexpected) == (0, 0)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("key", ["whole numbers", "uuids"])
def test_rows_whose_key_is_lost_are_told(database: PostgresDatabase, second: list[PostgresDatabase], key: str) -> None:
    change = "alter table t drop constraint t_pkey, alter id drop not null; update t set id = null where g in (8, 9)"
    seen = found(database, second, table(key), change)
    assert (seen.rows_missing, seen.rows_unexpected) == (2, 2)
