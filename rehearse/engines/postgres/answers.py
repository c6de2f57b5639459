"""What read calls answer on two states of a database, the rows that the traffic wrote taken out of both.

The rows are deleted in a transaction that is rolled back, so that views, functions and joins see none of them, and what
differs is not the traffic's doing. Answers that are others each time are told by asking the older state twice.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import Connection, pq, sql

from rehearse.engines import _hidden
from rehearse.engines._writes import by_table
from rehearse.engines.postgres import hidden, images, query_order, reordering
from rehearse.engines.postgres.schema import Connects
from rehearse.events import Outcome
from rehearse.protocols import Role
from rehearse.units import NS_PER_S

if TYPE_CHECKING:
    import pandas

_TIMEOUTS = {"statement_timeout": "10s", "lock_timeout": "2s"}
_CUT_SHORT = ("57014", "55P03")  # query_canceled, lock_not_available
_DELETING = {"session_replication_role": "replica", "statement_timeout": "60s", "lock_timeout": "2s"}
_DID = (Outcome.OK.value, Outcome.UNKNOWN.value)
_FUNCTIONS = """
select p.proname
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname <> 'pg_catalog' and n.nspname <> 'information_schema' and p.prokind in ('f', 'w')
"""
_PATIENCE_S = 30  # for all calls together, each its share
_SHOWN = 300

Values = Sequence[Sequence[bytes | None]]  # of one call: for each statement its parameters
Row = tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A kind of call and the sets of values that it is asked with. `touches`: tables; None: that cannot be told."""

    name: str
    statements: Sequence[str]
    tries: Sequence[Values]
    writes: bool
    touches: Collection[str] | None


@dataclass(frozen=True, slots=True)
class Asker:
    """The application's role, and the settings of its sessions."""

    user: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The columns and rows of a call's statements, or the error's code and words."""

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    code: str | None = None
    error: str | None = None

    @property
    def is_cut_short(self) -> bool:
        """Say whether it is none: a limit of time, most often our own, was over."""
        return self.code in _CUT_SHORT

    def shown(self, but: Iterable[Row]) -> str:
        """Return the answer in a line: how many rows, and some that another answer has not."""
        if self.code is not None:
            return f"{self.error} ({self.code})"
        left = Counter(but)
        own = [row for row in self.rows if not _taken(left, row)]
        rows = "; ".join(", ".join(map(_text, row)) for row in (own or self.rows)[:5])
        head = f"{len(self.rows):,} row{'' if len(self.rows) == 1 else 's'}"
        among = ", among them" if own and len(own) < len(self.rows) else ""
        return f"{head}{among}: {rows}"[:_SHOWN] if self.rows else head


def _taken(left: Counter[Row], row: Row) -> bool:
    """Say whether a row was still there, and take it."""
    left[row] -= 1
    return left[row] >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Statements and their values; where their order means nothing the answer's rows are sorted."""

    statements: Sequence[str]
    values: Values
    is_sorted: bool

    def asked(self, connection: Connection[Any]) -> Answer:
        """Return the answer of a state."""
        found = _answer(connection, self.statements, self.values)
        return replace(found, rows=_sorted(found.rows)) if self.is_sorted else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first question to which two states answer otherwise."""

    question: Question
    before: Answer
    after: Answer

    @property
    def what(self) -> Literal["result", "error"]:
        """Say what is another."""
        return "result" if self.before.code == self.after.code else "error"

    @property
    def values(self) -> str:
        """Return the question's values."""
        return ", ".join(_text(value) for some in self.question.values for value in some)

    def shown(self) -> tuple[str, str]:
        """Return both answers in a line each, or their columns where these are others."""
        if self.what == "result" and self.before.columns != self.after.columns:
            return f"columns {', '.join(self.before.columns)}", f"columns {', '.join(self.after.columns)}"
        return self.before.shown(self.after.rows), self.after.shown(self.before.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a call answers in both states: `asked` sets of values, `rows` that came in the older one.

    A set of values with which both fail alike is none of them. `difference` None: the answers are the same. `reason`:
    why it could not be told.
    """

    asked: int = 0
    rows: int = 0
    difference: Difference | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The rows of each table that calls wrote, by key; `untold` are tables some of whose written rows are not known."""

    keys: Mapping[str, Sequence[Mapping[str, str | None]]]
    untold: Mapping[str, str]  # why


def written(writes: pandas.DataFrame, *connections: Connection[Any]) -> Written:
    """Return the rows that calls have, or may have, written, by triggers too; as all these states can tell them."""
    tables = by_table(writes[writes["outcome"].isin(_DID)])
    keys = {name: [json.loads(key) for key in set(rows["key"].dropna())] for name, rows in tables.items()}
    states = [images.read(one) for one in connections]
    untold = {
        name: "calls wrote rows of it that are not known" for name, rows in tables.items() if rows["key"].isna().any()
    }
    for name, some in keys.items():
        columns = {column for key in some for column in key}
        if any(name in state and not columns <= state[name].columns.keys() for state in states):
            untold[name] = "the key of its rows has other columns than at the start"
    others = _hidden.reached(set().union(*states), tables, hidden.triggers(*connections))
    untold |= {name: f"{', '.join(one.triggers)} may have written rows of it" for name, one in others.items()}
    return Written(keys, untold)


def compare(
    older: Connects, newer: Connects, calls: Sequence[Asked], writes: Written, asker: Asker
) -> dict[str, Compared]:
    """Return by its name what each call that only reads answers in both states."""
    asked = [one for one in calls if not one.writes]
    if not asked:
        return {}
    try:
        with _without(older, writes, asker) as old, _without(newer, writes, asker) as new:
            patience_ns = _PATIENCE_S * NS_PER_S // len(asked)
            found = {one.name: _compared(old, new, one, writes, patience_ns) for one in asked}
        if any(one.difference is not None for one in found.values()):
            with _without(older, writes, asker) as old:
                found = {name: _steady(old, one) for name, one in found.items()}
                found = _ordered_alike(old, found, asked, asker)
    except psycopg.Error as refused:
        why = f"the traffic's rows could not be taken out: {refused.diag.message_primary or type(refused).__name__}"
        return {one.name: Compared(reason=why) for one in asked}
    return found


# --- the rows that calls wrote


@contextmanager
def _without(database: Connects, writes: Written, asker: Asker) -> Iterator[Connection[Any]]:
    """Connect to a state without the rows that calls wrote, until the block ends."""
    with database.connect(Role.OWNER) as connection:
        connection.execute("begin")
        try:
            tables = images.read(connection)
            _set(connection, _DELETING)
            for name, keys in writes.keys.items():
                if name in tables and name not in writes.untold:
                    _delete(connection, tables[name], keys)
            _set(connection, {"session_replication_role": "origin", **asker.settings, **_TIMEOUTS})
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(asker.user)))
            yield connection
        finally:
            connection.execute("rollback")


def _delete(connection: Connection[Any], table: images.Table, keys: Sequence[Mapping[str, str | None]]) -> None:
    for columns in sorted({tuple(sorted(one)) for one in keys}):
        some = [[one[name] for one in keys if tuple(sorted(one)) == columns] for name in columns]
        types = [table.columns[name].cast for name in columns]
        values = sql.SQL(", ").join(
            sql.SQL("v{}::{}").format(sql.SQL(str(at)), sql.SQL(type_)) for at, type_ in enumerate(types)
        )
        listed = sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in columns)
        named = sql.SQL(", ").join(sql.SQL(f"v{at}") for at in range(len(columns)))
        query = sql.SQL("delete from {} where ({}) in (select {} from unnest({}) u ({}))").format(
            table.source, sql.SQL(", ").join(map(sql.Identifier, columns)), values, listed, named
        )
        connection.execute(query, some)


def _set(connection: Connection[Any], settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        connection.execute("select set_config(%s, %s, true)", [name, value])


# --- asking


def _compared(old: Connection[Any], new: Connection[Any], one: Asked, writes: Written, patience_ns: int) -> Compared:
    """Ask both states with one set of values after the other, the first in any case, until the time is over."""
    why = _unclear(old, one, writes)
    if why is not None:
        return Compared(reason=why)
    is_sorted = not any(query_order.is_ordered(text) for text in one.statements)
    rows, asked, ends_ns = 0, 0, time.monotonic_ns() + patience_ns
    cut = failed = None
    for place, values in enumerate(one.tries):
        if place and time.monotonic_ns() > ends_ns:
            break
        question = Question(statements=one.statements, values=values, is_sorted=is_sorted)
        before, after = question.asked(old), question.asked(new)
        if before != after and (before.code, before.columns) == (after.code, after.columns) and before.code is None:
            surely = _fully_ordered(old, question)
            if surely is None:
                return Compared(reason="it takes some rows of many by no full order")
            question, before, after = surely, surely.asked(old), surely.asked(new)
        if before.is_cut_short or after.is_cut_short:
            cut = cut or f"it got no answer in time: {before.error or after.error}"
        elif before.code is not None and before.code == after.code:
            failed = failed or f"it fails in both states: {before.error} ({before.code})"
        elif (before.code, before.columns, before.rows) != (after.code, after.columns, after.rows):
            difference = Difference(question=question, before=before, after=after)
            return Compared(asked=asked + 1, rows=rows + len(before.rows), difference=difference)
        else:
            asked, rows = asked + 1, rows + len(before.rows)
    why = cut or (failed if not asked else None)
    return Compared(reason=why) if why else Compared(asked=asked, rows=rows)


def _steady(old: Connection[Any], one: Compared) -> Compared:
    """Return a comparison without a difference that the older state has from itself, asked once more."""
    if one.difference is None or one.difference.question.asked(old) == one.difference.before:
        return one
    return Compared(reason="it answers otherwise each time it is asked")


def _ordered_alike(
    old: Connection[Any], found: Mapping[str, Compared], asked: Iterable[Asked], asker: Asker
) -> dict[str, Compared]:
    """Return comparisons without the differences that the older state has from itself with its rows in other orders."""
    calls, found = {one.name: one for one in asked}, dict(found)
    for order in reordering.ORDERS.values():
        differ = {name: one for name, one in found.items() if one.difference is not None}
        tables = _read_by(old, [calls[name] for name in differ])
        try:
            with old.transaction():
                _set(old, {"role": "none", **_DELETING})
                reordering.rewrite(old, tables, order)
                _set(old, {"session_replication_role": "origin", **asker.settings, **_TIMEOUTS, "role": asker.user})
        except psycopg.Error as refused:
            why = refused.diag.message_primary or type(refused).__name__
            reason = f"whether its answer hangs on the order of rows could not be asked: {why}"
            return found | {name: Compared(reason=reason) for name in differ}
        for name, one in differ.items():
            if one.difference is not None and one.difference.question.asked(old) != one.difference.before:
                found[name] = Compared(reason="its answer hangs on an order of rows that it does not fix")
    return found


def _read_by(connection: Connection[Any], calls: Sequence[Asked]) -> set[str]:
    """Return the tables that calls may read: all, where a view or a function is among what they touch."""
    every = images.read(connection).keys()
    touched = set().union(*(one.touches or () for one in calls))
    texts = [text for one in calls for text in one.statements]
    is_told = all(one.touches is not None for one in calls) and not _calls_functions(connection, texts)
    return touched if is_told and touched <= every else set(every)


def _unclear(connection: Connection[Any], one: Asked, writes: Written) -> str | None:
    """Say why rows that a call reads may be the traffic's; None: they are not."""
    if not writes.untold:
        return None
    if one.touches is None or _calls_functions(connection, one.statements):
        return f"what it reads is not known, and {next(iter(writes.untold.values()))}"
    for name in one.touches:
        if name in writes.untold:
            return f"it reads {name}, and {writes.untold[name]}"
    return None


def _calls_functions(connection: Connection[Any], statements: Iterable[str]) -> bool:
    words = {word.lower() for text in statements for word in re.findall(r"(\w+)\s*\(", text)}
    return any(name in words for (name,) in connection.execute(_FUNCTIONS).fetchall())


def _answer(connection: Connection[Any], statements: Sequence[str], values: Values) -> Answer:
    """Return what a call answers; its transaction goes on as it was before."""
    rows: list[Row] = []
    columns: list[str] = []
    pg = connection.pgconn
    pg.exec_(b"savepoint asked")
    try:
        for statement, parameters in zip(statements, values, strict=True):
            result = pg.exec_params(statement.encode(), list(parameters))
            if result.status not in {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK}:
                code = result.error_field(pq.DiagnosticField.SQLSTATE) or b"08006"
                words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
                return Answer(code=code.decode(), error=words.decode("utf-8", "replace").strip())
            columns += [(result.fname(at) or b"").decode("utf-8", "replace") for at in range(result.nfields)]
            rows += [tuple(result.get_value(row, at) for at in range(result.nfields)) for row in range(result.ntuples)]
    finally:
        pg.exec_(b"rollback to savepoint asked")
    return Answer(tuple(columns), tuple(rows))


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: [(value is not None, value or b"") for value in row]))


def _fully_ordered(old: Connection[Any], one: Question) -> Question | None:
    """Return the question so that rows of equal rank, and which of them LIMIT takes, are no difference.

    None where that cannot be asked: a column of a type without order.
    """
    widths = [len(_answer(old, [text], [some]).columns) for text, some in zip(one.statements, one.values, strict=True)]
    texts = [query_order.ordered(text, width) for text, width in zip(one.statements, widths, strict=True)]
    found = Question(statements=texts, values=one.values, is_sorted=False)
    if found.asked(old).code is None:
        return found
    return None if any(query_order.is_limited(text) for text in one.statements) else replace(one, is_sorted=True)


def _text(value: bytes | None) -> str:
    return "NULL" if value is None else value.decode("utf-8", "replace")
