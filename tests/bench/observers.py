"""What watching costs the server: CPU per transaction and throughput, observers on against off, and off against off.

Point reads and updates by pgbench, flat out, so that the server is saturated. The runs of a pair follow each other, in
turns which comes first; a third run, off again, is the control (A/A): what these machines scatter by themselves.
`python -m tests.bench.observers [PAIRS] [SECONDS]`
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
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
_DONE = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"tps = ([\d.]+)")
_SCRIPT = """\\set id random(1, 100000)
\\set amount random(1, 5000)
SELECT abalance FROM pgbench_accounts WHERE aid = :id;
UPDATE pgbench_accounts SET abalance = abalance + :amount WHERE aid = :id;
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of pgbench: the server's CPU per transaction in µs, and transactions a second."""

    cpu_us: float
    rate: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """A run against another."""

    cpu: float
    rate: float


def measured(pairs: int, seconds: int) -> dict[str, list[Ratio]]:
    """Return the ratios of on, on while the migration's role is connected, and off again, each against off."""
    with ENGINE.start(EngineChoice(), Kept()) as server:
        database = server.create("bench")
        _fill(database)
        _run(database, seconds)  # warms caches
        found: dict[str, list[Ratio]] = {"observers on": [], "on, migration connected": [], "control (off)": []}
        for pair in range(pairs):
            names = list(found)
            for name in names[pair % 3 :] + names[: pair % 3]:
                off_first = pair % 2 == 0
                off = _run(database, seconds) if off_first else None
                with _observed(database, name):
                    run = _run(database, seconds)
                off = off or _run(database, seconds)
                found[name].append(Ratio(run.cpu_us / off.cpu_us, run.rate / off.rate))
    return found


@contextmanager
def _observed(database: PostgresDatabase, name: str) -> Iterator[None]:
    if name.startswith("control"):
        yield
        return
    journal = Kept()
    watch = database.watch(journal)
    with watching(watch.probes, journal):
        if "connected" in name:
            with psycopg.connect(database.url(Role.MIGRATION)):
                yield
        else:
            yield
    watch.finish([])


def _fill(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, abalance int NOT NULL, filler text)")
        connection.execute("INSERT INTO pgbench_accounts SELECT n, 0, repeat('x', 80) FROM generate_series(1, 1e5) n")
    database.grant()
    with database.connect() as connection:
        connection.execute("VACUUM ANALYZE")


def _run(database: PostgresDatabase, seconds: int) -> Run:
    program = binaries.embedded(None).program("pgbench")
    assert database.server.pid is not None
    before = _cpu_ns(database.server.pid)
    done = subprocess.run(
        [program, "-n", "-M", "prepared", "-c", "16", "-T", str(seconds), "-f", "-", database.url(Role.APPLICATION)],
        input=_SCRIPT,
        capture_output=True,
        text=True,
        check=False,
    )
    spent = _cpu_ns(database.server.pid) - before
    count, rate = _DONE.search(done.stdout), _RATE.search(done.stdout)
    if done.returncode or not count or not rate:
        raise RuntimeError(f"pgbench failed: {done.stderr[-2000:]}")
    return Run(spent / 1_000 / int(count[1]), float(rate[1]))


def _cpu_ns(postmaster: int) -> int:
    """Return the CPU of the server, of processes that ended too."""
    times = psutil.Process(postmaster).cpu_times()
    total = round((times.user + times.system + times.children_user + times.children_system) * 1e9)
    for child in psutil.Process(postmaster).children():
        path = Path(f"/proc/{child.pid}/schedstat")
        if path.exists():
            total += int(path.read_text().split()[0])
        else:
            own = child.cpu_times()
            total += round((own.user + own.system) * 1e9)
    return total


def main(pairs: int = 9, seconds: int = 5) -> int:
    """Measure and print; 1 where watching costs more than 3 % of the server's CPU per transaction."""
    found = measured(pairs, seconds)
    print(f"{pairs} pairs of {seconds} s, {os.cpu_count()} cores; each against a run with observers off")
    print(f"{'':26}{'CPU per transaction':>32}{'throughput':>28}")
    for name, ratios in found.items():
        print(f"{name:26}{_figures([one.cpu for one in ratios]):>32}{_figures([one.rate for one in ratios]):>28}")
    worst = statistics.median(one.cpu for one in found["observers on"])
    print(f"watching costs × {worst:.3f} of the server's CPU per transaction (allowed: {ALLOWED})")
    return int(worst > ALLOWED)


def _figures(values: list[float]) -> str:
    return f"× {statistics.median(values):.3f} ({min(values):.3f} … {max(values):.3f})"


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
