"""C…: whether each version of the application works on every state of the schema that it meets."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.checks._check import check
from rehearse.errors import NotMeasured
from rehearse.measures.compatibility import Cell, CompatibleCall, compatibility
from rehearse.model import Finding, Recording, Rule

_WORDS = {
    "start": "on the schema before the migration",
    "forward": "on the schema that the migration leaves",
    "back": "on the schema that the way back leaves",
}
_PHASES = {"start": "baseline", "forward": "forward", "back": "back"}


@check(
    Rule(
        code="C001",
        name="versions fit",
        asks="Does a call fail on a schema while its version of the application is live?",
        harm="While old and new code run side by side, as in every roll-out, users of one of them get errors.",
        remedy="Expand first, so that both versions work (add the new beside the old, fill both), and contract once no "
        "old code runs; or deploy in the other order (workload.deploy).",
    ),
    asked=lambda recording: any(one.version for one in recording.calls),
)
def versions_fit(recording: Recording, rule: Rule) -> Iterator[Finding]:
    """Yield each call of a version that fails where it is live."""
    if not any(one.version for one in recording.calls):
        return
    found = compatibility(recording)
    if not found:
        raise NotMeasured("no call was tried on its own; this engine cannot, or the recording is an old one")
    for one in found:
        for cell in one.cells:
            if one.version and cell.live and cell.outcome == "error":
                yield _finding(rule, one, cell)


def _finding(rule: Rule, one: CompatibleCall, cell: Cell) -> Finding:
    return Finding(
        code=rule.code,
        phase=_PHASES.get(cell.state),
        where=one.call,
        says=f"{one.call!r} of the {one.version} version fails {_WORDS.get(cell.state, cell.state)}: "
        f"{cell.message} ({cell.code})",
        remedy=rule.remedy,
    )


CHECKS = (versions_fit,)
