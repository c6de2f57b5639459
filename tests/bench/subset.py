"""`python -m tests.bench.subset [ROWS] [SHARE]`: the time and memory to choose a share of four tables' rows.

Half of ROWS are items of orders, the others orders, customers and products; keys are whole numbers, or with a third
word, `uuid`, uuids. What is printed is the time until all rows are chosen, before any is copied, the CPU seconds of
this process and of the server's, and this process' peak memory, to which its own 130 MB or so belong.
"""

from __future__ import annotations

import resource
import sys
import time

import psutil

from rehearse.cli import subset
from rehearse.engines._machine import server_cpu
from rehearse.engines.postgres import ENGINE, copying
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.recording.journal import ListingJournal

_ROWS = """
    CREATE FUNCTION k(n bigint) RETURNS %(type)s LANGUAGE sql IMMUTABLE AS $$SELECT %(key)s$$;
    CREATE TABLE customers (id %(type)s PRIMARY KEY, name text, notes text);
    CREATE TABLE products (id %(type)s PRIMARY KEY, title text, price numeric);
    CREATE TABLE orders (id %(type)s PRIMARY KEY, customer_id %(type)s NOT NULL, placed_at timestamptz, note text);
    CREATE TABLE items (id bigint PRIMARY KEY, order_id %(type)s NOT NULL, product_id %(type)s NOT NULL, quantity int);
    INSERT INTO customers SELECT k(n), 'Anna ' || n, repeat('x', 60) FROM generate_series(1, %(rows)s / 10) n;
    INSERT INTO products SELECT k(n), 'Lamp ' || n, n FROM generate_series(1, %(rows)s / 20) n;
    INSERT INTO orders SELECT k(n), k(1 + floor(random() * (%(rows)s / 10))::bigint), now(), repeat('y', 40)
        FROM generate_series(1, %(rows)s * 7 / 20) n;
    INSERT INTO items SELECT n, k(1 + floor(random() * (%(rows)s * 7 / 20))::bigint),
        k(1 + floor(random() * (%(rows)s / 20))::bigint), n % 5 FROM generate_series(1, %(rows)s / 2) n;
    ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
    ALTER TABLE items ADD FOREIGN KEY (order_id) REFERENCES orders, ADD FOREIGN KEY (product_id) REFERENCES products;
    CREATE INDEX ON orders (customer_id);
    CREATE INDEX ON items (order_id);
    ANALYZE;
"""


def main(rows: int, share: str, kind: str) -> None:
    """Choose once, and print what it took."""
    words = {"rows": str(rows), "type": kind, "key": "md5(n::text)::uuid" if kind == "uuid" else "n"}
    statements = _ROWS
    for name, word in words.items():
        statements = statements.replace(f"%({name})s", word)
    with ENGINE.start(EngineChoice(), ListingJournal()) as server, server.loading():
        source = server.create("bench_subset")
        with source.connect(Role.OWNER) as connection:
            connection.execute(statements.encode())
            found = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert found
            postmaster = psutil.Process(found[0]).parent()
        assert postmaster
        before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        wanted = subset.asked([], [f"customers={share}"], "all")
        assert wanted
        sys.setswitchinterval(0.0002)  # as anonymize has it
        with copying.opened(source.url(Role.OWNER), "URL") as opened:
            started, server_s, own_s = time.monotonic(), sum(server_cpu(postmaster)), time.process_time()
            part, sizes = subset.chosen(opened, wanted, 0, quiet=True)
            took_s, cpu_s = time.monotonic() - started, time.process_time() - own_s
            server_s = sum(server_cpu(postmaster)) - server_s
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            started = time.monotonic()
            copied = sum(
                len(batch) for name in part.rows for batch in copying.Copied(part, name, lambda _, one: one).chunks()
            )
            read_s, started = time.monotonic() - started, time.monotonic()
            whole = sum(
                len(batch) for name in part.rows for batch in copying.Copied(opened, name, lambda _, one: one).chunks()
            )
            whole_s = time.monotonic() - started
        for one in sizes:
            print(f"{one.table:10} {one.rows:>12,} of {one.of_rows:>12,}")
        print(f"{sum(one.rows for one in sizes):,} rows chosen of {sum(one.of_rows for one in sizes):,}")
        print(f"{took_s:.1f} s; CPU {cpu_s:.1f} s here, {server_s:.1f} s the server's")
        print(f"peak {peak_mb:.0f} MB, {before_mb:.0f} MB of it before")
        print(f"{copied:,} rows then read in {read_s:.1f} s; all {whole:,} in {whole_s:.1f} s")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000,
        sys.argv[2] if len(sys.argv) > 2 else "18%",
        sys.argv[3] if len(sys.argv) > 3 else "bigint",
    )
