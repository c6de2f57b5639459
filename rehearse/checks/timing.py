"""D…: whether the migration runs to its end, each way, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.checks._check import check, phase, phases
from rehearse.errors import NotMeasured
from rehearse.events import PhaseRan, StatementRan
from rehearse.measures.leftovers import leftovers
from rehearse.model import Finding, Recording, Rule
from rehearse.units import human_duration

_INVALID = (
    "CREATE INDEX CONCURRENTLY failed on the way, by duplicates, a deadlock or a time-out, and nobody looked: let the "
    "migration fail with it, drop the index, mend the rows, and build it again. IF NOT EXISTS hides such a leftover."
)
_LEFT = (
    "Where every statement of DDL commits by itself, put one into each migration, or let each be run again (IF NOT "
    "EXISTS, IF EXISTS, a backfill that asks what is still to do); and write down how what is left is taken away."
)
_REFUSED = (
    "The server cannot do it in the way that ALGORITHM or LOCK asks for, and says why: change in steps that it can do "
    "so, or copy by pt-online-schema-change or gh-ost."
)
_GAVE_UP = (
    "Nobody's fault but the wait's: see what stood in the way, and run it again when that is over; a short "
    "lock_wait_timeout is right, for whoever comes meanwhile queues behind it."
)
# By the engine's code; what is not in it is told by the rule.
_BY_CODE = {
    "1205": _GAVE_UP,
    "55P03": _GAVE_UP.replace("lock_wait_timeout", "lock_timeout"),
    "1799": (
        "The traffic wrote more to the table while it was built than the server keeps for that: raise "
        "innodb_online_alter_log_max_size (it grows to that in tmpdir), change in a quiet hour, or copy by "
        "pt-online-schema-change or gh-ost. A rehearsal with production's rate tells how much is needed."
    ),
    "1845": _REFUSED,
    "1846": _REFUSED,
    "4092": (
        "The table has used up its row versions: write it anew beside the traffic first (ALTER TABLE … FORCE, "
        "ALGORITHM=INPLACE, LOCK=NONE)."
    ),
}
_SHOWN = 6  # things that a finding names


@check(
    Rule(
        code="D001",
        name="duration",
        asks="Does the migration take longer than budget.duration, each way?",
        harm="The release window is over before the migration is.",
        remedy="Split the change so that the long part runs outside the window: batched backfill, concurrent index, "
        "validation later. Rehearse at two or three sizes (--scale) to see how the time grows.",
    ),
    asked=lambda recording: recording.scenario.budget.duration is not None,
)
def duration(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each phase in which the migration acted for too long."""
    allowed = recording.scenario.budget.duration or 0
    for one in phases(recording):
        took = (one.finished_ns or one.ended_ns) - (one.acted_ns or one.at_ns)
        if took > allowed:
            yield Finding(
                code=rule.code,
                phase=one.name,
                where=one.name,
                says=f"{one.name} took {human_duration(took)}, the budget is {human_duration(allowed)}",
                remedy=rule.remedy,
                measured=took / 1e9,
                allowed=allowed / 1e9,
            )


@check(
    Rule(
        code="D002",
        name="forward fails",
        asks="Does the migration run to its end?",
        harm="The release stops half-way, and what ran outside a transaction stays.",
        remedy="Mend the statement that the server refuses; where rows stand in the way, clean them first in a "
        "migration of its own.",
    ),
)
def forward_runs(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield the error of the way forward."""
    forward = phase(recording, "forward")
    if forward is None:
        raise NotMeasured("the migration was not run")
    yield from _failed(forward, rule, _reason(recording, forward))
    yield from _left(recording, rule)
    for name in sorted(_invalid(recording, "forward") - _invalid(recording, "start")):
        says = f"{name} is left INVALID: it is not used by queries, checks nothing, and is kept up by every write"
        yield Finding(code=rule.code, phase="forward", where=name, says=says, remedy=_INVALID)


def _left(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield what a failed way forward left, and whether it can be run again on that."""
    found = leftovers(recording)
    if found is None:
        return
    told = [*dict.fromkeys(one.object for one in found.schema), *found.rows]
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    stays = f"what ran before the failure stays: {', '.join(told[:_SHOWN])}{more}"
    if found.retry is None:
        again = "whether it can be run again on that was not tried"
    elif found.retry.error is None:
        again = "run again on that, it goes to its end"
    else:
        again = f"run again on that, it fails: {found.retry.error}"
    yield Finding(code=rule.code, phase="forward", where="what is left", says=f"{stays}; {again}", remedy=_LEFT)


def _invalid(recording: Recording, state: str) -> set[str]:
    """Return the indexes that the server calls invalid in a state."""
    snapshot = recording.snapshots.get(state)
    objects = snapshot.schema.items() if snapshot else ()
    return {name for name, properties in objects if properties.get("valid") == "no"}


@check(
    Rule(
        code="D003",
        name="back fails",
        asks="Does the way back run to its end?",
        harm="The release cannot be taken back when it must be.",
        remedy="Write and rehearse the down-migration; where there can be none, say `back = false` and plan a restore.",
    ),
    asked=lambda recording: recording.scenario.migration.back is not False,
)
def back_runs(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield the error of the way back, a missing one included; unknown where it was not tried."""
    back = phase(recording, "back")
    if back is None:
        forward = phase(recording, "forward")
        if forward is not None and forward.error:
            raise NotMeasured("the way forward failed, so the way back was not tried")
        raise NotMeasured("no way back was given: name migration.back, or say back = false to accept that")
    yield from _failed(back, rule, _reason(recording, back))


@check(
    Rule(
        code="D004",
        name="again fails",
        asks="Does the migration run a second time after it was taken back?",
        harm="After a roll-back the next release cannot go out: what the way back left over is in the way.",
        remedy="Let the way back remove all that the way forward makes, types, indexes and functions included.",
    ),
    asked=lambda recording: phase(recording, "again") is not None,
)
def again_runs(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield the error of the second way forward."""
    again = phase(recording, "again")
    if again is not None:
        yield from _failed(again, rule, _reason(recording, again))


def _failed(one: PhaseRan, rule: Rule, remedy: str | None) -> Iterator[Finding]:
    if one.error:
        yield Finding(code=rule.code, phase=one.name, where=one.name, says=one.error, remedy=remedy or rule.remedy)


def _reason(recording: Recording, ran: PhaseRan) -> str | None:
    """Return the remedy for the error of a phase's last statement, where its code tells more than that it failed."""
    codes = [
        one.code for one in recording.history.of(StatementRan) if ran.at_ns <= one.at_ns <= ran.ended_ns and one.code
    ]
    return _BY_CODE.get(codes[-1]) if codes else None


CHECKS = (duration, forward_runs, back_runs, again_runs)
