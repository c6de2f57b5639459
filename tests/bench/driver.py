"""How well the traffic's driver does: on time, at most, and for how much CPU, beside pgbench on the same rows.

    python -m tests.bench.driver [--rows 1000000] [--seconds 8]

Client and server share this machine, so rates are those of both together: compare within one run only.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import CallEnded
from rehearse.model import CallChoice, EngineChoice, WorkloadChoice
from rehearse.protocols import Role
from rehearse.recording.journal import ListingJournal
from rehearse.workload.driver import Driver
from rehearse.workload.mix import Mix, open_mix

SESSIONS = 16
READ = "SELECT * FROM orders WHERE id = :id"
UPDATE = "UPDATE orders SET total = total + 1 WHERE id = :id"
CALLS = [
    CallChoice(name="read", share=8, sql=READ, values={"id": "orders.id"}),
    CallChoice(name="update", share=2, sql=UPDATE, values={"id": "orders.id"}),
]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to."""

    due: int
    ok_per_s: float
    on_time: float
    lag_ms: tuple[float, float, float]  # p50, p99, max, from due to when the driver turned to a call
    latency_ms: tuple[float, float]  # p50, p99
    cpu_us: float


def loaded(database: PostgresDatabase, rows: int) -> None:
    with psycopg.connect(database.url(Role.OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY, total bigint NOT NULL, note text NOT NULL)")
        connection.execute(
            "INSERT INTO orders SELECT g, g %% 10000, repeat('x', 80) FROM generate_series(1, %s::bigint) g", [rows]
        )
        connection.execute("VACUUM ANALYZE orders")
        connection.execute("CHECKPOINT")
    database.grant()


def driven(database: PostgresDatabase, mix: Mix, rate: float, seconds: float, workers: int) -> Figures:
    choice = WorkloadChoice(sessions=SESSIONS, rate=rate, workers=workers, calls=CALLS, skew=0.0)
    journal = ListingJournal()
    with Driver(mix, database, choice, 1, journal) as driver:
        driver.begin("baseline")
        before, began = driver.cpu_s() or 0.0, time.monotonic()
        time.sleep(seconds)
        used, counts = (driver.cpu_s() or 0.0) - before, driver.counts()
        lasted = time.monotonic() - began
        driver.end()
    calls = journal.close().frame(CallEnded)
    lag = (calls["picked_ns"] - calls["at_ns"]).astype("int64") / 1e6
    answered = calls[calls["outcome"] == "ok"]
    wait = (answered["done_ns"] - answered["at_ns"]) / 1e6
    return Figures(
        due=len(calls),
        ok_per_s=counts.ok / lasted,
        on_time=float((lag <= 5).mean()),
        lag_ms=(lag.quantile(0.5), lag.quantile(0.99), lag.max()),
        latency_ms=(wait.quantile(0.5), wait.quantile(0.99)),
        cpu_us=used / max(1, counts.ok) * 1e6,
    )


def pgbench(bench: Path, database: PostgresDatabase, rows: int, seconds: int, rate: float | None = None) -> str:
    """Return transactions a second, and the client's CPU a transaction, of pgbench with the same two statements."""
    url = database.url(Role.OWNER)
    with tempfile.TemporaryDirectory() as folder:
        scripts = []
        for share, sql in ((8, READ), (2, UPDATE)):
            script = Path(folder) / f"{share}.sql"
            script.write_text(f"\\set id random(1, {rows})\n{sql};\n")
            scripts += ["-f", f"{script}@{share}"]
        paced = ["-R", str(rate)] if rate else []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = subprocess.run(
            [bench, "-n", "-M", "prepared", "-c", str(SESSIONS), "-j", "1", "-T", str(seconds), *paced, *scripts, url],
            capture_output=True,
            text=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tps = next(line.split()[2] for line in found.stdout.splitlines() if line.startswith("tps"))
    done = next(line.split()[-1] for line in found.stdout.splitlines() if "actually processed" in line).split("/")[0]
    return f"{float(tps):9,.0f}/s   {used / max(1, int(done)) * 1e6:6.1f} µs of the client's CPU a call"


def told(name: str, found: Figures) -> None:
    lag, wait = found.lag_ms, found.latency_ms
    print(
        f"{name:34} {found.ok_per_s:9,.0f}/s   {found.cpu_us:6.1f} µs of the client's CPU a call   "
        f"on time {found.on_time:7.2%}   lag p50 {lag[0]:.2f} p99 {lag[1]:.2f} max {lag[2]:.1f} ms   "
        f"latency p50 {wait[0]:.2f} p99 {wait[1]:.2f} ms"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--seconds", type=int, default=8)
    given = asked.parse_args()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, {given.rows:,} rows, {SESSIONS} sessions, 80 % reads"
    )
    with ENGINE.start(EngineChoice(), ListingJournal()) as server:
        database = server.create("bench")
        loaded(database, given.rows)
        mix = open_mix(WorkloadChoice(calls=CALLS, skew=0.0), database)
        print(f"{urlsplit(database.url(Role.OWNER)).hostname or 'socket'}, PostgreSQL {server.version}")
        told("500 calls/s, 1 process", driven(database, mix, 500, given.seconds, 1))
        told("2,000 calls/s, 1 process", driven(database, mix, 2000, given.seconds, 1))
        told("as many as go, 1 process", driven(database, mix, 12_000, given.seconds, 1))
        told("as many as go, 2 processes", driven(database, mix, 12_000, given.seconds, 2))
        bench = next((one for one in _pgbenches(server) if one.exists()), None)
        if bench is None:
            print("pgbench: not found; Debian's package postgresql has it")
            return
        print(f"{'pgbench, 500 calls/s':34} {pgbench(bench, database, given.rows, given.seconds, 500)}")
        print(f"{'pgbench, as many as go':34} {pgbench(bench, database, given.rows, given.seconds)}")


def _pgbenches(server: object) -> list[Path]:
    own = getattr(getattr(server, "installation", None), "bin", None)
    found = [Path(own) / "pgbench"] if own else []
    return found + sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)


if __name__ == "__main__":
    main()
