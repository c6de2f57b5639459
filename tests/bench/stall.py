"""What a lock of one second does to users, and what two kinds of clients report of it.

    python -m tests.bench.stall [--picture FILE]

Ten seconds of 200 calls a second, and in the middle of them ACCESS EXCLUSIVE for one second. Ours sends each call when
it is due and counts from there; the other sends the next when it has its answer, as most load generators do, at the
same rate. A call that comes at random during the lock waits for the rest of it, so that of all calls a share w / 10
waits longer than 1 - w seconds: the 99th percentile is 0.9 s.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import CallEnded
from rehearse.model import CallChoice, EngineChoice, WorkloadChoice
from rehearse.protocols import Role
from rehearse.recording.journal import ListingJournal
from rehearse.workload.driver import Driver
from rehearse.workload.mix import open_mix

RATE, SECONDS, LOCK_S = 200.0, 10.0, 1.0
OPEN_SESSIONS, CLOSED_SESSIONS = 256, 8
READ = "SELECT note FROM items WHERE id = :id"
ANALYTIC_P99_S = LOCK_S - 0.01 * SECONDS

Calls = NDArray[np.float64]  # (calls, 2): seconds from the start, and the latency that is reported, in seconds


def prepared(database: PostgresDatabase) -> None:
    """Make the table."""
    with psycopg.connect(database.url(Role.OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE items (id int PRIMARY KEY, note text NOT NULL)")
        connection.execute("INSERT INTO items SELECT g, 'x' FROM generate_series(1, 1000) g")
        connection.execute("ANALYZE items")
    database.grant()


def locked(database: PostgresDatabase) -> None:
    """Hold the lock in the middle of what is measured."""
    time.sleep((SECONDS - LOCK_S) / 2)
    with psycopg.connect(database.url(Role.OWNER)) as connection:
        connection.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        time.sleep(LOCK_S)


def open_loop(database: PostgresDatabase) -> Calls:
    """Return what rehearse's driver records."""
    call = CallChoice(name="read", sql=READ, values={"id": "items.id"})
    choice = WorkloadChoice(sessions=OPEN_SESSIONS, rate=RATE, calls=[call], workers=1)
    journal = ListingJournal()
    with Driver(open_mix(choice, database), database, choice, 1, journal) as driver:
        driver.begin("baseline")
        _beside(locked, database, lambda: time.sleep(SECONDS))
        driver.end()
    frame = journal.close().frame(CallEnded)
    at = frame["at_ns"].to_numpy(np.int64)
    latency = frame["done_ns"].to_numpy(np.int64) - at
    return np.column_stack([at - at.min(), latency]) / 1e9


def closed_loop(database: PostgresDatabase) -> Calls:
    """Return what a client records whose sessions send at the same rate, but wait for each answer first."""
    found: list[tuple[float, float]] = []
    began = time.monotonic()

    def session(number: int) -> None:
        pace = CLOSED_SESSIONS / RATE
        with psycopg.connect(database.url(Role.APPLICATION), autocommit=True) as connection:
            while (sent := time.monotonic()) - began < SECONDS:
                connection.execute("SELECT note FROM items WHERE id = %s", [1 + number], prepare=True)
                done = time.monotonic()
                found.append((sent - began, done - sent))
                time.sleep(max(0.0, pace - (done - sent)))

    threads = [threading.Thread(target=session, args=(number,)) for number in range(CLOSED_SESSIONS)]

    def all_of_them() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    _beside(locked, database, all_of_them)
    return np.array(sorted(found))


def _beside(first: Callable[[PostgresDatabase], None], database: PostgresDatabase, second: Callable[[], None]) -> None:
    thread = threading.Thread(target=first, args=(database,))
    thread.start()
    second()
    thread.join()


def drawn(results: dict[str, Calls], path: Path) -> None:
    """Draw each call as a dot, at the time when it was due or sent."""
    import matplotlib as mpl  # noqa: PLC0415 - a picture is rarely asked for

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, panels = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
    for panel, (name, calls) in zip(panels, results.items(), strict=True):
        panel.plot(calls[:, 0], calls[:, 1] * 1e3, ".", markersize=2, color="#335c99")
        p99 = float(np.quantile(calls[:, 1], 0.99)) * 1e3
        panel.axhline(p99, color="#b3261e", linewidth=1)
        panel.annotate(f"p99 {p99:,.0f} ms", (0.1, p99), xytext=(0, 4), textcoords="offset points", color="#b3261e")
        panel.set(title=name, xlabel="seconds")
    panels[0].set_ylabel("latency reported, ms")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure both and print what they report."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--picture", type=Path)
    given = asked.parse_args()
    results: dict[str, Calls] = {}
    with ENGINE.start(EngineChoice(), ListingJournal(), sessions=OPEN_SESSIONS) as server:
        database = server.create("stall")
        prepared(database)
        results["open loop, from when a call was due"] = open_loop(database)
        results["closed loop, from when it was sent"] = closed_loop(database)
    for name, calls in results.items():
        p99 = float(np.quantile(calls[:, 1], 0.99, method="higher"))
        waited = int((calls[:, 1] > 0.05).sum())
        told = f"{p99 * 1e3:,.1f} ms, {p99 / ANALYTIC_P99_S:.1%} of the analytic {ANALYTIC_P99_S * 1e3:.0f} ms"
        print(f"{name}: {len(calls):,} calls, p99 {told}; {waited} calls waited more than 50 ms")
    if given.picture:
        drawn(results, given.picture)


if __name__ == "__main__":
    main()
