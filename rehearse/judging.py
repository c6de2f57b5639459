"""judge(recording) -> Verdict: every check that is asked gives an answer; one that breaks answers "unknown"."""

from __future__ import annotations

from collections.abc import Sequence

from rehearse.checks import CHECKS
from rehearse.errors import NotMeasured
from rehearse.model import Answer, Recording, Status, Verdict
from rehearse.protocols import Check


def judge(recording: Recording, *, checks: Sequence[Check] = CHECKS) -> Verdict:
    """Return the answers to all checks that the scenario asks; needs no server."""
    return Verdict(answers=tuple(answer(check, recording) for check in checks if check.asked(recording)))


def answer(check: Check, recording: Recording) -> Answer:
    """Return one check's answer.

    Findings outweigh a part that could not be measured: what was seen is enough to fail.
    """
    findings = []
    reason = None
    try:
        for finding in check(recording):
            findings.append(finding)  # noqa: PERF402  kept one by one: the check may raise after some
    except NotMeasured as unmeasured:
        reason = str(unmeasured)
    except Exception as error:
        reason = f"the check itself broke: {type(error).__name__}: {error}"
    if findings:
        return Answer(rule=check.rule, status=Status.FAILED, findings=tuple(findings), reason=reason)
    return Answer(rule=check.rule, status=Status.UNKNOWN if reason else Status.PASSED, reason=reason)
