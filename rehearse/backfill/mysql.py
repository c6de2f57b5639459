"""MySQL 8 and MariaDB 10.6, and newer: keys of whole numbers, decimals, texts, bytes, dates and UUIDs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from math import ceil

from rehearse.backfill._mysql_reading import read
from rehearse.backfill.keys import UniqueKey, chosen
from rehearse.backfill.seams import Key, KeyColumn, Rows, Session, Target
from rehearse.backfill.statement import Reading
from rehearse.errors import Mistake

# Waits for a lock, deadlocks, a row that changed under a snapshot, statements that were cut for their length.
_AGAIN = ("1205", "1213", "1020", "1969", "3024", "1317")

_WHOLE = ("tinyint", "smallint", "mediumint", "int", "bigint")
_PLAIN = (*_WHOLE, "decimal", "year")
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_OTHERS = ("date", "datetime", "time", "uuid", "inet4", "inet6")

_SAFE = re.compile(r"[\w .,:;+\-*/=<>()\[\]{}@#!?&|^~$%\"]*", re.ASCII)

# The catalogs alone are read; below 10 ms, on MySQL with thousands of tables below 100 ms.
_TABLE = """
    SELECT table_schema, table_name, table_type, engine, table_rows
    FROM information_schema.tables
    WHERE table_schema = {schema} AND table_name = {name}
"""
_KEYS = """
    SELECT s.index_name, s.index_name = 'PRIMARY', c.column_name, c.data_type, NULL,
           coalesce(c.is_nullable = 'NO', 0), s.sub_part IS NULL, c.character_set_name,
           c.collation_name
    FROM information_schema.statistics s
    LEFT JOIN information_schema.columns c
      ON c.table_schema = s.table_schema AND c.table_name = s.table_name AND c.column_name = s.column_name
    WHERE s.table_schema = {schema} AND s.table_name = {name} AND s.non_unique = 0
    ORDER BY s.index_name = 'PRIMARY' DESC, s.index_name, s.seq_in_index
"""
_TRIGGERS = """
    SELECT trigger_name FROM information_schema.triggers
    WHERE event_object_schema = {schema} AND event_object_table = {name} AND event_manipulation = '{event}'
    ORDER BY 1
"""
_STATES = """
    CREATE TABLE IF NOT EXISTS {name} (
        task varchar(16) NOT NULL, range_no int NOT NULL, statement longtext NOT NULL,
        after_key longtext, upto_key longtext, done_key longtext,
        rows_done bigint NOT NULL, keys_done bigint NOT NULL, batches_done bigint NOT NULL, is_done int NOT NULL,
        PRIMARY KEY (task, range_no)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
"""
_VERSION = "SELECT version() LIKE '%MariaDB%', @@log_bin AND @@session.binlog_format = 'STATEMENT'"


@dataclass(frozen=True, slots=True)
class Mysql:
    """How MySQL or MariaDB is spoken to.

    Batches are read committed, so that no gap is locked where others would insert; where the binary log holds
    statements the server refuses that, and gaps are locked.
    """

    is_mariadb: bool
    logs_statements: bool

    name = "mysql"
    no_such_table = "1146"

    def read(self, statement: str, /) -> Reading:
        """Return the statement taken apart."""
        return read(statement)

    def target(self, session: Session, reading: Reading, wanted: Sequence[str], /) -> Target:
        """Return the table and its key."""
        place = self._place(reading.table)
        words = self.named(*reading.table)
        found = session.ask(_TABLE.format(**place))
        if not found or found[0][2] not in ("BASE TABLE", "SYSTEM VERSIONED"):
            raise Mistake(f"there is no table {words} in this database")
        schema, name, _, engine, rows = found[0]
        if str(engine).lower() != "innodb":
            raise Mistake(f"table {words} is kept by {engine}, which has no transactions: a batch could be half done")
        key = chosen(_keys(session.ask(_KEYS.format(**place))), wanted, words)
        _check(key, words)
        event = "INSERT" if reading.kind == "insert" else "UPDATE"
        triggers = session.ask(_TRIGGERS.format(**self._place(reading.target or reading.table), event=event))
        return Target(
            schema=str(schema),
            name=str(name),
            key=key.columns,
            index=key.index,
            rows=None if rows is None else int(rows),
            triggers=tuple(str(one) for (one,) in triggers),
        )

    def _place(self, names: Sequence[str]) -> dict[str, str]:
        *schema, name = names
        return {"schema": self.quoted(schema[0]) if schema else "database()", "name": self.quoted(name)}

    def named(self, *names: str) -> str:
        """Return a name in backticks."""
        return ".".join("`" + one.replace("`", "``") + "`" for one in names)

    def quoted(self, text: str, /) -> str:
        """Return a literal that means the same whatever the SQL mode says; a column's collation is before its own."""
        return f"'{text}'" if _SAFE.fullmatch(text) else f"_utf8mb4 0x{text.encode().hex()}"

    def selected(self, target: Target, alias: str, /) -> str:
        """Return what selects a key as text; bytes as hexadecimal digits."""
        return ", ".join(_as_text(one, f"{self.named(alias, one.name)}") for one in target.key)

    def bounds(self, target: Target, alias: str | None, after: Key | None, upto: Key | None, /) -> str:
        """Return comparisons column by column: these servers do not look up rows of values in an index."""
        places = [self.named(*filter(None, (alias, one.name))) for one in target.key]
        terms = [
            _compared(sign, places, list(self._values(target, key)))
            for sign, key in ((">", after), ("<", upto))
            if key is not None
        ]
        return " AND ".join(terms) or "TRUE"

    def _values(self, target: Target, key: Key) -> Iterator[str]:
        for value, one in zip(key, target.key, strict=True):
            if one.type in _BYTES:
                yield f"x'{value}'"
            elif one.type in _PLAIN:
                yield value
            elif one.charset in (None, "utf8mb4"):
                yield self.quoted(value)
            else:  # else MySQL converts the column, and no index serves
                yield f"CONVERT({self.quoted(value)} USING {one.charset}) COLLATE {one.collation}"

    def is_worth_a_retry(self, code: str | None, /) -> bool:
        """Say whether it was a lock, a deadlock or a time-out."""
        return code in _AGAIN

    def settings(self, lock_ms: int, statement_ms: int, /) -> Mapping[str, str]:
        """Return the settings of a session; locks are waited for in whole seconds, and MySQL cuts no UPDATE."""
        lock_s = str(max(1, ceil(lock_ms / 1000)))
        limits = {"lock_wait_timeout": lock_s, "innodb_lock_wait_timeout": lock_s}
        return limits | ({"max_statement_time": f"{statement_ms / 1000:.3f}"} if self.is_mariadb else {})

    def current(self, settings: Iterable[str], /) -> str:
        """Return a query for what settings are now."""
        return "SELECT " + ", ".join(f"@@SESSION.{one}" for one in settings)

    def setting(self, name: str, value: str, /) -> str:
        """Return what sets one for the session."""
        return f"SET SESSION {name} = {value}"

    def begin(self) -> Sequence[str]:
        """Return what opens a transaction."""
        if self.logs_statements:
            return ("BEGIN",)
        return ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN")

    def lock(self, name: str, /) -> str:
        """Return a query that takes a named lock of the session."""
        return f"SELECT GET_LOCK('{_digest(name)}', 0)"

    def unlock(self, name: str, /) -> str:
        """Return a query that gives it up."""
        return f"SELECT RELEASE_LOCK('{_digest(name)}')"

    def explained(self, session: Session, statement: str, /) -> Sequence[str]:
        """Return the rows of EXPLAIN: table, how it is read, possible indexes, the one that is taken, rows."""
        table = "EXPLAIN" if self.is_mariadb else "EXPLAIN FORMAT = TRADITIONAL"  # MySQL 9 would answer a tree
        return ["  ".join(str(cell) for cell in row if cell is not None) for row in session.ask(f"{table} {statement}")]

    def estimated(self, _session: Session, _query: str, /) -> int | None:
        """Return None: these servers tell in EXPLAIN what they read, and MariaDB not what is left of it."""
        return None

    def strays(self, session: Session, target: Target, statement: str, /) -> str | None:
        """Return how the plan reads the table where it does not take the index of the key."""
        lines = self.explained(session, statement)
        return None if any(target.index in line.split("  ") for line in lines) else "; ".join(lines)

    def state_table(self, name: str, /) -> str:
        """Return what makes the table of states."""
        return _STATES.format(name=name)

    def positions(self) -> str | None:
        """Return None: these servers do not know how far their replicas are."""
        return None


def _as_text(column: KeyColumn, place: str) -> str:
    return f"HEX({place})" if column.type in _BYTES else f"CAST({place} AS CHAR)"


def _compared(sign: str, places: Sequence[str], values: Sequence[str]) -> str:
    """Return that a key is beyond another (">"), or before or at it ("<"); its first column alone narrows it, too."""
    (place, *places), (value, *values) = places, values
    if not places:
        return f"{place} {sign}{'=' * (sign == '<')} {value}"
    return f"({place} {sign}= {value} AND ({place} {sign} {value} OR {_compared(sign, places, values)}))"


def _keys(found: Rows) -> Iterator[UniqueKey]:
    """Yield the unique keys that serve."""
    for (index, primary), group in groupby(found, key=lambda row: (row[0], row[1])):
        columns = list(group)
        if all(one[5] == "1" and one[6] == "1" for one in columns):
            yield UniqueKey(str(index), primary == "1", tuple(_column(one) for one in columns))


def _check(key: UniqueKey, table: str) -> None:
    for one in key.columns:
        if one.type not in (*_PLAIN, *_BYTES, *_TEXTS, *_OTHERS):
            raise Mistake(
                f"column {one.name} of the key of {table} is {one.type}, which is not kept as it is written or not "
                "ordered as it is compared; choose another unique key by --key"
            )


def _column(row: Sequence[str | None]) -> KeyColumn:
    kind = str(row[3]).lower()
    return KeyColumn(name=str(row[2]), type=kind, is_whole=kind in _WHOLE, charset=row[7], collation=row[8])


def _digest(name: str) -> str:
    return "rehearse backfill " + blake2b(name.encode(), digest_size=12).hexdigest()


def dialect(session: Session) -> Mysql:
    """Return how the server of a session is spoken to."""
    is_mariadb, logs_statements = session.ask(_VERSION)[0]
    return Mysql(is_mariadb == "1", logs_statements == "1")
