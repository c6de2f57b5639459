"""How quick a server is, read-only and in seconds: arithmetic, a sort in memory, and reading its largest table."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from rehearse.engines._trying import calibration, speed, tried
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.roles import Connection
from rehearse.engines.postgres.structure import Connects
from rehearse.errors import ServerFailed
from rehearse.model import Calibration, Speed

_OPTIONS = (
    "-c default_transaction_read_only=on -c statement_timeout=3000 -c lock_timeout=100 -c work_mem=64MB -c jit=off "
    "-c max_parallel_workers_per_gather=0 -c application_name=rehearse-calibrate"
)
_CPU = "SELECT count(*) FROM generate_series(1, {}) AS n WHERE hashtextextended(md5(n::text), n) = 0"
_SORT = """
    SELECT count(*) FROM (SELECT md5(n::text) AS word FROM generate_series(1, {}) AS n ORDER BY word OFFSET 0) AS sorted
"""
# What statistics say is large and the user may read; milliseconds.
_LARGEST = """
    SELECT n.nspname, c.relname, c.relpages
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND c.relpages >= {} AND NOT c.relrowsecurity
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_table_privilege(c.oid, 'SELECT')
     ORDER BY c.relpages DESC LIMIT 1
"""
_BLOCKS = """
    EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)
    SELECT count(*) FROM {} WHERE ctid >= {}::tid AND ctid < {}::tid
"""
_PAGE = 8192
_AT_ONCE = 1024  # pages of one look: 8 MB
_LEAST_PAGES = 512
_READ_S = 2.0
_LOOKS = 24


_TABLE = "CREATE TABLE calibration AS SELECT n, repeat(md5(n::text), 8) AS words FROM generate_series(1, 300000) AS n"


def fill(database: PostgresDatabase) -> None:
    """Make a table of 90 MB in an empty database of ours, for reading."""
    database.refuse_unless_ours()
    with database.connect() as connection:
        connection.execute(_TABLE)
        connection.execute("VACUUM ANALYZE calibration")


def measured(database: Connects) -> Calibration:
    """Return the speeds of a server; at most some ten seconds, nothing is written, no statement takes over 3 s."""
    try:
        with database.connect(options=_OPTIONS) as connection:
            return calibration("postgres", _Asking(connection))
    except psycopg.Error as error:
        raise ServerFailed(f"the server could not be measured: {str(error).strip()}") from error


@dataclass(slots=True)
class _Asking:
    """A connection, what was asked on it, and what could not be."""

    connection: Connection
    asked: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(
        default_factory=lambda: ["writes, commits and the log: nothing is written to a server that is measured"]
    )

    def rows(self, query: str | sql.Composed) -> list[tuple[Any, ...]]:
        text = query if isinstance(query, str) else query.as_string(self.connection)
        self.asked.append(" ".join(text.split()))
        return self.connection.execute(text).fetchall()

    def server(self) -> str:
        return str(self.rows("SELECT version()")[0][0])

    def cpu(self) -> Speed:
        says = "hashes of generated rows, on one core"
        return tried("cpu", "rows", says, lambda n: self.rows(_CPU.format(n)), least=20_000, most=1_000_000)

    def sort(self) -> Speed:
        says = "a sort of generated texts in 64 MB of memory, on one core"
        return tried("sort", "rows", says, lambda n: self.rows(_SORT.format(n)), least=10_000, most=400_000)

    def read(self) -> list[Speed]:
        """Return the speed of reading the largest table, a few megabytes at a time, from all over it."""
        if self.connection.info.server_version < 140000:
            self.unmeasured.append("reading: a server before version 14 cannot read a part of a table by its place")
            return []
        found = self.rows(sql.SQL(_LARGEST).format(_LEAST_PAGES))
        if not found:
            self.unmeasured.append("reading: there is no table of 4 MB or more that this user may read")
            return []
        schema, table, pages = found[0]
        starts = list(range(0, max(pages - _AT_ONCE, 0) + 1, _AT_ONCE))
        random.Random(1).shuffle(starts)
        rates, stored, asked, until = list[float](), 0, 0, time.monotonic() + _READ_S
        for start in starts[:_LOOKS]:
            took_s, hit, read = self._pages(schema, table, start)
            if hit + read:
                rates.append((hit + read) * _PAGE / took_s)
            stored, asked = stored + read, asked + hit + read
            if time.monotonic() > until:
                break
        if not rates:
            self.unmeasured.append(f"reading: the largest table, {schema}.{table}, has no rows to read")
            return []
        says = (
            f"rows of {schema}.{table} counted, {100 * (1 - stored / asked):.0f} % of its pages in the server's cache"
        )
        return [speed("read", "bytes", says, rates)]

    def _pages(self, schema: str, table: str, start: int) -> tuple[float, int, int]:
        query = sql.SQL(_BLOCKS).format(
            sql.Identifier(schema, table), sql.Literal(f"({start},0)"), sql.Literal(f"({start + _AT_ONCE},0)")
        )
        ((plan,),) = self.rows(query)
        told = (json.loads(plan) if isinstance(plan, str) else plan)[0]
        top = told["Plan"]
        return told["Execution Time"] / 1000.0, top["Shared Hit Blocks"], top["Shared Read Blocks"]
