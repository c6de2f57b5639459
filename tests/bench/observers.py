"""What watching costs the server: CPU per transaction and throughput, observers on against off, and off against off.

pgbench reads and updates points flat out, so that the server is saturated, from the first slice to the last. A pair is
two slices of it, one after the other, in turns which comes first; pairs of off and off are the control (A/A): what
these machines scatter by themselves. `python -m tests.bench.observers [PAIRS] [SECONDS A SLICE]`
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from rehearse.engines.postgres import ENGINE, binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.rehearsal.watching import watching
from tests.engines.truth import Kept

ALLOWED = 1.03
ON, CONNECTED, CONTROL = "observers on", "on, migration connected", "control: off again"
_SESSIONS = 16
_SCRIPT = """\\set id random(1, 100000)
\\set amount random(1, 5000)
SELECT abalance FROM accounts WHERE id = :id;
UPDATE accounts SET abalance = abalance + :amount WHERE id = :id;
"""
_COUNT = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query LIKE 'UPDATE accounts%%'"

_OBSERVERS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'rehearse observer%'"


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of the run: the server's CPU per transaction in µs, and transactions a second."""

    cpu_us: float
    rate: float
    observers: float  # cores that the observers take: their backends, and this process


@dataclass(frozen=True, slots=True)
class Ratio:
    """A slice against its neighbour with observers off."""

    cpu: float
    rate: float
    observers: float


def measured(pairs: int, seconds: float) -> dict[str, list[Ratio]]:
    """Return the ratios of each kind of slice, each against a slice with observers off beside it."""
    found: dict[str, list[Ratio]] = {ON: [], CONNECTED: [], CONTROL: []}
    with ENGINE.start(EngineChoice(), Kept()) as server:
        database = server.create("bench")
        _fill(database)
        with _traffic(database), database.connect() as connection:
            _slice(database, connection, seconds)  # warms caches
            for pair in range(pairs):
                for name, ratios in found.items():
                    ratios.append(_pair(database, connection, seconds, name, first=pair % 2 == 0))
    return found


def _pair(
    database: PostgresDatabase, connection: psycopg.Connection, seconds: float, name: str, *, first: bool
) -> Ratio:
    before = None if first else _slice(database, connection, seconds)
    with _observed(database, name):
        this = _slice(database, connection, seconds)
    off = before or _slice(database, connection, seconds)
    return Ratio(this.cpu_us / off.cpu_us, this.rate / off.rate, this.observers)


@contextmanager
def _observed(database: PostgresDatabase, name: str) -> Iterator[None]:
    if name == CONTROL:
        yield
        return
    journal = Kept()
    watch = database.watch(journal)
    with watching(watch.probes, journal):
        if name == CONNECTED:
            with psycopg.connect(database.url(Role.MIGRATION)):
                yield
        else:
            yield
    watch.finish([])


def _fill(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, abalance int NOT NULL, filler text)")
        connection.execute("INSERT INTO accounts SELECT n, 0, repeat('x', 80) FROM generate_series(1, 100000) n")
    database.grant()
    with database.connect() as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("VACUUM ANALYZE")


@contextmanager
def _traffic(database: PostgresDatabase) -> Iterator[None]:
    program = binaries.embedded(None).program("pgbench")
    words = ["-n", "-M", "prepared", "-c", str(_SESSIONS), "-T", "3600", "-f", "-", database.url(Role.APPLICATION)]
    running = subprocess.Popen(
        [program, *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert running.stdin is not None
    running.stdin.write(_SCRIPT.encode())
    running.stdin.close()
    try:
        yield
    finally:
        running.kill()
        running.wait()


def _slice(database: PostgresDatabase, connection: psycopg.Connection, seconds: float) -> Slice:
    server = database.server.pid or 0
    observers = [pid for (pid,) in connection.execute(_OBSERVERS)]
    mine = time.process_time_ns()
    began, count, cpu, own = time.monotonic(), _count(connection), _cpu_ns(server), sum(map(_backend_ns, observers))
    time.sleep(seconds)
    ended, more, spent = time.monotonic(), _count(connection), _cpu_ns(server) - cpu
    done = more - count
    if not done:
        raise RuntimeError("pgbench made no transaction; run it by hand to see why")
    own = sum(map(_backend_ns, observers)) - own + time.process_time_ns() - mine
    return Slice(spent / 1_000 / done, done / (ended - began), own / 1e9 / (ended - began))


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute(_COUNT).fetchone()
    assert row is not None
    return int(row[0])


def _cpu_ns(postmaster: int) -> int:
    """Return the CPU of the server's processes; those that end within a slice are few (autovacuum) and in ticks."""
    times = psutil.Process(postmaster).cpu_times()
    total = round((times.children_user + times.children_system) * 1e9)
    return total + sum(_backend_ns(child.pid) for child in psutil.Process(postmaster).children())


def _backend_ns(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except FileNotFoundError:
        return 0


def main(pairs: int = 21, seconds: float = 2) -> int:
    """Measure and print; 1 where watching costs more than 3 % of the server's CPU per transaction."""
    found = measured(pairs, seconds)
    print(f"{pairs} pairs of slices of {seconds:g} s, {os.cpu_count()} cores, each against observers off")
    print(f"{'':26}{'CPU per transaction':>32}{'throughput':>28}{'observers, of a core':>22}")
    for name, ratios in found.items():
        own = statistics.median(one.observers for one in ratios)
        cpu, rate = _figures([one.cpu for one in ratios]), _figures([one.rate for one in ratios])
        print(f"{name:26}{cpu:>32}{rate:>28}{own:>22.1%}")
    cost, control = (statistics.median(one.cpu for one in found[name]) for name in (ON, CONTROL))
    print(
        f"watching costs × {cost:.3f} of the server's CPU per transaction (allowed: {ALLOWED}; control: {control:.3f})"
    )
    return int(min(cost, cost / control) > ALLOWED)


def _figures(values: list[float]) -> str:
    return f"× {statistics.median(values):.3f} ({min(values):.3f} … {max(values):.3f})"


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:3])))
