"""`python -m tests.bench.anonymize [ROWS] [PAIRS]`: `rehearse anonymize` of customers against a plain COPY to COPY.

The plain way does the same beside the masking: it makes the same table in an empty database of the same server, sends
the bytes of COPY … TO STDOUT, as text, to COPY … FROM STDIN (FREEZE) by one reading and one writing connection of
psycopg, builds the same two unique indexes by two connections, and ends with VACUUM (ANALYZE). `bare` is the time of
its two COPYs alone. Pairs are interleaved, after a run that is not counted, in which Python imports what it needs. A
ratio is the median of the pairs'. CPU is this process's own, servers left out.

`python -m tests.bench.anonymize memory ROWS ROWS`: the peak memory of a process that copies so many rows, and so many.
"""

from __future__ import annotations

import operator
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from click.testing import CliRunner

from rehearse.cli.anonymize import command
from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.recording.journal import ListingJournal

_TABLE = """
    CREATE TABLE customers (
        id bigint NOT NULL, email text NOT NULL, first_name text, last_name text, phone text, street text,
        city text, country char(2), birth_date date, status text, balance numeric(12, 2), created_at timestamptz,
        notes text
    );
"""
_INDEXES = ("CREATE UNIQUE INDEX ON customers (id)", "CREATE UNIQUE INDEX ON customers (email)")
_ROWS = """
    INSERT INTO customers
    SELECT n, 'user' || n || '@company' || n % 5000 || '.example',
        (ARRAY['Anna', 'John', 'Maria', 'Peter', 'Zenobia'])[1 + n % 5],
        (ARRAY['Smith', 'Jones', 'Miller', 'Garcia', 'Plantedsson', 'Xu'])[1 + n % 6],
        '+49 30 ' || 10000000 + n * 7919 % 89999999, 1 + n % 300 || ' Long Lane', (ARRAY['Berlin', 'Paris'])[1 + n % 2],
        'DE', date '1950-01-01' + (n % 18000)::int, (ARRAY['active', 'closed', 'new'])[1 + n % 3], n % 100000 / 7.0,
        timestamptz '2020-01-01' + n * interval '1 minute',
        CASE WHEN n % 3 = 0 THEN 'called about order ' || n || ', wants a refund' END
    FROM generate_series(1, %(rows)s::bigint) n;
    ANALYZE;
"""


def main(rows: int, pairs: int) -> None:
    """Run the pairs and print the rates."""
    bare, plain, copies = [], [], {"anonymize": [], "  --verify full": [], "  --no-verify": []}
    cpu = dict.fromkeys(copies, 0.0)
    with _source(rows) as (server, source):
        _anonymized(server, source, "first", "--no-verify")
        for number in range(pairs):
            copied, whole = _plain(server, source, f"plain{number}")
            bare.append(copied)
            plain.append(whole)
            for name, took in copies.items():
                began = time.process_time()
                took.append(_anonymized(server, source, f"masked{number}", *name.split()[name == "anonymize" :]))
                cpu[name] += time.process_time() - began
            times = ", ".join(f"{name.strip()} {took[-1]:.2f} s" for name, took in copies.items())
            print(f"pair {number}: bare {copied:.2f} s, plain {whole:.2f} s, {times}", flush=True)
    print(f"rows                {rows:,}")
    print(f"bare COPY           {rows / statistics.median(bare):,.0f} rows/s")
    print(f"plain copy          {rows / statistics.median(plain):,.0f} rows/s")
    for name, took in copies.items():
        first, second = (statistics.median(map(operator.truediv, one, took)) for one in (plain, bare))
        rate = f"{rows / statistics.median(took):,.0f} rows/s, {first:.2f} of plain, {second:.2f} of bare"
        print(f"{name:<19} {rate}, {cpu[name] / rows / pairs * 1e6:.1f} µs of CPU a row")


def memory(*sizes: int) -> None:
    """Print the peak memory of a process that copies so many rows, each number in a process of its own."""
    for rows in sizes:
        subprocess.run([sys.executable, "-m", "tests.bench.anonymize", "peak", str(rows)], check=True)


def peak(rows: int) -> None:
    """Copy so many rows and print this process's peak memory."""
    with _source(rows) as (server, source):
        took = _anonymized(server, source, "masked")
    print(
        f"{rows:>12,} rows in {took:.1f} s: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most"
    )


@contextmanager
def _source(rows: int) -> Iterator[tuple[PostgresServer, PostgresDatabase]]:
    os.environ["REHEARSE_KEY"] = "0123456789abcdef" * 2
    with ENGINE.start(EngineChoice(), ListingJournal()) as server, server.loading():
        source = server.create("bench_source")
        with source.connect(Role.OWNER) as connection:
            connection.execute(_TABLE.encode())
            connection.execute(_ROWS.replace("%(rows)s", str(rows)).encode())
            for index in _INDEXES:
                connection.execute(index.encode())
        yield server, source


def _plain(server: PostgresServer, source: PostgresDatabase, name: str) -> tuple[float, float]:
    """Return the seconds of both COPYs, and of everything."""
    target = server.create(name)
    began = time.monotonic()
    with source.connect(Role.OWNER) as reading, target.connect(Role.OWNER) as writing, writing.transaction():
        writing.execute(_TABLE.encode())
        copying = time.monotonic()
        with (
            reading.cursor() as out,
            writing.cursor() as into,
            out.copy("COPY customers TO STDOUT") as rows,
            into.copy("COPY customers FROM STDIN (FREEZE)") as copy,
        ):
            for row in rows:
                copy.write(row)
        copied = time.monotonic() - copying
    with ThreadPoolExecutor(len(_INDEXES)) as threads:
        list(threads.map(lambda index: _executed(target, index), _INDEXES))
    _executed(target, "VACUUM (ANALYZE) customers")
    took = time.monotonic() - began
    target.drop()
    return copied, took


def _executed(target: PostgresDatabase, statement: str) -> None:
    with target.connect(Role.OWNER, options="-c maintenance_work_mem=256MB") as connection:
        connection.execute(statement.encode())


def _anonymized(server: PostgresServer, source: PostgresDatabase, name: str, *more: str) -> float:
    target = server.create(name)
    call = [source.url(Role.OWNER), "--into", target.url(Role.OWNER), "--json", *more]
    began = time.monotonic()
    result = CliRunner().invoke(command, call, standalone_mode=False)
    took = time.monotonic() - began
    if result.exception or result.return_value:
        raise RuntimeError(result.output) from result.exception
    target.drop()
    return took


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["memory", *sizes]:
            memory(*map(int, sizes))
        case ["peak", rows]:
            peak(int(rows))
        case given:
            main(*(int(one) for one in (*given, *("1000000", "3")[len(given) :])))
