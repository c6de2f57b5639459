"""Whether the application's calls behave on a later state as at the start: their plans, and what they answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from rehearse.engines.postgres import answers, plan_shapes
from rehearse.engines.postgres.answers import Asked
from rehearse.events import CallBehaved
from rehearse.protocols import Role

if TYPE_CHECKING:
    import pandas

    from rehearse.engines.postgres.database import PostgresDatabase

Plans = Mapping[str, str | None]


class Call(Protocol):
    """A kind of call as the traffic has it."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def statements(self) -> Sequence[str]:
        """Return its SQL with $1 … $n."""
        ...

    @property
    def writes(self) -> bool:
        """Say whether it may write."""
        ...


def compared(
    older: PostgresDatabase,
    newer: PostgresDatabase,
    calls: Iterable[tuple[Call, Sequence[answers.Values], Iterable[str] | None]],
    writes: pandas.DataFrame,
    settings: Mapping[str, str],
    *,
    state: str,
) -> list[CallBehaved]:
    """Return how calls (with values to ask them with, and the tables that they touch) behave in both states.

    `writes` are the `RowWritten` facts between the two. Where plans after back differ, copies of both states are
    analyzed: what then is alike differed for its statistics.
    """
    began = time.monotonic_ns()
    asked = [
        Asked(
            name=call.name,
            statements=call.statements,
            tries=tries,
            writes=call.writes,
            touches=None if touches is None else frozenset(touches),
        )
        for call, tries, touches in calls
    ]
    with older.connect(Role.OWNER) as old, newer.connect(Role.OWNER) as new:
        written = answers.written(writes, new, old)
    asker = answers.Asker(newer.server.logins[Role.APPLICATION].user, settings)
    told = answers.compare(older, newer, asked, written, asker)
    befores, afters = (_plans(side, asked, settings) for side in (older, newer))
    differ = [one for one in asked if befores[one.name] and afters[one.name] and befores[one.name] != afters[one.name]]
    by_statistics = _alike_when_analyzed(older, newer, differ, settings) if differ and state == "back" else set()
    return [
        CallBehaved(
            at_ns=began,
            state=state,
            call=one.name,
            plan_before=befores[one.name],
            plan_after=afters[one.name],
            by_statistics=one.name in by_statistics,
            **_told(told.get(one.name)),
        )
        for one in asked
    ]


def _told(answer: answers.Compared | None) -> dict[str, Any]:
    answer = answer or answers.Compared()
    difference = answer.difference
    before, after = difference.shown() if difference else (None, None)
    return {
        "asked": answer.asked,
        "rows": answer.rows,
        "differs": difference.what if difference else None,
        "values": difference.values if difference else None,
        "before": before,
        "after": after,
        "reason": answer.reason,
    }


# --- plans


def _plans(database: PostgresDatabase, calls: Sequence[Asked], settings: Mapping[str, str]) -> Plans:
    """Return the shapes of each call's plans, for its first values; None where it has none."""
    with database.connect(Role.APPLICATION) as connection:
        for name, value in {**settings, "statement_timeout": "10s", "lock_timeout": "2s"}.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        return {one.name: _plan(connection, one) for one in calls}


def _plan(connection: psycopg.Connection[object], one: Asked) -> str | None:
    if not one.tries:
        return None
    shapes = [
        plan_shapes.shape_with(connection, statement, values)
        for statement, values in zip(one.statements, one.tries[0], strict=True)
    ]
    told = [str(shape) for shape in shapes if shape is not None]
    return "; ".join(told) or None


def _alike_when_analyzed(
    older: PostgresDatabase, newer: PostgresDatabase, calls: Sequence[Asked], settings: Mapping[str, str]
) -> set[str]:
    """Return the calls whose plans are alike once the statistics of both states are fresh."""
    befores, afters = (_plans_when_analyzed(side, calls, settings) for side in (older, newer))
    return {one.name for one in calls if befores[one.name] == afters[one.name]}


def _plans_when_analyzed(database: PostgresDatabase, calls: Sequence[Asked], settings: Mapping[str, str]) -> Plans:
    copy = database.fork("analyzed")
    try:
        with copy.connect(Role.OWNER) as connection:
            connection.execute("analyze")
        return _plans(copy, calls, settings)
    finally:
        copy.drop()
