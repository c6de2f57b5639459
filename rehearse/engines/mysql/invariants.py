"""Verifies what the schema promises of its rows: references, checks, unique indexes, numbers, from the rows.

What neither rows nor schema can have changed is not read again. What is broken is asked of the start's copy too, so
that the migration does not answer for what was there before it. NOT NULL is kept by the rows' own form.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pymysql

from rehearse.engines._patience import PATIENCE_S, Clock
from rehearse.engines.mysql.client import Connection, execute, is_mariadb, named, rows, words
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.events import InvariantTried

_EXAMPLE = 300
_FOREIGN_KEYS = """
    SELECT k.constraint_name, k.table_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,
           k.referenced_column_name
    FROM information_schema.key_column_usage k
    WHERE k.table_schema = database() AND k.referenced_table_name IS NOT NULL
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position
"""
_MARIADB_CHECKS = """
    SELECT constraint_name, table_name, check_clause, 'YES' FROM information_schema.check_constraints
    WHERE constraint_schema = database()
    ORDER BY 2, 1
"""
_MYSQL_CHECKS = """
    SELECT constraint_name, t.table_name, c.check_clause, t.enforced
    FROM information_schema.check_constraints c
    JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name)
    WHERE constraint_schema = database()
    ORDER BY 2, 1
"""
_UNIQUE = """
    SELECT index_name, table_name, column_name, sub_part
    FROM information_schema.statistics
    WHERE table_schema = database() AND non_unique = 0
    ORDER BY table_name, index_name, seq_in_index
"""
_NUMBERED = """
    SELECT c.table_name, c.column_name, t.auto_increment, c.column_default
    FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = database() AND t.table_type = 'BASE TABLE'
      AND (c.extra LIKE '%auto_increment%' OR c.column_default LIKE 'nextval(%')
"""
_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = database() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1
"""
_ESCAPED = re.compile(r"\\(.)")
_SEQUENCE = re.compile(r"nextval\((?:`[^`]+`\.)?`([^`]+)`\)", re.IGNORECASE)

Count = tuple[int | None, str | None, str | None]  # rows, an example, the error


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise. `counts` returns how many rows break it and an example; None: CHECK TABLE is asked."""

    kind: str
    name: str
    table: str
    tables: tuple[str, ...]
    counts: str | None
    flaw: str | None = None
    definition: str = ""
    column: str | None = None
    unasked: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Tell it from all others of its database, and as the same one in a copy."""
        return self.kind, self.table, self.name


def tried(
    database: MysqlDatabase,
    start: MysqlDatabase | None,
    state: str,
    *,
    unchanged: Collection[str] = (),
    given: Collection[tuple[str, str]] = (),
) -> list[InvariantTried]:
    """Return what each promise of the schema is worth in this state.

    `start` is a copy of the database as it was at the start. `unchanged` are tables whose rows are proven to be those
    of the start; `given` are (table, column) to which calls give values themselves, past the column's numbers.
    """
    began, clock = time.monotonic_ns(), Clock()
    with ExitStack() as stack:
        now = stack.enter_context(database.connect())
        before = stack.enter_context(start.connect()) if start is not None else None
        for connection in (now, before) if before is not None else (now,):
            execute(connection, "/*!80000 SET SESSION information_schema_stats_expiry = 0 */ /*M! DO 0 */")
        older = {one.key: one for one in _promises(before)} if before is not None else {}
        found = [one for one in _promises(now) if (one.table, one.column or "") not in given]
        return [_answered(now, before, one, older.get(one.key), state, began, clock, unchanged) for one in found]


def _answered(  # noqa: PLR0917 - what is known of one promise
    now: Connection,
    before: Connection | None,
    one: Promise,
    old: Promise | None,
    state: str,
    began: int,
    clock: Clock,
    unchanged: Collection[str],
) -> InvariantTried:
    is_kept = old is not None and set(one.tables) <= set(unchanged) and _same(one, old)
    rows_now, example, error = (0, None, None) if is_kept else _count(now, one, clock)
    then: Count = (None, None, None)
    if rows_now and old is not None and before is not None:
        then = _count(before, old, clock)
    return InvariantTried(
        at_ns=began,
        ended_ns=time.monotonic_ns(),
        state=state,
        kind=one.kind,
        name=one.name,
        table=one.table,
        rows=rows_now,
        rows_before=then[0],
        error_before=then[2],
        example=example if rows_now else None,
        flaw=one.flaw,
        is_new=old is None or (one.flaw is not None and one.flaw != old.flaw),
        is_unchanged=is_kept,
        error=error,
    )


def _same(one: Promise, old: Promise) -> bool:
    return (one.definition, one.flaw, one.tables) == (old.definition, old.flaw, old.tables)


def _count(connection: Connection, one: Promise, clock: Clock) -> Count:
    """Return how many rows break a promise, an example of them, and why that could not be asked."""
    if one.unasked is not None:
        return None, None, one.unasked
    if not clock.left_ms:
        return None, None, f"the {PATIENCE_S} s for it were over"
    try:
        execute(
            connection,
            f"SET SESSION lock_wait_timeout = 2 /*M! , max_statement_time = {clock.left_ms / 1000} */ "
            f"/*!80000 , max_execution_time = {clock.left_ms} */",
        )
        if one.counts is None:
            return _checked(connection, one.table)
        ((count, example),) = rows(connection, one.counts)
    except pymysql.err.MySQLError as refused:
        return None, None, words(refused)
    return int(count or 0), None if example is None else str(example)[:_EXAMPLE], None


def _checked(connection: Connection, table: str) -> Count:
    """Have the server read every index of a table, and compare it with the rows."""
    said = [(str(kind), str(text)) for _, _, kind, text in rows(connection, f"CHECK TABLE {named(table)}")]
    wrong = [text for kind, text in said if kind.lower() in ("error", "warning")]
    if any("doesn't support" in text for _, text in said):
        return None, None, said[-1][1]
    return int(bool(wrong)), f"CHECK TABLE says: {wrong[0]}"[:_EXAMPLE] if wrong else None, None


# --- what is promised


def _promises(connection: Connection) -> list[Promise]:
    """Return every promise of the database's tables; reads the catalogs only."""
    tables = [str(name) for (name,) in rows(connection, _TABLES)]
    keys = _keys(connection)
    return [
        *_references(connection, keys),
        *_checks(connection, keys),
        *_unique(connection),
        *_numbers(connection),
        *(_whole(connection, table) for table in tables),
    ]


def _whole(connection: Connection, table: str) -> Promise:
    """Return that a table and its indexes are undamaged; one that is declared otherwise was written anew."""
    declared = str(rows(connection, f"SHOW CREATE TABLE {named(table)}")[0][1]).partition(" AUTO_INCREMENT=")[0]
    return Promise(kind="heap", name=table, table=table, tables=(table,), counts=None, definition=declared)


def _keys(connection: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for index, table, column, _ in rows(connection, _UNIQUE):
        if index == "PRIMARY":
            found.setdefault(str(table), []).append(str(column))
    return found


def _told(alias: str, columns: Iterable[str]) -> str:
    """Return SQL for a row's key in words, "(a, b)"; of a table without one, nothing."""
    parts = ", ', ', ".join(f"ifnull({alias}.{named(one)}, 'NULL')" for one in columns)
    return f"concat({parts})" if parts else "NULL"


def _references(connection: Connection, keys: Mapping[str, list[str]]) -> Iterator[Promise]:
    found: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for name, table, *rest in rows(connection, _FOREIGN_KEYS):
        found.setdefault((str(table), str(name)), []).append(tuple(map(str, rest)))
    for (table, name), columns in found.items():
        schema, parent = columns[0][1:3]
        equal = " AND ".join(f"p.{named(theirs)} = c.{named(mine)}" for mine, _, _, theirs in columns)
        given = " AND ".join(f"c.{named(mine)} IS NOT NULL" for mine, *_ in columns)
        told = ", ".join(f"{mine} → {parent}.{theirs}" for mine, _, _, theirs in columns)
        yield Promise(
            kind="foreign key",
            name=name,
            table=table,
            tables=(table, parent),
            definition=told,
            counts=(
                f"SELECT count(*), min({_told('c', keys.get(table, ()))}) FROM {named(table)} c "
                f"WHERE {given} AND NOT EXISTS (SELECT 1 FROM {named(schema, parent)} p WHERE {equal})"
            ),
        )


def _checks(connection: Connection, keys: Mapping[str, list[str]]) -> Iterator[Promise]:
    is_quoted = not is_mariadb(connection)
    for name, table, text, enforced in rows(connection, _MYSQL_CHECKS if is_quoted else _MARIADB_CHECKS):
        condition = _ESCAPED.sub(r"\1", str(text)) if is_quoted else str(text)  # MySQL escapes what it lists
        yield Promise(
            kind="check",
            name=str(name),
            table=str(table),
            tables=(str(table),),
            definition=condition,
            flaw="NOT ENFORCED" if enforced == "NO" else None,
            counts=(
                f"SELECT count(*), min({_told('c', keys.get(table, ()))}) FROM {named(table)} c "
                f"WHERE ({condition}) IS FALSE"
            ),
        )


def _unique(connection: Connection) -> Iterator[Promise]:
    found: dict[tuple[str, str], list[tuple[str | None, int | None]]] = {}
    for index, table, column, length in rows(connection, _UNIQUE):
        found.setdefault((str(table), str(index)), []).append((column, length))
    for (table, index), columns in found.items():
        parts = [_part(column, length) for column, length in columns if column]
        given = " AND ".join(f"{part} IS NOT NULL" for part in parts)
        told = ", ', ', ".join(f"ifnull({part}, 'NULL')" for part in parts)
        whole = len(parts) == len(columns)
        yield Promise(
            kind="unique",
            name=index,
            table=table,
            tables=(table,),
            definition=", ".join(parts),
            counts=(
                f"SELECT coalesce(sum(n - 1), 0), min(told) FROM (SELECT count(*) AS n, min(concat({told})) AS told "
                f"FROM {named(table)} IGNORE INDEX ({named(index)}) WHERE {given} GROUP BY {', '.join(parts)} "
                "HAVING count(*) > 1) twice"
                if whole
                else None
            ),
            unasked=None if whole else "it is over an expression",
        )


def _part(column: str, length: int | None) -> str:
    return named(column) if length is None else f"left({named(column)}, {length})"


def _numbers(connection: Connection) -> Iterator[Promise]:
    for table, column, counter, default in rows(connection, _NUMBERED):
        sequence = _SEQUENCE.match(str(default or ""))
        if sequence is None and counter is None:
            continue
        nexts = f"(SELECT next_not_cached_value FROM {named(sequence[1])})" if sequence else str(counter)
        name = named(str(column))
        yield Promise(
            kind="sequence",
            name=sequence[1] if sequence else f"AUTO_INCREMENT of {table}",
            table=str(table),
            tables=(str(table),),
            column=str(column),
            counts=(
                f"SELECT greatest(0, cast(coalesce(max({name}), 0) AS signed) - {nexts} + 1), "
                f"concat('it would give out ', {nexts}, ', and ', max({name}), ' is there') FROM {named(str(table))}"
            ),
        )
