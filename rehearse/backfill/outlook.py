"""What a backfill would do, said before it does: the statement of a batch, its plan, the state it would go on from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rehearse.backfill.batches import stretch
from rehearse.backfill.plan import Plan, Range, warnings
from rehearse.backfill.seams import Refused, Session
from rehearse.backfill.state import Table
from rehearse.errors import Mistake

_SMALL = 10_000  # rows: of a smaller table it does not matter how it is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a backfill would do. `statement` is that of the next batch, None where no key is left."""

    plan: Plan
    ranges: tuple[Range, ...]
    left: int | None  # rows for which its WHERE holds, as the server estimates; None: it was not asked
    statement: str | None
    explained: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows that runs before this one touched."""
        return sum(one.rows for one in self.ranges)

    @property
    def keys(self) -> int:
        """Keys that runs before this one have done."""
        return sum(one.keys for one in self.ranges)


def outlook(session: Session, plan: Plan, *, restart: bool = False) -> Outlook:
    """Look at the state and at the next batch; writes nothing."""
    try:
        return _looked(session, plan, restart=restart)
    except Refused as refused:
        raise Mistake(f"the server would refuse a batch: {refused}") from None


def _looked(session: Session, plan: Plan, *, restart: bool) -> Outlook:
    found = [] if restart else Table(plan).ranges(session)
    ahead = next((one for one in found if not one.is_done), Range(number=0))
    batch = stretch(session, plan, ahead.reached, ahead.upto, plan.task.batch)
    statement = None if batch is None else plan.statement(batch.after, batch.upto)
    explained = [] if statement is None else plan.dialect.explained(session, statement)
    return Outlook(
        plan=plan,
        ranges=tuple(found),
        left=_left(session, plan),
        statement=statement,
        explained=tuple(explained),
        warnings=(*warnings(plan), *_strays(session, plan, statement)),
    )


def _left(session: Session, plan: Plan) -> int | None:
    if plan.reading.kind == "insert" or plan.reading.condition is None:
        return None
    return plan.dialect.estimated(session, f"SELECT 1 FROM {plan.reading.source} WHERE ({plan.reading.condition}\n)")


def _strays(session: Session, plan: Plan, statement: str | None) -> Iterator[str]:
    if statement is None or (plan.target.rows or 0) < max(_SMALL, 10 * plan.task.batch):
        return
    how = plan.dialect.strays(session, plan.target, statement)
    if how is not None:
        yield (
            f"the server would not read the table by the key, but so: {how}; each batch may read all of it. ANALYZE "
            f"{plan.table} first, or look at which other index its WHERE invites"
        )
