"""PostgreSQL, 12 and newer: keys of any type that it orders, by row comparison."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby

from rehearse.backfill._postgres_reading import quoted as named
from rehearse.backfill._postgres_reading import read
from rehearse.backfill.keys import UniqueKey, chosen
from rehearse.backfill.seams import Key, KeyColumn, Rows, Session, Target
from rehearse.backfill.statement import Reading
from rehearse.errors import Mistake

# Waits for a lock, deadlocks, failed serializations, statements that were cancelled for their length.
_AGAIN = ("55P03", "40P01", "40001", "57014")

# The catalogs alone are read; below 10 ms.
_TABLE = """
    SELECT c.oid, n.nspname, c.relname, c.relkind::text,
           CASE WHEN c.relkind = 'p'
                THEN (SELECT sum(greatest(p.reltuples, 0)) FROM pg_partition_tree(c.oid) t
                      JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf)
                ELSE c.reltuples END::bigint
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass({table})
"""
# A unique index serves if it is whole, valid, and orders each column as ORDER BY does, all of them one way.
_KEYS = """
    SELECT x.relname, i.indisprimary::int, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::int,
           (o.opcdefault AND (a.attcollation = 0 OR i.indcollation[(k.n - 1)::int] = a.attcollation))::int,
           i.indoption[(k.n - 1)::int] & 1,
           (a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype))::int
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    JOIN pg_opclass o ON o.oid = i.indclass[(k.n - 1)::int]
    WHERE i.indrelid = {oid} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND k.n <= i.indnkeyatts
    ORDER BY i.indisprimary DESC, x.relname, k.n
"""
_TRIGGERS = """
    SELECT tgname FROM pg_trigger
    WHERE tgrelid = to_regclass({table}) AND NOT tgisinternal AND tgenabled <> 'D' AND (tgtype & 1) <> 0
      AND (tgtype & {event}) <> 0
    ORDER BY 1
"""
_STATES = """
    CREATE TABLE IF NOT EXISTS {name} (
        task text NOT NULL, range_no int NOT NULL, statement text NOT NULL,
        after_key text, upto_key text, done_key text,
        rows_done bigint NOT NULL, keys_done bigint NOT NULL, batches_done bigint NOT NULL, is_done int NOT NULL,
        PRIMARY KEY (task, range_no)
    )
"""
# What replicas say of the time that they are behind stays as it was where one stops to replay, so positions are asked.
# Without pg_monitor the rows are there and their columns NULL; what only receives the log (an archive) replays nothing.
_POSITIONS = """
    SELECT (pg_current_wal_lsn() - '0/0')::bigint, (min(replay_lsn) - '0/0')::bigint,
           count(*) FILTER (WHERE state IS NULL)
    FROM pg_stat_replication
"""


class Postgres:
    """How PostgreSQL is spoken to."""

    name = "postgres"
    no_such_table = "42P01"

    def read(self, statement: str, /) -> Reading:
        """Return the statement taken apart."""
        return read(statement)

    def target(self, session: Session, reading: Reading, wanted: Sequence[str], /) -> Target:
        """Return the table and its key."""
        words = ".".join(map(named, reading.table))
        found = session.ask(_TABLE.format(table=self.quoted(words)))
        if not found:
            raise Mistake(f"there is no table {words} in this database, or not in the search_path")
        oid, schema, name, kind, rows = found[0]
        if kind not in ("r", "p"):
            raise Mistake(f"{words} is no table; name the table that the rows stand in")
        key = chosen(_keys(session.ask(_KEYS.format(oid=oid))), wanted, words)
        written = ".".join(map(named, reading.target or reading.table))
        event = 4 if reading.kind == "insert" else 16
        triggers = session.ask(_TRIGGERS.format(table=self.quoted(written), event=event))
        return Target(
            schema=str(schema),
            name=str(name),
            key=key.columns,
            index=key.index,
            rows=None if rows is None or int(rows) < 0 else int(rows),
            triggers=tuple(str(one) for (one,) in triggers),
        )

    def named(self, *names: str) -> str:
        """Return a name in quotes."""
        return ".".join(map(named, names))

    def quoted(self, text: str, /) -> str:
        """Return a literal that means the same whatever standard_conforming_strings says."""
        doubled = text.replace("'", "''")
        return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"

    def selected(self, target: Target, alias: str, /) -> str:
        """Return what selects a key as text."""
        return ", ".join(f"{named(alias)}.{named(one.name)}::text" for one in target.key)

    def bounds(self, target: Target, alias: str | None, after: Key | None, upto: Key | None, /) -> str:
        """Return row comparisons, which an index on the key answers."""
        places = _row((f"{named(alias)}." if alias else "") + named(one.name) for one in target.key)
        terms = [
            f"{places} {sign} {_row(self._values(target, key))}"
            for sign, key in ((">", after), ("<=", upto))
            if key is not None
        ]
        return " AND ".join(terms) or "TRUE"

    def _values(self, target: Target, key: Key) -> Iterator[str]:
        for value, one in zip(key, target.key, strict=True):
            yield value if one.is_whole else f"{self.quoted(value)}::{one.type}"

    def is_worth_a_retry(self, code: str | None, /) -> bool:
        """Say whether it was a lock, a deadlock, a failed serialization or a time-out."""
        return code in _AGAIN

    def settings(self, lock_ms: int, statement_ms: int, /) -> Mapping[str, str]:
        """Return the settings of a session whose keys, as text, mean the same at any time."""
        limits = {"lock_timeout": f"{lock_ms}ms", "statement_timeout": f"{statement_ms}ms"}
        return limits | {
            "datestyle": "ISO, YMD",
            "intervalstyle": "postgres",
            "extra_float_digits": "1",
            "bytea_output": "hex",
        }

    def current(self, settings: Iterable[str], /) -> str:
        """Return a query for what settings are now."""
        return "SELECT " + ", ".join(f"current_setting({self.quoted(one)})" for one in settings)

    def setting(self, name: str, value: str, /) -> str:
        """Return what sets one for the session."""
        return f"SET {name} = {self.quoted(value)}"

    def begin(self) -> Sequence[str]:
        """Return what opens a transaction."""
        return ("BEGIN ISOLATION LEVEL READ COMMITTED",)

    def lock(self, name: str, /) -> str:
        """Return a query that takes an advisory lock of the session."""
        return f"SELECT pg_try_advisory_lock({_number(name)})::int"

    def unlock(self, name: str, /) -> str:
        """Return a query that gives it up."""
        return f"SELECT pg_advisory_unlock({_number(name)})::int"

    def explained(self, session: Session, statement: str, /) -> Sequence[str]:
        """Return the lines of EXPLAIN."""
        return [str(line) for (line,) in session.ask(f"EXPLAIN {statement}")]

    def estimated(self, session: Session, query: str, /) -> int | None:
        """Return the planner's estimate."""
        found = re.search(r" rows=(\d+) ", self.explained(session, query)[0])
        return int(found[1]) if found else None

    def strays(self, session: Session, target: Target, statement: str, /) -> str | None:
        """Return the first scan of the plan where no condition on an index is about the key."""
        lines = self.explained(session, statement)
        first = target.key[0].name
        if any("Index Cond:" in line and first in line for line in lines):
            return None
        return next((line.strip(" ->").split("  (")[0] for line in lines if "Scan" in line), None)

    def state_table(self, name: str, /) -> str:
        """Return what makes the table of states."""
        return _STATES.format(name=name)

    def positions(self) -> str | None:
        """Return a query for the positions in the log."""
        return _POSITIONS


def _row(parts: Iterable[str]) -> str:
    """Return one part as it is, and several as a row."""
    found = list(parts)
    return found[0] if len(found) == 1 else f"({', '.join(found)})"


def _keys(found: Rows) -> Iterator[UniqueKey]:
    """Yield the unique keys that serve."""
    for (index, primary), group in groupby(found, key=lambda row: (row[0], row[1])):
        columns = list(group)
        if all(one[4] == "1" and one[5] == "1" for one in columns) and len({one[6] for one in columns}) == 1:
            whole = [KeyColumn(name=str(one[2]), type=str(one[3]), is_whole=one[7] == "1") for one in columns]
            yield UniqueKey(str(index), primary == "1", tuple(whole))


def _number(name: str) -> int:
    return int.from_bytes(blake2b(f"rehearse backfill {name}".encode(), digest_size=8).digest(), "big", signed=True)


DIALECT = Postgres()
