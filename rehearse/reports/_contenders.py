"""A strategy that is compared: the reports of its runs, and where it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rehearse.measures.end_states import EndState
from rehearse.measures.ranking import Sample
from rehearse.model import Scenario, StrategyChoice
from rehearse.reports._comparison_figures import Figure
from rehearse.reports._shape import Report

Status = Literal["passed", "unknown", "failed", "not run"]
NOT_RUN: Status = "not run"
WORST: Sequence[Status] = ("failed", "unknown", "passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run's report, in which round and at which place it ran, and where its reports are, from the comparison's."""

    report: Report
    round: int
    place: int | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A strategy, what is known of its runs, and where it ended; `refused` is why it was not run, or not to the end."""

    name: str
    scenario: Scenario
    runs: Sequence[Ran] = ()
    end: EndState | None = None
    otherwise: Sequence[str] = ()  # where it ended otherwise under traffic than in quiet
    refused: str | None = None

    @property
    def choice(self) -> StrategyChoice | None:
        """The scenario's own words for it."""
        return self.scenario.strategies[0] if len(self.scenario.strategies) == 1 else None

    @property
    def status(self) -> Status:
        """The worst verdict of its runs."""
        statuses = {one.report.verdict.status for one in self.runs}
        return next((one for one in WORST if one in statuses), NOT_RUN)

    @property
    def competes(self) -> bool:
        """Whether it was run and ends where the first does."""
        elsewhere = bool(self.otherwise) or (self.end is not None and self.end.is_elsewhere)
        return bool(self.runs) and not elsewhere

    def sample(self, figure: Figure) -> Sample:
        """Return a figure of its runs."""
        doubts = [figure.doubt(one.report) for one in self.runs]
        return Sample(values=tuple(figure.of(one.report) for one in self.runs), doubt=max(doubts, default=0.0))
