"""How fast rows are made and loaded on MariaDB or MySQL: against LOAD DATA of a ready file of the same rows.

    python -m tests.bench.loading_mysql [ROWS] [--engine mariadb|mysql] [--turns N]

The table and the rows are those of `tests.bench.loading`, with a key. The limit is LOAD DATA LOCAL of a ready file into
the emptied table, with checks off and in the settings in which a rehearsal loads; it takes turns with us, and is taken
twice, so that the ratio of the two tells how far a ratio is noise. What we need includes the proof of foreign keys and
ANALYZE. Exits 1 where we are slower than 0.8 of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rehearse import datasets, registry
from rehearse.datasets import GeneratedTable
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.load import as_lines
from rehearse.model import EngineChoice
from rehearse.reading import profile as profiles
from rehearse.recording.journal import ListingJournal
from tests.bench.loading import PROFILE

SCHEMA = """
    CREATE TABLE customers (id bigint PRIMARY KEY);
    CREATE TABLE orders (
        id bigint PRIMARY KEY, customer_id bigint NOT NULL, placed_at datetime(6) NOT NULL,
        total decimal(12, 2) NOT NULL, status varchar(20) NOT NULL, note text, gift tinyint(1), extra json NOT NULL
    )
"""
TYPES = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = database()"
LIMIT = 0.8


@contextmanager
def opened(engine: str, count: int) -> Iterator[tuple[MysqlDatabase, GeneratedTable]]:
    """Start a server with the empty table, in the settings in which a rehearsal loads."""
    choice = EngineChoice(name=engine, via="binary", settings={"innodb_buffer_pool_size": "1G"})
    with registry.engine(engine).start(choice, ListingJournal()) as server, server.loading():
        database = server.create("bench")
        assert isinstance(database, MysqlDatabase)
        with database.connect() as connection:
            for statement in SCHEMA.split(";"):
                execute(connection, statement)
        tables = datasets.open_tables(profiles.parse(PROFILE), database.structure(), rows={"orders": count})
        yield database, next(table for table in tables if table.table == "orders")


def ready(database: MysqlDatabase, table: GeneratedTable, path: Path) -> Callable[[], None]:
    """Write the table's rows to a file, and return what loads it."""
    with database.connect() as connection:
        types = {str(name): str(kind) for name, kind in rows(connection, TYPES)}
    with path.open("wb") as out:
        for chunk in table.chunks():
            out.write(as_lines(chunk, types))
    names = ", ".join(table.chunk(0).schema.names)

    def load() -> None:
        with database.connect() as connection:
            execute(connection, "SET foreign_key_checks = 0, unique_checks = 0")
            execute(connection, "TRUNCATE TABLE orders")
            execute(connection, f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE orders CHARACTER SET utf8mb4 ({names})")

    return load


def main() -> int:
    """Take turns, and print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=["mariadb", "mysql"], default="mariadb")
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    with opened(asked.engine, asked.rows) as (database, table), tempfile.TemporaryDirectory() as folder:
        file = ready(database, table, Path(folder) / "orders.tsv")
        ways = {"ready file": file, "ours": lambda: database.load([table], ListingJournal()), "ready file again": file}
        took: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(asked.turns):
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                began = time.monotonic()
                ways[name]()
                took[name].append(time.monotonic() - began)
                print(f"  {name:17} {took[name][-1]:6.2f} s", flush=True)
    shares = [limit / ours for limit, ours in zip(took["ready file"], took["ours"], strict=True)]
    control = [one / other for one, other in zip(took["ready file"], took["ready file again"], strict=True)]
    print(
        f"{asked.engine}, {asked.rows:,} rows: {median(shares):.2f} of LOAD DATA of a ready file (limit {LIMIT}; "
        f"that to itself {median(control):.2f}), {asked.rows / median(took['ours']):,.0f} rows a second"
    )
    return int(median(shares) < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
