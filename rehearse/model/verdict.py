"""What is said of it: Rule, Finding, Answer, Verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """passed < unknown < failed; the worst of many wins."""

    PASSED = "passed"
    UNKNOWN = "unknown"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """0 for passed, 1 for unknown, 2 for failed."""
        return ("passed", "unknown", "failed").index(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The words of a check: its code, what it asks, the harm if the answer is no, and the remedy."""

    code: str
    name: str
    asks: str
    harm: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a check's answer is no. `measured` and `allowed` are in the unit that `says` names."""

    code: str
    phase: str | None
    where: str
    says: str
    remedy: str
    measured: float | None = None
    allowed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A check's answer. `reason` says why it is unknown."""

    rule: Rule
    status: Status
    findings: tuple[Finding, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All answers; the worst wins."""

    answers: tuple[Answer, ...]

    @property
    def status(self) -> Status:
        """The worst answer; unknown where nothing was asked."""
        return max((one.status for one in self.answers), key=lambda status: status.rank, default=Status.UNKNOWN)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of the checks."""
        return tuple(finding for answer in self.answers for finding in answer.findings)
