"""How well the traffic's driver does: on time, at most, and for how much CPU, beside pgbench on the same rows.

    python -m tests.bench.driver [--rows 1000000] [--seconds 8] [--sessions 16]

Client and server share this machine, so rates are those of both together: compare within one run only. A machine
that is a guest of another stands still now and then; how often is told beside, since nobody sends anything meanwhile.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg

from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import CallEnded, Outcome
from rehearse.model import CallChoice, EngineChoice, WorkloadChoice
from rehearse.protocols import Role
from rehearse.recording.journal import ListingJournal
from rehearse.units import NS_PER_S
from rehearse.workload.driver import Driver
from rehearse.workload.mix import Mix, open_mix
from rehearse.workload.worker import Out, Records, _Due

WARM_S = 1.0  # of a run, in which sessions prepare what they send: not counted in what is on time
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
    within_2ms: float  # sent by then: the driver turned to it, and a session was free
    turned_2ms: float  # the driver turned to it by then
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


def driven(database: PostgresDatabase, mix: Mix, given: argparse.Namespace, rate: float, workers: int = 1) -> Figures:
    with psycopg.connect(database.url(Role.OWNER), autocommit=True) as connection:
        connection.execute("CHECKPOINT")  # else it may come in the middle of the stretch
    choice = WorkloadChoice(sessions=given.sessions, rate=rate, workers=workers, calls=CALLS, skew=0.0)
    journal = ListingJournal()
    with Driver(mix, database, choice, 1, journal) as driver:
        driver.begin("baseline")
        before, began = driver.cpu_s() or 0.0, time.monotonic()
        time.sleep(given.seconds)
        used, counts = (driver.cpu_s() or 0.0) - before, driver.counts()
        lasted = time.monotonic() - began
        driver.end()
    calls = journal.close().frame(CallEnded)
    calls = calls[calls["at_ns"] >= calls["at_ns"].min() + WARM_S * NS_PER_S]
    lag = (calls["picked_ns"] - calls["at_ns"]).astype("int64") / 1e6
    answered = calls[calls["outcome"] == "ok"]
    wait = (answered["done_ns"] - answered["at_ns"]) / 1e6
    return Figures(
        due=len(calls),
        ok_per_s=counts.ok / lasted,
        on_time=float((lag <= 5).mean()),
        within_2ms=float(((calls["sent_ns"] - calls["at_ns"]).astype("float64") / 1e6 <= 2).mean()),
        turned_2ms=float((lag <= 2).mean()),
        lag_ms=(lag.quantile(0.5), lag.quantile(0.99), lag.max()),
        latency_ms=(wait.quantile(0.5), wait.quantile(0.99)),
        cpu_us=used / max(1, counts.ok) * 1e6,
    )


@dataclass(frozen=True, slots=True)
class Pgbench:
    """What pgbench came to with the same statements; `within_2ms` of a paced run: begun by then."""

    tps: float
    cpu_us: float
    within_2ms: float | None


def pgbench(bench: Path, database: PostgresDatabase, given: argparse.Namespace, rate: float | None = None) -> Pgbench:
    """Run pgbench with the same statements and as many connections, as quick as it goes or paced."""
    url = database.url(Role.OWNER)
    with tempfile.TemporaryDirectory() as folder:
        scripts = []
        for share, sql in ((8, READ), (2, UPDATE)):
            script = Path(folder) / f"{share}.sql"
            script.write_text(f"\\set id random(1, {given.rows})\n{sql};\n")
            scripts += ["-f", f"{script}@{share}"]
        paced = ["-R", str(rate), "-l", f"--log-prefix={folder}/log"] if rate else []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        asked = ["-n", "-M", "prepared", "-c", str(given.sessions), "-j", "1", "-T", str(given.seconds)]
        found = subprocess.run(
            [bench, *asked, *paced, *scripts, url],
            capture_output=True,
            text=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        lines = [line.split() for log in Path(folder).glob("log*") for line in log.read_text().splitlines()]
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tps = next(line.split()[2] for line in found.stdout.splitlines() if line.startswith("tps"))
    done = next(line.split()[-1] for line in found.stdout.splitlines() if "actually processed" in line).split("/")[0]
    ended = [int(line[4]) + int(line[5]) / 1e6 for line in lines]
    warm = min(ended, default=0) + WARM_S
    lags = [float(line[-1]) for line, at in zip(lines, ended, strict=True) if at >= warm]
    within = sum(lag <= 2_000 for lag in lags) / len(lags) if lags else None
    return Pgbench(float(tps), used / max(1, int(done)) * 1e6, within)


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
    asked.add_argument("--sessions", type=int, default=16, help="connections, of the driver and of pgbench")
    asked.add_argument("--turns", type=int, default=5, help="of the run at 70 %% of what it reaches")
    given = asked.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.2f}, {given.rows:,} rows, {given.sessions} sessions, 80 % reads")
    with ENGINE.start(EngineChoice(), ListingJournal()) as server:
        database = server.create("bench")
        loaded(database, given.rows)
        mix = open_mix(WorkloadChoice(calls=CALLS, skew=0.0), database)
        print(f"{urlsplit(database.url(Role.OWNER)).hostname or 'socket'}, PostgreSQL {server.version}")
        told("500 calls/s, 1 process", driven(database, mix, given, 500))
        told("2,000 calls/s, 1 process", driven(database, mix, given, 2000))
        bench = next((one for one in _pgbenches(server) if one.exists()), None)
        most = pgbench(bench, database, given) if bench else Pgbench(40_000.0, 0.0, None)
        rate, cpu = most.tps, most.cpu_us
        print(f"{'pgbench, as many as go':34} {rate:9,.0f}/s   {cpu:6.1f} µs of the client's CPU a call" * bool(bench))
        flat = max(_flat_out(database, mix, given, rate, workers) for workers in (1, 2))
        again = pgbench(bench, database, given).tps if bench else 0.0
        if bench:
            print(f"{'pgbench once more':34} {again:9,.0f}/s")
            print(f"the driver reaches {flat / max(rate, again):.0%} of pgbench's rate (at least 50 %)")
        calm = [_calm(bench, database, mix, 0.7 * flat, given) for _ in range(given.turns)]
    turned, sent = median(one.turned_2ms for one in calm), median(one.within_2ms for one in calm)
    print(f"median of {len(calm)} turns: turned to by then {turned:.2%}, sent {sent:.2%} (at least 99.5 %)")
    print(f"with both cores busy and nothing else, the machine stands still for {_still(given.seconds)}")
    print(f"recording a call takes {_recording_us():.1f} µs (at most 5)")


def _calm(bench: Path | None, database: PostgresDatabase, mix: Mix, rate: float, given: argparse.Namespace) -> Figures:
    """Send calls at a rate that both can keep, and let pgbench do the same."""
    calm = driven(database, mix, given, rate)
    told("70 % of that, 1 process", calm)
    print(f"turned to within 2 ms of due: {calm.turned_2ms:.2%}; sent, with a session free: {calm.within_2ms:.2%}")
    paced = pgbench(bench, database, given, rate) if bench else None
    if paced is not None and paced.within_2ms is not None:
        print(f"pgbench -R at the same rate begins {paced.within_2ms:.2%} within 2 ms of due")
    return calm


_SPIN = """
import sys, time
gaps, last, end = [], time.monotonic_ns(), time.monotonic_ns() + int(sys.argv[1]) * 10**9
while last < end:
    at = time.monotonic_ns()
    if at - last > 2_000_000:
        gaps.append((at - last) / 1e6)
    last = at
print(len(gaps), sum(gaps), max(gaps, default=0.0))
"""


def _still(seconds: int) -> str:
    """Return how long a core did nothing of what it was to do, each busy with a loop that looks at the clock."""
    command = [sys.executable, "-c", _SPIN, str(seconds)]
    loops = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(os.cpu_count() or 1)]
    found = [[float(word) for word in loop.communicate()[0].split()] for loop in loops]
    count, total, most = sum(one[0] for one in found), sum(one[1] for one in found), max(one[2] for one in found)
    share = total / 1e3 / (seconds * len(found))
    return f"more than 2 ms {count:.0f} times, {share:.2%} of the time, {most:.1f} ms at most"


def _flat_out(database: PostgresDatabase, mix: Mix, given: argparse.Namespace, rate: float, workers: int) -> float:
    """Ask for as many calls as pgbench sends, and return how many were answered a second."""
    found = driven(database, mix, given, rate, workers)
    told(f"as many as go, {workers} process{'es' * (workers > 1)}", found)
    return found.ok_per_s


def _recording_us(calls: int = 200_000) -> float:
    """Return what it takes to write down a call, hand-over included, in µs of CPU."""
    with tempfile.TemporaryFile() as file:
        out = Out(file.fileno())
        records, call, session = Records(out), _Due(7, 1, 0, 0.0, []), SimpleNamespace(pid=1)
        answer = SimpleNamespace(outcome=Outcome.OK, code=None, message=None, told=[(1, [])])
        began = time.process_time()
        for _ in range(calls):
            records.ended(call, session, 2, 3, answer)  # type: ignore[arg-type]
        records.hand_over()
        out.close()
        return (time.process_time() - began) / calls * 1e6


def _pgbenches(server: object) -> list[Path]:
    own = getattr(getattr(server, "installation", None), "bin", None)
    found = [Path(own) / "pgbench"] if own else []
    return found + sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)


if __name__ == "__main__":
    main()
