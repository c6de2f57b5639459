"""Whether two databases would run a query the same way: the shapes of the planner's trees, side by side.

Nothing is executed: EXPLAIN without ANALYZE, in a read-only transaction, sent so that one text is one statement.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import ExecStatus

from rehearse.engines.postgres.alike import reading
from rehearse.engines.postgres.structure import Connects

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

_TIMEOUT_MS = 10_000
_SAID = ("Join Type", "Strategy", "Partial Mode", "Scan Direction", "Subplan Name", "Operation", "Parent Relationship")
_QUIET = {("Scan Direction", "Forward"), ("Partial Mode", "Simple"), ("Strategy", "Plain")}
_QUIET |= {("Parent Relationship", one) for one in ("Outer", "Inner", "Member", "Subquery")}


@dataclass(frozen=True, slots=True)
class Node:
    """A step of a plan: what it does, with which relation and index, and the steps that feed it, in their order."""

    does: str
    inputs: tuple[Node, ...] = ()

    def steps(self) -> Iterator[str]:
        """Yield what this step and all below do."""
        yield self.does
        for one in self.inputs:
            yield from one.steps()

    def __str__(self) -> str:
        return f"{self.does} [{', '.join(map(str, self.inputs))}]" if self.inputs else self.does


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSimilarity:
    """A query's plan in both databases. `alike` is None, and `error` says why, where one of them has none.

    `steps` is the share of steps in common (Dice); `q_error` how far apart the planners expect the number of rows to
    be, the source's at the copy's scale: the larger over the smaller, 1 at best.
    """

    query: str
    alike: bool | None
    steps: float | None
    source: str | None
    copy: str | None
    q_error: float | None
    error: str | None = None


def plans(
    source: Connects, copy: Connects, queries: Sequence[str], *, scale: float = 1.0
) -> tuple[PlanSimilarity, ...]:
    """Compare the plans of queries with literal values, one statement each."""
    with source.connect() as one, copy.connect() as other:
        return tuple(_compared(query, _plan(one, query), _plan(other, query), scale) for query in queries)


def shape(plan: Mapping[str, Any]) -> Node:
    """Return the shape of a plan, as EXPLAIN (FORMAT JSON) writes it, without costs, rows and conditions."""
    return Node(" ".join(_words(plan)), tuple(shape(one) for one in plan.get("Plans", ())))


def shape_with(connection: Connection, statement: str, values: Sequence[bytes | None]) -> Node | None:
    """Return the shape of a statement's plan for these values of $1 … $n; None where the server gives no plan."""
    result = connection.pgconn.exec_params(f"EXPLAIN (FORMAT JSON) {statement}".encode(), list(values))
    if result.status != ExecStatus.TUPLES_OK:
        return None
    return shape(json.loads(result.get_value(0, 0) or b"null")[0]["Plan"])


def _words(plan: Mapping[str, Any]) -> Iterator[str]:
    yield plan["Node Type"]
    if plan.get("Parallel Aware"):
        yield "(parallel)"
    for key in _SAID:
        if key in plan and (key, plan[key]) not in _QUIET:
            yield str(plan[key])
    if "Index Name" in plan:
        yield f"using {plan['Index Name']}"
    for key in ("Relation Name", "CTE Name", "Function Name"):
        if key in plan:
            yield f"on {plan[key]}"


def _plan(connection: Connection, query: str) -> dict[str, Any] | str:
    """Return the plan, or the server's words where there is none."""
    try:
        with reading(connection, _TIMEOUT_MS, max_parallel_workers_per_gather="2"):
            # Prepared, so that a second statement in the text is refused, by which a transaction could be ended.
            found = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode(), prepare=True).fetchone()
    except psycopg.Error as error:
        return error.diag.message_primary or type(error).__name__
    assert found is not None
    read = json.loads(found[0]) if isinstance(found[0], str) else found[0]
    plan: dict[str, Any] = read[0]["Plan"]
    return plan


def _compared(query: str, source: dict[str, Any] | str, copy: dict[str, Any] | str, scale: float) -> PlanSimilarity:
    if isinstance(source, str) or isinstance(copy, str):
        said = [f"{side}: {one}" for side, one in (("source", source), ("copy", copy)) if isinstance(one, str)]
        return PlanSimilarity(
            query=query, alike=None, steps=None, source=None, copy=None, q_error=None, error="; ".join(said)
        )
    mine, theirs = shape(source), shape(copy)
    return PlanSimilarity(
        query=query,
        alike=mine == theirs,
        steps=_in_common(mine, theirs),
        source=str(mine),
        copy=str(theirs),
        q_error=_q_error(source["Plan Rows"], copy["Plan Rows"], scale),
    )


def _in_common(one: Node, other: Node) -> float:
    mine, theirs = Counter(one.steps()), Counter(other.steps())
    return 2.0 * (mine & theirs).total() / (mine.total() + theirs.total())


def _q_error(source: float, copy: float, scale: float) -> float:
    """Return the q-error (Moerkotte, Neumann, Steidl 2009) of two estimates; none counts as less than one row.

    Queries whose number of rows does not follow the database's (a LIMIT, a key) are as near unscaled: the lesser holds.
    """
    found = [max(1.0, source * factor) / max(1.0, copy) for factor in (scale, 1.0)]
    return min(max(one, 1.0 / one) for one in found)
