"""The workload of a database of which nothing is said: point reads and small updates by key, on every table."""

from __future__ import annotations

from math import sqrt

from rehearse import bookkeeping
from rehearse.model import CallChoice, Survey, TableFacts

READS = 0.8
_TABLES = 50  # more kinds of calls than a run of seconds can show


def calls(survey: Survey) -> list[CallChoice]:
    """Return reads (80 %) and updates (20 %) by key, each table's share as the square root of its rows.

    The root keeps small tables in sight beside one that is a thousand times larger. An update sets a column that no
    constraint or unique index reads to a value which the column holds in another row. Without any such table: SELECT 1.
    """
    tables = sorted(_usable(survey), key=_rows)[-_TABLES:]
    if not tables:
        return [CallChoice(name="ping", sql="SELECT 1")]
    whole = sum(sqrt(one.rows) for one in tables)
    updatable = sum(sqrt(one.rows) for one in tables if one.plain)
    found = []
    for table in reversed(tables):
        found.append(_read(table, READS * sqrt(table.rows) / whole, survey.quote))
        if table.plain:
            found.append(_update(table, (1 - READS) * sqrt(table.rows) / updatable, survey.quote))
    return found


def note(survey: Survey) -> str:
    """Say what the default does, and which tables it leaves out."""
    used = len(_usable(survey))
    left = sorted(set(survey.tables) - {one.table for one in _usable(survey)})
    if not used:
        return "the scenario names no calls and no table has both a key and rows: the only traffic is SELECT 1"
    text = (
        "the scenario names no calls, so a workload was derived from the schema: reads (80 %) and updates (20 %) of "
        f"single rows by key on {min(used, _TABLES)} tables, weighted by the square root of their rows; no inserts, "
        "no deletes"
    )
    return text + (f"; without traffic (no key, no rows, or a migration tool's own): {', '.join(left)}" if left else "")


def _usable(survey: Survey) -> list[TableFacts]:
    return [
        one
        for one in survey.tables.values()
        if one.key and one.rows > 0 and not bookkeeping.is_known(one.table, one.columns)
    ]


def _rows(table: TableFacts) -> int:
    return table.rows


def _read(table: TableFacts, share: float, quote: str) -> CallChoice:
    # Columns by name, as applications do: a prepared `SELECT *` would fail once a session for each new column.
    columns = ", ".join(quoted(column, quote) for column in table.columns)
    return CallChoice(
        name=f"read {table.table}",
        share=share,
        sql=f"SELECT {columns} FROM {_qualified(table, quote)} WHERE {_where(table, quote)}",
        values=_keys(table),
    )


def _update(table: TableFacts, share: float, quote: str) -> CallChoice:
    column = table.plain[0]
    return CallChoice(
        name=f"update {table.table}",
        share=share,
        sql=f"UPDATE {_qualified(table, quote)} SET {quoted(column, quote)} = :new WHERE {_where(table, quote)}",
        values={"new": (table.table, column), **_keys(table)},
    )


def _keys(table: TableFacts) -> dict[str, tuple[str, str]]:
    return {f"key{at}": (table.table, column) for at, column in enumerate(table.key, 1)}


def _where(table: TableFacts, quote: str) -> str:
    return " AND ".join(f"{quoted(column, quote)} = :key{at}" for at, column in enumerate(table.key, 1))


def _qualified(table: TableFacts, quote: str) -> str:
    return ".".join(quoted(name, quote) for name in (table.schema, table.name) if name)


def quoted(name: str, quote: str) -> str:
    """Return a name as SQL needs it, in the engine's own quotes."""
    return quote + name.replace(quote, 2 * quote) + quote
