"""`python -m tests.bench.anonymize [ROWS] [PAIRS]`: `rehearse anonymize` of customers against a plain COPY to COPY.

The plain copy sends the bytes of COPY … TO STDOUT, as text, to COPY … FROM STDIN of an empty table of the same form,
without constraints, on the same server; both ways have one reading and one writing stream. Pairs are interleaved.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time

from click.testing import CliRunner

from rehearse.cli.anonymize import command
from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.recording.journal import ListingJournal

_ROWS = """
    CREATE TABLE customers (
        id bigint PRIMARY KEY, email text NOT NULL UNIQUE, first_name text, last_name text, phone text, street text,
        city text, country char(2), birth_date date, status text, balance numeric(12, 2), created_at timestamptz,
        notes text
    );
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
    os.environ["REHEARSE_KEY"] = "0123456789abcdef" * 2
    with ENGINE.start(EngineChoice(), ListingJournal()) as server, server.loading():
        source = server.create("bench_source")
        with source.connect(Role.OWNER) as connection:
            connection.execute(_ROWS.replace("%(rows)s", str(rows)).encode())
        plain, masked, unverified = [], [], []
        for number in range(pairs):
            plain.append(_plain(server, source, f"plain{number}"))
            masked.append(_anonymized(server, source, f"masked{number}"))
            unverified.append(_anonymized(server, source, f"quick{number}", "--no-verify"))
            times = f"anonymize {masked[-1]:.2f} s, unverified {unverified[-1]:.2f} s"
            print(f"pair {number}: plain {plain[-1]:.2f} s, {times}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"rows                {rows:,}")
    print(f"plain COPY          {rows / statistics.median(plain):,.0f} rows/s")
    for name, took in (("anonymize", masked), ("  without verify", unverified)):
        ratio = statistics.median(first / second for first, second in zip(plain, took, strict=True))
        print(f"{name:<19} {rows / statistics.median(took):,.0f} rows/s, {ratio:.2f} of plain (median of pairs)")
    print(f"own memory, peak    {peak:.0f} MiB")


def _plain(server: PostgresServer, source: PostgresDatabase, name: str) -> float:
    target = server.create(name)
    with source.connect(Role.OWNER) as reading, target.connect(Role.OWNER) as writing:
        writing.execute(
            "CREATE TABLE customers (id bigint, email text, first_name text, last_name text, phone text, street text, "
            "city text, country char(2), birth_date date, status text, balance numeric(12, 2), created_at timestamptz, "
            "notes text)"
        )
        began = time.monotonic()
        with (
            reading.cursor() as out,
            writing.cursor() as into,
            out.copy("COPY customers TO STDOUT") as rows,
            into.copy("COPY customers FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write(row)
        took = time.monotonic() - began
    target.drop()
    return took


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
    main(*(int(one) for one in (*sys.argv[1:], *("1000000", "3")[len(sys.argv) - 1 :])))
