"""`python -m tests.bench.diff [ROWS]`: how long `rehearse diff` takes beside the server's cheapest read of the columns.

A wide table of 14 columns (5 million rows of 313 bytes unless told otherwise) is copied to a second database, which
then differs from the first in 0, 1, 100 and 100,000 rows. The whole command is timed, its start and its localising of
rows and columns included, and its peak memory is told.

Beside it stand two reads of the same columns on the server, each of both databases side by side, as the command reads
them. `SELECT count(c1), …, count(cn)` looks whether each value is there and at no value: the least that a scan can do.
`COPY … TO '/dev/null' (FORMAT binary)` is the cheapest that reads every value, as any comparison must.

--keys uuid takes keys that are no whole numbers; --narrow a table of 4 columns (for memory at many rows); --reladiff
PATH times that program on the same pair, for at most --patience seconds a run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.recording.journal import ListingJournal

WIDE = {
    "customer": ("int", "g % 100000"),
    "status": ("text", "(array['new', 'paid', 'sent'])[1 + g % 3]"),
    "total": ("numeric(12, 2)", "(g % 100000) / 7.0"),
    "at": ("timestamptz", "'2024-01-01Z'::timestamptz + g * interval '1 s'"),
    "day": ("date", "'2024-01-01'::date + (g % 1000)::int"),
    "flag": ("bool", "g % 2 = 0"),
    "score": ("float8", "sqrt(g)"),
    "token": ("uuid", "md5(g::text)::uuid"),
    "note": ("text", "'note ' || g"),
    "doc": ("jsonb", "jsonb_build_object('a', g, 'b', md5(g::text))"),
    "tags": ("text[]", "array['x', 'y' || g % 10]"),
    "code": ("char(8)", "'c' || g % 1000"),
    "body": ("text", "repeat(md5(g::text), 3)"),
}
NARROW = {name: WIDE[name] for name in ("customer", "note", "total")}
KEYS = {"bigint": "g", "uuid": "md5('k' || g)::uuid"}
DIFFERENCES = (0, 1, 100, 100_000)


@dataclass(frozen=True, slots=True)
class Run:
    """A program's run: seconds until it ended, its own CPU seconds, its peak memory in MiB, and its exit code."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


def ran(words: Sequence[str], patience_s: float) -> Run | None:
    """Run a program to its end; None where it took longer than we waited."""
    began = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - began > patience_s:
                process.kill()
                os.wait4(process.pid, 0)
                return None
            time.sleep(0.005)
    finally:
        process.returncode = 0  # it was waited for
    cpu = used.ru_utime + used.ru_stime
    return Run(time.monotonic() - began, cpu, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))


def filled(database: PostgresDatabase, rows: int, columns: dict[str, tuple[str, str]], key: str) -> None:
    listed = ", ".join(f"{name} {kind}" for name, (kind, _) in columns.items())
    values = ", ".join(value for _, value in columns.values())
    with database.connect(Role.OWNER) as connection:
        connection.execute(f"CREATE TABLE wide (id {key}, {listed})".encode())
        connection.execute(
            f"INSERT INTO wide SELECT {KEYS[key]}, {values} FROM generate_series(1, {rows}::bigint) g".encode()
        )
        connection.execute("ALTER TABLE wide ADD PRIMARY KEY (id)")
        connection.execute("VACUUM (ANALYZE, FREEZE) wide")
        connection.execute("CHECKPOINT")


def changed(database: PostgresDatabase, rows: int, count: int) -> None:
    """Make so many rows differ, far from each other, in one column or in another."""
    if not count:
        return
    with database.connect(Role.OWNER) as connection:
        connection.execute(
            f"UPDATE wide SET note = CASE WHEN customer % 2 = 0 THEN note || '!' ELSE note END,"
            f" total = CASE WHEN customer % 2 = 1 THEN total + 0.01 ELSE total END"
            f" WHERE id IN (SELECT id FROM wide ORDER BY hashtext(id::text) LIMIT {count})".encode()
        )
        connection.execute("VACUUM (ANALYZE, FREEZE) wide")


def read(database: PostgresDatabase, query: bytes) -> None:
    with database.connect(Role.OWNER) as connection:
        connection.execute(query)


def timed(deed: Callable[[], object], times: int = 3) -> float:
    """Return the median of the seconds that a deed took."""
    found = []
    for _ in range(times):
        began = time.monotonic()
        deed()
        found.append(time.monotonic() - began)
    return statistics.median(found)


@contextmanager
def pair(rows: int, columns: dict[str, tuple[str, str]], key: str) -> Iterator[tuple[PostgresDatabase, ...]]:
    choice = EngineChoice(settings={"shared_buffers": "2GB"})
    with ENGINE.start(choice, ListingJournal()) as server:
        first = server.create("first")
        with server.loading():
            filled(first, rows, columns, key)
        yield first, first.fork("second")


def told(name: str, seconds: float, *, beside: Sequence[float], rest: str = "") -> None:
    ratios = "   ".join(f"x{seconds / one:5.2f}" for one in beside)
    print(f"{name:44} {seconds:7.2f} s   {ratios}   {rest}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("rows", nargs="?", type=int, default=5_000_000)
    asked.add_argument("--keys", choices=KEYS, default="bigint")
    asked.add_argument("--narrow", action="store_true")
    asked.add_argument("--reladiff", metavar="PATH")
    asked.add_argument("--patience", type=float, default=300)
    asked.add_argument("--differences", type=int, nargs="*", default=DIFFERENCES)
    given = asked.parse_args()
    columns = NARROW if given.narrow else WIDE
    counts = ", ".join(f"count({name})" for name in ("id", *columns))
    query = f"SELECT {counts} FROM wide".encode()
    listed = ", ".join(("id", *columns))
    copy = f"COPY (SELECT {listed} FROM wide) TO '/dev/null' (FORMAT binary)".encode()
    with pair(given.rows, columns, given.keys) as (first, second), ThreadPoolExecutor(2) as both:

        def abreast(asked: bytes) -> float:
            return timed(lambda: list(both.map(read, (first, second), (asked, asked))))

        counted, again, copied = abreast(query), abreast(query), abreast(copy)
        print(
            f"{given.rows:,} rows, {len(columns) + 1} columns, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
            "times beside count, and beside COPY"
        )
        told("SELECT count(c1), …, count(cn)", counted, beside=(counted, copied))
        told("the same once more (A/A)", again, beside=(counted, copied))
        told("COPY (SELECT c1, …, cn) TO '/dev/null' binary", copied, beside=(counted, copied))
        urls = [one.url(Role.OWNER) for one in (first, second)]
        equal: float | None = None
        for count in given.differences:
            changed(second, given.rows, count)
            own = ran([sys.executable, "-m", "rehearse", "diff", *urls, "--data-only", "-q"], given.patience)
            assert own, "rehearse diff did not end in time"
            assert own.code == int(count > 0), f"exit code {own.code}"
            equal = own.wall_s if count == 0 else equal
            rest = f"own CPU {own.cpu_s:.1f} s, {own.peak_mb:.0f} MiB"
            rest += f"; localising x{own.wall_s / equal:.2f} of no difference" if equal and count else ""
            told(f"rehearse diff, {count:,} rows differ", own.wall_s, beside=(counted, copied), rest=rest)
            if given.reladiff:
                _beside(given, urls, columns, own)


def _beside(given: argparse.Namespace, urls: Sequence[str], columns: Sequence[str], own: Run) -> None:
    """Time reladiff on the same pair."""
    names = [word for name in columns for word in ("-c", name)]
    words = [given.reladiff, urls[0], "wide", urls[1], "wide", "-k", "id", *names, "--algorithm", "hashdiff", "--stats"]
    other = ran(words, given.patience)
    if other is None:
        print(f"    reladiff had not ended after {given.patience:.0f} s, more than x{given.patience / own.wall_s:.1f}")
    else:
        print(f"    reladiff {other.wall_s:.2f} s: x{other.wall_s / own.wall_s:.1f} of ours, exit code {other.code}")


if __name__ == "__main__":
    main()
