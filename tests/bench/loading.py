"""`python -m tests.bench.loading [ROWS]`: the shop made and loaded with so many orders: rows a second, own CPU, memory.

Beside it, in the same run, the limit: the bytes of the orders that were loaded, ready in a file, by one COPY BINARY
into a table without indexes.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from rehearse import datasets
from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from rehearse.recording.journal import ListingJournal

ROOT = Path(__file__).parents[2]
_CHUNK = 1 << 20


def main(rows: int) -> None:
    """Load and print the figures."""
    journal = ListingJournal()
    with ENGINE.start(EngineChoice(), journal) as server, server.loading():
        database = server.create("bench")
        database.run_file(ROOT / "scenarios" / "shop" / "schema.sql")
        profile = profiles.read(ROOT / "data_profiles" / "shop.toml")
        tables = datasets.open_tables(profile, database.structure(), scale=0.01, rows={"orders": rows})
        total = sum(table.rows for table in tables)
        began, cpu = time.monotonic(), time.process_time()
        database.load(tables, journal)
        took = time.monotonic() - began
        used = time.process_time() - cpu
        limit = _limit(database)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"rows                 {total:,}, {rows:,} of them orders")
    print(f"generated and loaded {took:.1f} s, {total / took:,.0f} rows/s, indexes and foreign keys included")
    print(f"own CPU              {used:.1f} s, {total / used:,.0f} rows a core-second")
    print(f"own memory, peak     {peak:.0f} MiB")
    print(f"limit: ready file    {rows / limit:,.0f} orders/s by one COPY BINARY, no indexes")


def _limit(database: PostgresDatabase) -> float:
    """Return the seconds that COPY BINARY of the ready orders takes, generated columns left out."""
    columns = (
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
    )
    with database.connect(Role.OWNER) as connection, tempfile.TemporaryFile() as file:
        listed = connection.execute(columns).fetchone()[0]  # type: ignore[index]
        with connection.cursor() as cursor, cursor.copy(f"COPY orders ({listed}) TO STDOUT (FORMAT binary)") as copy:
            for part in copy:
                file.write(part)
        connection.execute(f"CREATE TABLE bare AS SELECT {listed} FROM orders LIMIT 0")
        file.seek(0)
        began = time.monotonic()
        with connection.cursor() as cursor, cursor.copy(f"COPY bare ({listed}) FROM STDIN (FORMAT binary)") as copy:
            while part := file.read(_CHUNK):
                copy.write(part)
        return time.monotonic() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
