"""Whether the application's calls behave after the way back as at the start: what they answer, and their plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rehearse.events import CallBehaved, CallTried
from rehearse.model import Recording

# Errors that tell nothing: those of class 23 rows are at fault for, the traffic's too; query_canceled and
# lock_not_available are a limit of time.
_NO_ANSWER = ("23", "57014", "55P03")
_CUT_SHORT = _NO_ANSWER[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourDifference:
    """A call that does not behave as at the start. `what`: "result" or "error" of an answer, or "plan".

    `example` are values for which it is so, None for a plan. `cause` says more, where it is known. `is_meant`: a
    declared effect changes what the call reads, so it is not counted.
    """

    state: str  # "forward" | "back"
    call: str
    what: Literal["result", "error", "plan"]
    before: str | None
    after: str | None
    example: str | None = None
    cause: str | None = None
    is_meant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How calls behave after the way back and, for information, after the way forward.

    `fidelity` is the share of the calls whose answers are as at the start; plans do not count. None: no call was asked.
    """

    fidelity: float | None
    differences: tuple[BehaviourDifference, ...]
    unmeasured: tuple[tuple[str, str], ...]  # calls, and why their answers after back could not be compared


def behaviour(recording: Recording) -> Behaviour | None:
    """Return how calls behave after back; None where none was asked then."""
    asked = [one for one in recording.history.of(CallBehaved) if one.state == "back"]
    if not asked:
        return None
    differences = tuple(difference for state in ("back", "forward") for difference in _differences(recording, state))
    measured = {one.call for one in asked if one.asked or (one.reason is None and _is_tried(recording, one.call))}
    others = {one.call for one in differences if one.state == "back" and one.what != "plan" and not one.is_meant}
    return Behaviour(
        fidelity=1.0 - len(others & measured) / len(measured) if measured else None,
        differences=differences,
        unmeasured=tuple((one.call, why) for one in asked if (why := _unmeasured(recording, one)) is not None),
    )


def lost_statistics(recording: Recording) -> tuple[str, ...]:
    """Return the columns, as table.column, that had the planner's statistics at the start and have none after back."""
    found, after = recording.comparison("start", "back"), recording.snapshots.get("back")
    if found is None or after is None:
        return ()
    kept = {f"{table}.{column}" for table, state in after.tables.items() for column in state.columns}
    lost = (
        f"{one.object.removeprefix('table ')}.{column}"
        for one in found.physical
        if one.property == "statistics"
        for column in sorted(_listed(one.before) - _listed(one.after))
    )
    return tuple(name for name in lost if name in kept)


def _listed(text: str | None) -> set[str]:
    return set(text.split(", ")) if text else set()


def _unmeasured(recording: Recording, one: CallBehaved) -> str | None:
    """Say why a call's answers could not be compared, or its trials where it only writes; None: they were."""
    if one.reason is not None or one.asked:
        return one.reason
    trials = (two for two in recording.history.of(CallTried) if two.call == one.call and two.state in ("start", "back"))
    return next((f"its trial got no answer in time: {two.message}" for two in trials if two.code in _CUT_SHORT), None)


def _is_tried(recording: Recording, call: str) -> bool:
    found = [one for one in recording.history.of(CallTried) if one.call == call]
    states = {one.state for one in found if one.code not in _CUT_SHORT}
    return {"start", "back"} <= states


def _differences(recording: Recording, state: str) -> Iterator[BehaviourDifference]:
    for one in recording.history.of(CallBehaved):
        if one.state != state:
            continue
        if one.differs is not None:
            yield BehaviourDifference(
                state=state,
                call=one.call,
                what=one.differs,
                before=one.before,
                after=one.after,
                example=one.values,
                is_meant=one.differs == "result" and _reads_declared(recording, one.call, state),
            )
        else:
            yield from _tried(recording, one.call, state)
        if one.plan_before and one.plan_after and one.plan_before != one.plan_after:
            yield BehaviourDifference(
                state=state,
                call=one.call,
                what="plan",
                before=one.plan_before,
                after=one.plan_after,
                cause=_cause(recording, one),
            )


def _cause(recording: Recording, one: CallBehaved) -> str | None:
    """Say why a plan is another; None: not known."""
    if not one.by_statistics:
        return None
    lost = ", ".join(lost_statistics(recording))
    missing = f" ({lost} {'has' if ', ' not in lost else 'have'} none)" if lost else ""
    return f"the planner's statistics{missing}: after ANALYZE the plans are the same"


def _tried(recording: Recording, call: str, state: str) -> Iterator[BehaviourDifference]:
    """Yield the error that the call ends with now and did not at the start, or the other way round."""
    tried = {one.state: one for one in recording.history.of(CallTried) if one.call == call}
    before, after = tried.get("start"), tried.get(state)
    if before is None or after is None or before.code == after.code:
        return
    if any((one.code or "").startswith(_NO_ANSWER) for one in (before, after)):
        return
    yield BehaviourDifference(
        state=state, call=call, what="error", before=before.message or "ok", after=after.message or "ok"
    )


def _reads_declared(recording: Recording, call: str, state: str) -> bool:
    """Say whether a call touches a table whose declared effect stays in this state."""
    declared = {one.table for one in recording.scenario.migration.effects if state == "forward" or not one.back}
    touches = next((one.touches for one in recording.calls if one.name == call), None)
    return bool(declared) and (touches is None or not declared.isdisjoint(touches))
