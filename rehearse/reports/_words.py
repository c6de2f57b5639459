"""Figures and words as a reader takes them in: unit, ratio and doubt, and "not measured" for None."""

from __future__ import annotations

from collections import Counter

from rehearse.reports._escape import line
from rehearse.reports._shape import HazardSeen, Loaded, Report
from rehearse.reports._shape_fidelity import Rollback
from rehearse.reports._shape_phases import Phase
from rehearse.units import NS_PER_MS, NS_PER_S, counted, human_count, human_duration, human_size

NOT_MEASURED = "not measured"
TITLES = {"passed": "PASSED", "failed": "FAILED", "unknown": "COULD NOT TELL"}
_ANSWERS = {"passed": "passed", "failed": "failed", "unknown": "could not tell"}
SYMBOLS = {"passed": "✓", "failed": "✗", "unknown": "?"}

# What a mode means to the others: PostgreSQL's names; MySQL's are its own.
MEANINGS = {
    "AccessShareLock": "stops nobody but ACCESS EXCLUSIVE",
    "RowShareLock": "stops nobody but EXCLUSIVE and ACCESS EXCLUSIVE",
    "RowExclusiveLock": "writes beside other writers; stops schema changes that need a quiet table",
    "ShareUpdateExclusiveLock": "lets reads and writes go on; stops other schema changes and VACUUM",
    "ShareLock": "lets reads go on; stops writes",
    "ShareRowExclusiveLock": "lets reads go on; stops writes and other schema changes",
    "ExclusiveLock": "lets plain reads go on; stops writes and SELECT … FOR UPDATE",
    "AccessExclusiveLock": "stops everybody, plain reads too",
    "SHARED_NO_WRITE": "lets reads go on; stops writes",
    "EXCLUSIVE": "stops everybody, plain reads too",
}

# Errors that a migration brings about in the calls beside it.
ERRORS = {
    None: "connection lost",
    "1048": "null where there must be a value",
    "1054": "column is not there",
    "1062": "value is there already",
    "1146": "table is not there",
    "1205": "lock timeout",
    "1213": "deadlock",
    "1317": "statement stopped",
    "1364": "no value where there must be one",
    "1366": "value of the wrong form",
    "1406": "value too long",
    "1412": "table changed within a transaction",
    "1451": "foreign key violated",
    "1452": "foreign key violated",
    "2013": "connection lost",
    "3819": "check violated",
    "4025": "check violated",
    "08006": "connection lost",
    "0A000": "prepared plan no longer fits",
    "22P02": "value of the wrong form",
    "23502": "null where there must be a value",
    "23503": "foreign key violated",
    "23505": "value is there already",
    "23514": "check violated",
    "25P03": "idle in transaction for too long",
    "26000": "prepared statement gone",
    "40001": "serialization failure",
    "40P01": "deadlock",
    "42501": "right is missing",
    "42703": "column is not there",
    "42P01": "table is not there",
    "53300": "too many connections",
    "55P03": "lock timeout",
    "57014": "statement timeout, or cancelled",
    "57P01": "session ended by the server",
}

_LOGS = {"mariadb": "redo log", "mysql": "redo log"}

plural = counted  # "1 call" or "2,000 calls"


def ms(value: float | None) -> str:
    """Return a length that is given in milliseconds, for example "45 ms" or "1.24 s"."""
    if value == 0:
        return "0 ms"
    return NOT_MEASURED if value is None else human_duration(value * NS_PER_MS)


def decade(value: float) -> str:
    """Return a round length in milliseconds as an axis shows it, for example "10 ms" or "1.2 s"."""
    if value >= 1_000:
        return f"{value / 1_000:g} s"
    return f"{value:g} ms" if value >= 1 or value == 0 else f"{value * 1_000:g} µs"


def seconds(value: float | None) -> str:
    """Return a length that is given in seconds."""
    return NOT_MEASURED if value is None else human_duration(value * NS_PER_S)


def doubted(value: float | None, doubt: float) -> str:
    """Return a length in milliseconds with its doubt, which is left out below a hundredth of it.

    Where the doubt is more than half of the length, what is sure is said instead: "2.58 s, at least 80 ms".
    """
    if value is None or doubt <= value / 100:
        return ms(value)
    if doubt > value / 2:
        return f"{ms(value)}, at least {ms(value - doubt)}" if doubt < value else f"up to {ms(value + doubt)}"
    return f"{ms(value)} ± {ms(doubt)}"


def ratio(value: float | None) -> str:
    """Return "3.4 ×"."""
    if value is None:
        return NOT_MEASURED
    return f"{value:,.0f} ×" if value >= 100 else f"{value:.1f} ×"


def share(value: float | None) -> str:
    """Return a share as a percentage; 100 % only where nothing is missing."""
    if value is None:
        return NOT_MEASURED
    if value >= 1:
        return "100 %"
    return f"{min(value * 100, 99.99):.2f} %" if value > 0.99 else f"{value * 100:.1f} %"


def count(value: float | None) -> str:
    """Return 1,234,567."""
    return human_count(value)


def log(engine: str) -> str:
    """Return what an engine's people call the log that its server writes ahead of the tables."""
    return _LOGS.get(engine, "WAL")


def size(value: float | None) -> str:
    """Return "12.3 MB"."""
    return human_size(value)


def shown(text: str | None, missing: str = "(not there)") -> str:
    """Return a text, or a word for an absent one."""
    return missing if text is None else text


def not_restored(rollback: Rollback) -> str:
    """Return the title of what is lost: with a way back or without one."""
    return "What is gone for good" if rollback.schema is None else "What the way back did not restore"


def short(text: str, width: int) -> str:
    """Return a text on one line, cut to a width."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def enough(stops: list[str]) -> str:
    """Return "reads and writes", "writes" or "nothing"."""
    return " and ".join(stops) or "nothing"


def meaning(mode: str) -> str:
    """Return what an engine's mode of a lock means to the others, where that is known."""
    return MEANINGS.get(mode, "")


def error(code: str | None) -> str | None:
    """Return what an error's code means, where it is one of those that migrations bring about."""
    return ERRORS.get(code)


def longest_ms(phase: Phase) -> float | None:
    """Return the longest outage of a phase; 0 where no table was closed, None in the baseline or where not seen."""
    if phase.acted_s is None or phase.outages is None:
        return None
    return max((one.longest_ms for one in phase.outages), default=0.0)


def closed(phase: Phase) -> str:
    """Return the longest outage of a phase in words; a dash in the baseline."""
    if phase.acted_s is None:
        return "–"
    if phase.outages is None:
        return NOT_MEASURED
    if not phase.outages:
        return "none seen"
    worst = phase.outages[0]
    return f"{doubted(worst.longest_ms, worst.doubt_ms)} ({worst.table})"


def ended(phase: Phase) -> str:
    """Say in a word how a phase ended."""
    if phase.acted_s is None:
        return "no migration"
    return "failed" if phase.error else "ran to its end"


def slow(phase: Phase) -> str:
    """Return the p99 of a phase, with its ratio to the baseline."""
    if phase.traffic is None:
        return NOT_MEASURED
    p99 = ms(phase.traffic.latency_ms.p99)
    times = phase.traffic.slowdown.p99
    return p99 if times is None else f"{p99} ({ratio(times)})"


def headline(report: Report) -> str:
    """Return the verdict's word and its sentence."""
    return f"{TITLES[report.verdict.status]}: {report.verdict.says}"


def likeness(data: Loaded) -> str:
    """Return "99.3 %, least orders.status with 91.0 %"."""
    if data.least_similar is None or data.similarity is None:
        return share(data.similarity)
    return f"{share(data.similarity)}, least {line(data.least_similar)} with {share(data.least_similarity)}"


def answers(report: Report) -> str:
    """Return "18 checks: 9 passed, 9 failed"."""
    counts = Counter(_ANSWERS[one.status] for one in report.verdict.checks)
    told = ", ".join(f"{counts[word]:,} {word}" for word in _ANSWERS.values() if counts[word])
    return f"{plural(len(report.verdict.checks), 'check')}: {told or 'nothing was asked'}"


def no_return(rollback: Rollback) -> str | None:
    """Return the point of no return in one sentence, or what blocks the way back; None: not measured."""
    if rollback.blocked is not None:
        return rollback.blocked.says
    return rollback.point_of_no_return.says if rollback.point_of_no_return else None


def hazards(report: Report) -> list[HazardSeen]:
    """Return the hazards that a reader must know of: no notes."""
    return [one for one in report.hazards if one.severity != "note"]


def proof(one: HazardSeen) -> str:
    """Say what the rehearsal made of a hazard."""
    if one.proof == "refuted":
        return f"refuted by the rehearsal: {one.measured}"
    if one.proof == "measured":
        return f"measured: {one.measured}"
    return "told by the text alone"
