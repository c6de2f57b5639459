"""How risky a migration is, by the first rule that holds of what was rehearsed; the rule is told with the level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rehearse.reports import _words
from rehearse.reports._shape import Report
from rehearse.reports._shape_phases import Phase

Level = Literal["critical", "high", "not known", "medium", "low"]

FELT_MS = 100.0  # a table that is closed for longer is felt: a page makes several calls, and each may wait
_SLOWER = 1.5  # p99 over the baseline's
_LONG_S = 600.0
_PRODUCTION = 0.1  # with a smaller share of production's rows the durations say little of production's
_DATA = ("I", "F")  # codes of the checks about rows and the way back


@dataclass(frozen=True, slots=True)
class Risk:
    """A level, and the words of the rule that gave it."""

    level: Level
    because: str


Holds = Callable[[Report], str | None]  # why the rule holds; None: it does not


def risk(report: Report) -> Risk:
    """Return the level of the first rule that holds; the rules stand in order of their weight."""
    for level, rule, holds in RULES:
        why = holds(report)
        if why is not None:
            return Risk(level, f"{rule}: {why}" if why else rule)
    return Risk("low", LOW)


def _phase(report: Report, name: str) -> Phase | None:
    return next((one for one in report.phases if one.name == name), None)


def _failed(report: Report, *, of_data: bool) -> str | None:
    """Return the first finding of a failed check that is about rows and the way back, or about anything else."""
    failed = {one.code for one in report.verdict.checks if one.status == "failed"}
    found = (one for one in report.findings if one.code in failed and (one.code[0] in _DATA) == of_data)
    first = next(found, None)
    return None if first is None else f"{first.code}, {first.says}"


def _loses_data(report: Report) -> str | None:
    return _failed(report, of_data=True)


def _breaks_its_budget(report: Report) -> str | None:
    return _failed(report, of_data=False)


def _could_not_tell(report: Report) -> str | None:
    return report.verdict.says if report.verdict.status == "unknown" else None


def _cannot_go_back(report: Report) -> str | None:
    if report.rollback.fidelity is None:
        return "the way back was not rehearsed"
    lossy = report.rollback.point_of_no_return
    return lossy.says if lossy is not None and lossy.writes_lost else None


def _is_felt(report: Report) -> str | None:
    forward = _phase(report, "forward")
    if forward is None or forward.outages is None:
        return "for how long tables are closed was not measured"
    at_most = max((one.longest_ms + one.doubt_ms for one in forward.outages), default=0.0)
    return _words.closed(forward) if at_most >= FELT_MS else None


def _slows_down(report: Report) -> str | None:
    forward = _phase(report, "forward")
    times = forward.traffic.slowdown.p99 if forward is not None and forward.traffic else None
    if forward is None or times is None:
        return "how much slower calls are was not measured"
    return _words.slow(forward) if times > _SLOWER else None


def _takes_long(report: Report) -> str | None:
    forward = _phase(report, "forward")
    is_long = forward is not None and forward.duration_s > _LONG_S
    return _words.seconds(forward.duration_s) if forward is not None and is_long else None


def _is_small(report: Report) -> str | None:
    scenario = report.scenario
    if scenario.profile is None or scenario.scale >= _PRODUCTION:
        return None
    return f"{_words.share(scenario.scale)} of the profile's rows"


LOW = "none of the rules for a higher level holds"
RULES: tuple[tuple[Level, str, Holds], ...] = (
    ("critical", "rows, writes or the way back are lost", _loses_data),
    ("high", "the rehearsal failed", _breaks_its_budget),
    ("not known", "the rehearsal could not tell", _could_not_tell),
    ("medium", "there is no lossless way back", _cannot_go_back),
    ("medium", f"a table is closed for {FELT_MS:g} ms or longer", _is_felt),
    ("medium", f"p99 is more than {_SLOWER:g} × the baseline's", _slows_down),
    ("medium", f"it takes longer than {_words.seconds(_LONG_S)}", _takes_long),
    ("medium", f"less than {100 * _PRODUCTION:g} % of production's rows were there", _is_small),
)
