"""How quick a server is, read-only and in seconds: arithmetic, a sort in memory, and reading its largest table."""

from __future__ import annotations

from dataclasses import dataclass, field

import pymysql

from rehearse.engines._trying import calibration, tried
from rehearse.engines.mysql.client import Connection, Row, execute, is_mariadb, named, rows, words
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.statistics import Connects
from rehearse.errors import ServerFailed
from rehearse.model import Calibration, Speed

_LIMITS = {
    True: "SET SESSION max_statement_time = 3, lock_wait_timeout = 1, max_recursive_iterations = 1000000",
    False: "SET SESSION max_execution_time = 3000, lock_wait_timeout = 1, cte_max_recursion_depth = 1000000",
}
_READ_ONLY = "SET SESSION TRANSACTION READ ONLY"
_CPU = "SELECT BENCHMARK({}, SHA2('rehearse', 256))"
_SORT = """
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {})
    SELECT MAX(place) FROM (SELECT ROW_NUMBER() OVER (ORDER BY SHA2(n, 256)) AS place FROM n) sorted
"""
# Sizes and rows as the statistics have them; milliseconds.
_LARGEST = """
    SELECT table_name, table_rows, data_length FROM information_schema.tables
    WHERE table_schema = database() AND table_type = 'BASE TABLE' AND engine = 'InnoDB' AND data_length >= %s
    ORDER BY data_length DESC LIMIT 1
"""
_KEY = """
    SELECT 1 FROM information_schema.statistics
    WHERE table_schema = database() AND table_name = %s AND index_name = 'PRIMARY'
"""
_READ = "SELECT COUNT(*) FROM (SELECT 1 FROM {} FORCE INDEX (PRIMARY) LIMIT {}) some"
_LEAST_BYTES = 4 << 20


_TABLE = "CREATE TABLE calibration (n int PRIMARY KEY, words varchar(300))"
_FILL = """
    INSERT INTO calibration
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200000)
    SELECT n, REPEAT(SHA2(n, 256), 4) FROM n
"""


def fill(database: MysqlDatabase) -> None:
    """Make a table of 60 MB in an empty database of ours, for reading."""
    database.refuse_unless_ours()
    with database.connect() as connection:
        execute(connection, _LIMITS[is_mariadb(connection)].replace("time = 3,", "time = 0,").replace("3000,", "0,"))
        for query in (_TABLE, _FILL, "ANALYZE TABLE calibration"):
            execute(connection, query)


def measured(database: Connects) -> Calibration:
    """Return the speeds of a server; at most some ten seconds, nothing is written, no statement takes over 3 s."""
    try:
        with database.connect() as connection:
            asking = _Asking(connection)
            asking.execute(_LIMITS[is_mariadb(connection)])
            asking.execute(_READ_ONLY)
            return calibration("mysql", asking)
    except pymysql.err.MySQLError as error:
        raise ServerFailed(f"the server could not be measured: {words(error)}") from error


@dataclass(slots=True)
class _Asking:
    """A connection, what was asked on it, and what could not be."""

    connection: Connection
    asked: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(
        default_factory=lambda: ["writes, commits and the logs: nothing is written to a server that is measured"]
    )

    def execute(self, query: str) -> None:
        self.asked.append(query)
        execute(self.connection, query)

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[Row]:
        text = query % tuple(self.connection.escape(one) for one in values) if values else query
        self.asked.append(" ".join(text.split()))
        return list(rows(self.connection, text))

    def server(self) -> str:
        return str(self.rows("SELECT CONCAT(VERSION(), ' on ', @@version_compile_machine)")[0][0])

    def cpu(self) -> Speed:
        says = "hashes of a text, on one core"
        return tried("cpu", "rows", says, lambda n: self.rows(_CPU.format(n)), least=100_000, most=20_000_000)

    def sort(self) -> Speed:
        says = "generated texts put in order, on one core"
        return tried("sort", "rows", says, lambda n: self.rows(_SORT.format(n)), least=5_000, most=200_000)

    def read(self) -> list[Speed]:
        """Return the speed of reading the largest table from its beginning, in the order of its key."""
        found = self.rows(_LARGEST, (_LEAST_BYTES,))
        if not found or not found[0][1]:
            self.unmeasured.append("reading: there is no table of 4 MB or more in this database")
            return []
        table, count, size = str(found[0][0]), int(found[0][1]), int(found[0][2])
        if not self.rows(_KEY, (table,)):
            self.unmeasured.append(f"reading: the largest table, {table}, has no primary key")
            return []
        width = size / count
        one = tried(
            "read",
            "bytes",
            f"rows of {table} counted in the order of its key; all but the first time they were in the server's cache",
            lambda size: self.rows(_READ.format(named(table), max(1, round(size / width)))),
            least=min(_LEAST_BYTES, size),
            most=size,
        )
        return [one]
