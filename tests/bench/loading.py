"""How fast rows are made and loaded: against the server's own limit, and against Faker.

    python -m tests.bench.loading [ROWS] [--turns N] [--streams N]
    python -m tests.bench.loading --memory

The table is a shop's orders (bigint key, skewed customer, timestamptz, numeric, a status of five, a note, a nullable
bool, a small jsonb) without indexes. The limit is the ready bytes of the same rows in files, one a stream, by COPY
BINARY FREEZE into the emptied table: no generator can be faster. Both take turns in one run; the limit twice, so that
the ratio of the two tells how far a ratio is noise. What we need includes trying sample rows, VACUUM and ANALYZE.
Exits 1 where a promise is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from faker import Faker
from psycopg import sql

from rehearse import datasets
from rehearse.datasets import GeneratedTable
from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.binary import HEADER, TRAILER, Encoder
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.load import load
from rehearse.model import EngineChoice
from rehearse.reading import profile as profiles
from rehearse.recording.journal import ListingJournal

SCHEMA = """
    CREATE TABLE customers (id bigint PRIMARY KEY);
    CREATE TABLE orders (
        id bigint NOT NULL, customer_id bigint NOT NULL, placed_at timestamptz NOT NULL, total numeric(12, 2) NOT NULL,
        status text NOT NULL, note text, gift boolean, extra jsonb NOT NULL
    );
"""
DATABASE = "bench"
CUSTOMERS = 200_000
STATUS = {"delivered": 880, "returned": 55, "cancelled": 60, "shipped": 4, "paid": 1}
PROFILE: dict[str, Any] = {
    "name": "orders",
    "tables": {
        "customers": {"rows": CUSTOMERS},
        "orders": {
            "rows": 1_000_000,
            "columns": {
                "id": {"kind": "serial"},
                "customer_id": {"kind": "parent", "to": "customers.id", "skew": 0.8},
                "placed_at": {"kind": "time", "growth": 4.0, "jitter": "2min"},
                "total": {"kind": "number", "low": 1, "high": 9000, "median": 54, "sigma": 0.9},
                "status": {"kind": "choice", "of": STATUS},
                "note": {"kind": "text", "of": "sentence", "null": 0.3},
                "gift": {"kind": "bool", "true": 0.2, "null": 0.1},
                "extra": {
                    "kind": "json",
                    "keys": {
                        "channel": {"kind": "choice", "of": ["web", "app", "phone"]},
                        "items": {"kind": "number", "low": 1, "high": 20, "median": 2, "sigma": 0.7},
                    },
                },
            },
        },
    },
}
WALL_LIMIT, CORE_RATE, FAKER_TIMES, MEMORY_LIMIT = 1.3, 400_000, 30, 1.1
FAKER_ROWS = 3000
FEW_ROWS, MANY_ROWS = 2_000_000, 20_000_000
_PART = 1 << 20


@contextmanager
def opened(rows: int) -> Iterator[tuple[PostgresDatabase, GeneratedTable]]:
    """Start a server with the empty table, in the settings in which a rehearsal loads."""
    with ENGINE.start(EngineChoice(), ListingJournal()) as server, server.loading():
        database = server.create(DATABASE)
        with database.connect() as connection:
            connection.execute(SCHEMA)
        tables = datasets.open_tables(profiles.parse(PROFILE), database.structure(), rows={"orders": rows})
        yield database, next(table for table in tables if table.table == "orders")


@dataclass(frozen=True, slots=True)
class Files:
    """The rows of a table as COPY BINARY takes them, in one file a stream."""

    paths: list[Path]
    columns: list[str]

    def load(self, database: PostgresDatabase) -> None:
        """Send the files, each on its own connection; one alone goes in frozen."""
        statement = "COPY orders ({}) FROM STDIN (FORMAT binary{})"
        names = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        if len(self.paths) == 1:
            with database.connect() as connection, connection.transaction():
                connection.execute("TRUNCATE orders")
                _send(connection, sql.SQL(statement).format(names, sql.SQL(", FREEZE")), self.paths[0])
            return
        with database.connect() as connection:
            connection.execute("TRUNCATE orders")

        def stream(path: Path) -> None:
            with database.connect() as connection:
                _send(connection, sql.SQL(statement).format(names, sql.SQL("")), path)

        with ThreadPoolExecutor(len(self.paths)) as threads:
            list(threads.map(stream, self.paths))


def _send(connection: Any, statement: sql.Composed, path: Path) -> None:
    with path.open("rb") as file, connection.cursor() as cursor, cursor.copy(statement) as copy:
        while part := file.read(_PART):
            copy.write(part)


def files(database: PostgresDatabase, table: GeneratedTable, folder: Path, streams: int) -> Files:
    """Write the table's rows to so many files."""
    encoder = Encoder(
        {name: database.structure().tables["orders"].columns[name] for name in table.chunk(0).schema.names}
    )
    paths = [folder / f"{number}.copy" for number in range(streams)]
    outs = [path.open("wb") for path in paths]
    for out in outs:
        out.write(HEADER)
    for number, chunk in enumerate(table.chunks()):
        outs[number % streams].write(encoder.rows(chunk))
    for out in outs:
        out.write(TRAILER)
        out.close()
    return Files(paths, encoder.names)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one turn took: seconds on the clock, and CPU seconds of this process and of the server."""

    wall: float
    own: float
    server: float


def spent(database: PostgresDatabase, deed: Callable[[], object]) -> Spent:
    """Do a deed on the server, and return what it took."""
    with database.connect() as connection:
        connection.execute("CHECKPOINT")  # so that nobody pays for what was done before
        postmaster = psutil.Process(connection.info.backend_pid).parent()
    assert postmaster is not None
    before, own, began = _server_cpu(postmaster), time.process_time(), time.monotonic()
    deed()
    wall = time.monotonic() - began
    return Spent(wall, time.process_time() - own, _server_cpu(postmaster) - before)


def _server_cpu(postmaster: psutil.Process) -> float:
    """Return the CPU seconds of all the server's processes, those that have ended too."""
    try:
        running = sum(sum(one.cpu_times()[:2]) for one in postmaster.children())
    except psutil.NoSuchProcess:  # it ended meanwhile, and so counts among those below
        return _server_cpu(postmaster)
    ended = postmaster.cpu_times()
    return float(running + ended.children_user + ended.children_system)


def taken_turns(
    database: PostgresDatabase, turns: int, ways: dict[str, Callable[[], object]]
) -> dict[str, list[Spent]]:
    """Return what each way took in each turn; every other turn goes backwards, and starts with another."""
    found: dict[str, list[Spent]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(turns):
        first, step = turn % len(names), 1 if turn % 2 else -1
        for name in (names[first:] + names[:first])[::step]:
            found[name].append(spent(database, ways[name]))
    return found


def core_seconds(table: GeneratedTable) -> tuple[float, float]:
    """Return the CPU seconds of this process in making the rows, and in making and encoding them."""
    columns = table.plan.tables[table.table].columns
    encoder = Encoder({name: columns[name] for name in table.chunk(0).schema.names})
    began = time.process_time()
    for _ in table.chunks():
        pass
    made = time.process_time()
    for chunk in table.chunks():
        encoder.rows(chunk)
    return made - began, time.process_time() - made


def by_faker(database: PostgresDatabase) -> None:
    """Make rows like ours by Faker, one by one, and insert them by executemany."""
    words = Faker()
    insert = (
        "INSERT INTO by_faker (id, customer_id, placed_at, total, status, note, gift, extra) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )

    def row(number: int) -> tuple[object, ...]:
        return (
            number,
            words.random_int(1, CUSTOMERS),
            words.date_time_between("-3y"),
            words.pydecimal(left_digits=4, right_digits=2, positive=True),
            words.random_element(list(STATUS)),
            words.sentence() if words.boolean(70) else None,
            words.boolean(20) if words.boolean(90) else None,
            words.json(data_columns={"channel": "word", "items": "pyint"}, num_rows=1),
        )

    with database.connect() as connection, connection.cursor() as cursor, connection.transaction():
        cursor.executemany(insert, [row(number) for number in range(FAKER_ROWS)])


def speed(rows: int, turns: int, streams: int) -> bool:
    """Print the figures, and say whether the promises hold."""
    with opened(rows) as (database, table), tempfile.TemporaryDirectory() as folder:
        with database.connect() as connection:
            connection.execute("CREATE TABLE by_faker (LIKE orders)")
        ready = files(database, table, Path(folder), streams)
        size = sum(path.stat().st_size for path in ready.paths)
        ways: dict[str, Callable[[], object]] = {
            "made and loaded": lambda: load(database, [table], ListingJournal()),
            "ready file": lambda: ready.load(database),
            "ready file again": lambda: ready.load(database),
            f"Faker, {FAKER_ROWS} rows": lambda: by_faker(database),
        }
        found = taken_turns(database, turns, ways)
        making, encoding = core_seconds(table)
    ours, limit, again, faker = found.values()
    print(f"rows               {rows:,}, {size / rows:.0f} bytes each as COPY BINARY; medians of {turns} turns")
    print(f"busy               load average {os.getloadavg()[1]:.1f} of 5 minutes on {os.cpu_count()} cores")
    for name, each in found.items():
        wall, own, server = (median(getattr(one, part) for one in each) for part in ("wall", "own", "server"))
        spread = f"{min(one.wall for one in each):.2f}–{max(one.wall for one in each):.2f}"
        print(f"{name:<18} {wall:.2f} s ({spread}); CPU {own:.2f} s of ours, {server:.2f} s of the server")
    both = [(one.wall + other.wall) / 2 for one, other in zip(limit, again, strict=True)]
    ratio = median(one.wall / file for one, file in zip(ours, both, strict=True))
    noise = median(other.wall / one.wall for one, other in zip(limit, again, strict=True))
    times = median(one.wall / own.wall for one, own in zip(faker, ours, strict=True)) * rows / FAKER_ROWS
    print(
        f"to the limit       {ratio:.2f} × the wall of both (promised: {WALL_LIMIT}); the limit to itself {noise:.2f}"
    )
    print(f"making             {rows / making:,.0f} rows a core-second (promised: {CORE_RATE:,})")
    print(f"making, encoding   {rows / encoding:,.0f} rows a core-second")
    print(f"to Faker           {times:.0f} × its rows a second (promised: {FAKER_TIMES})")
    return ratio <= WALL_LIMIT and rows / making >= CORE_RATE and times >= FAKER_TIMES


def memory() -> bool:
    """Print the peak of the resident memory of processes that load few rows and many; say whether it is flat."""
    command = [sys.executable, "-m", "tests.bench.loading", "--peak"]
    few, many = (int(subprocess.check_output([*command, str(rows)])) for rows in (FEW_ROWS, MANY_ROWS))
    print(
        f"peak memory of our own process: {FEW_ROWS:,} rows {few >> 10} MiB, {MANY_ROWS:,} rows {many >> 10} MiB, made"
    )
    print(f"and loaded: {many / few:.3f} × (promised: {MEMORY_LIMIT})")
    return many / few <= MEMORY_LIMIT


def _peak(rows: int) -> None:
    with opened(rows) as (database, table):
        load(database, [table], ListingJournal())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> int:
    """Measure what was asked, and return 1 where a promise is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=5_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--streams", type=int, default=1, help="files, each on its own connection, of the limit")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        _peak(asked.rows)
        return 0
    return int(not (memory() if asked.memory else speed(asked.rows, asked.turns, asked.streams)))


if __name__ == "__main__":
    sys.exit(main())
