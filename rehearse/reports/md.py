"""report.md: fit for a comment on a pull request, below 60,000 characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from rehearse.model import Recording, Verdict
from rehearse.reports import _words
from rehearse.reports._document import document
from rehearse.reports._escape import fenced, line
from rehearse.reports._escape import markdown as escaped
from rehearse.reports._shape import CompatibilityCell, FindingSeen, Report
from rehearse.reports._shape_fidelity import BehaviourSeen, DataLoss, Difference, Rollback, RuleSeen
from rehearse.reports._shape_phases import Lock, Phase, Statement

MOST = 60_000  # GitHub refuses comments of more than 65,536
_FINDINGS = 30
_ROWS = 40
_SQL = 800
_SAYS = 700


class MarkdownRenderer:
    """Writes the verdict, the phases and every finding; statements, locks and losses are folded away."""

    suffix: ClassVar[str] = ".md"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the text; what does not fit is left out from the end, and that is said."""
        return _fitting(_sections(document(recording, verdict)))


def _fitting(sections: Iterable[str]) -> str:
    text = ""
    for section in sections:
        if len(text) + len(section) > MOST - 200:
            return text + "\n\n_The rest is left out here; report.html has it all._\n"
        text += section
    return text + "\n"


def _sections(report: Report) -> Iterator[str]:
    yield _head(report)
    yield _phases(report.phases)
    yield _no_return(report)
    yield from _findings(report.findings)
    yield "".join(
        f"\n⚠ **{one.code}, rule inferred**: {_text(one.says)}\n" for one in report.integrity.rules if one.warns
    )
    yield _folded("Rules that new columns follow, to declare", _rules(report))
    yield _folded("Hazards that the SQL tells", _hazards(report))
    yield _folded("Statements and locks", _statements(report))
    yield _folded("Locks that were asked for again", _asked_again(report))
    yield _folded("Versions of the application", _compatibility(report))
    yield _folded("What the schema promises and is not so", _invariants(report))
    yield _folded("What the failed migration left", _failure(report))
    yield _folded(_words.not_restored(report.rollback), _rollback(report))
    yield _folded("What was not measured", _not_measured(report))
    yield _foot(report)


def _head(report: Report) -> str:
    symbol = {"passed": "✅", "failed": "❌", "unknown": "❔"}[report.verdict.status]
    word = _words.TITLES[report.verdict.status]
    why = f"{escaped(report.scenario.why)}\n\n" if report.scenario.why else ""
    return f"## {symbol} {escaped(report.scenario.name)}: {word}\n\n**{_text(report.verdict.says)}**\n\n{why}"


def _text(text: str) -> str:
    return escaped(_words.short(text, _SAYS))


def _phases(phases: Sequence[Phase]) -> str:
    rows = [
        [
            phase.name,
            _words.seconds(phase.duration_s),
            _words.closed(phase),
            _words.slow(phase),
            _words.NOT_MEASURED if phase.traffic is None else f"{phase.traffic.failed + phase.traffic.unknown:,}",
            _words.NOT_MEASURED if phase.traffic is None else f"{phase.traffic.missed:,}",
            _words.ended(phase),
        ]
        for phase in phases
    ]
    return _table(["phase", "took", "longest outage", "p99 (× baseline)", "failed", "missed", "migration"], rows) + "\n"


def _asked_again(report: Report) -> str:
    """Return a table of what was tried again while its locks were not free."""
    rows = [
        [
            phase.name,
            one.block,
            one.table or "–",
            f"{one.attempts:,}",
            "yes" if one.got else "no",
            _words.seconds(one.took_s),
            _words.seconds(max(one.waited_ms) / 1000),
            f"{one.queued:,}",
            _words.seconds(one.queued_s),
        ]
        for phase in report.phases
        for one in phase.lock_attempts
    ]
    head = [
        "phase",
        "where",
        "table",
        "attempts",
        "had",
        "until then",
        "longest wait",
        "calls behind it",
        "their waits",
    ]
    return _table(head, rows) if rows else ""


def _compatibility(report: Report) -> str:
    """Return a table of calls against states of the schema, where calls have versions."""
    if not any(one.version for one in report.compatibility):
        return ""
    states = {"start": "before", "forward": "after forward", "back": "after back"}
    head = ["call", "version", *(states[cell.state] for cell in report.compatibility[0].cells)]
    rows = [
        [one.call, one.version or "both", *(_compatible(cell) for cell in one.cells)] for one in report.compatibility
    ]
    return _table(head, rows)


def _compatible(cell: CompatibilityCell) -> str:
    word = (
        f"✗ {cell.code} {cell.message}"
        if cell.outcome == "error"
        else "≠ other columns"
        if cell.outcome != "ok"
        else "✓"
    )
    return word if cell.live else f"{word} (not live)"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([escaped(_words.short(cell, 300)) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _findings(findings: Sequence[FindingSeen]) -> Iterator[str]:
    if findings:
        yield f"\n### {_words.plural(len(findings), 'finding')}\n\n"
    remedies: set[str] = set()
    for one in findings[:_FINDINGS]:
        yield _finding(one, told=one.remedy in remedies)
        remedies.add(one.remedy)
    if len(findings) > _FINDINGS:
        yield f"\n… and {len(findings) - _FINDINGS} more in report.html.\n"


def _finding(one: FindingSeen, *, told: bool) -> str:
    """Return a finding as an item of a list; a remedy that was told above is not repeated."""
    place = f" ({escaped(one.file)})" if one.file else ""
    phase = f" · {escaped(one.phase)}" if one.phase else ""
    remedy = "" if told else f"  \n  _Remedy:_ {_text(one.remedy)}"
    return f"- **{escaped(one.code)} {escaped(one.rule)}**{phase}{place}: {_text(one.says)}{remedy}\n"


def _folded(title: str, text: str) -> str:
    return f"\n<details><summary>{title}</summary>\n\n{text}\n</details>\n" if text else ""


def _rules(report: Report) -> str:
    """Return each rule with the lines that declare it."""
    return "".join(map(_rule, report.integrity.rules[:_ROWS]))


def _rule(one: RuleSeen) -> str:
    says = f"{one.table}.{one.column}, as above" if one.warns else one.says
    return f"- {_text(says)}\n" + (f"\n{fenced(one.effect, 'toml')}\n\n" if one.effect else "")


def _hazards(report: Report) -> str:
    rows = [
        [one.code, one.severity, f"{one.phase} {one.statement}", one.says, _words.proof(one)]
        for one in _words.hazards(report)[:_ROWS]
    ]
    return _table(["code", "would be", "statement", "since", "the rehearsal"], rows) if rows else ""


def _statements(report: Report) -> str:
    log = _words.log(report.scenario.engine)
    return "\n".join(_phase_statements(phase, log) for phase in report.phases if phase.statements)


def _phase_statements(phase: Phase, log: str) -> str:
    longest = sorted(phase.statements, key=lambda one: -one.duration_s)[:_ROWS]
    shown = sorted(longest, key=lambda one: one.n)
    rest = len(phase.statements) + phase.statements_left_out - len(shown)
    more = f"\n… and {_words.plural(rest, 'shorter statement')}.\n" if rest else ""
    return f"**{escaped(phase.name)}**\n\n" + "\n".join(_statement(one, log) for one in shown) + more


def _statement(one: Statement, log: str) -> str:
    sql = one.sql if len(one.sql) <= _SQL else f"{one.sql[:_SQL]} …"
    figures = [_words.seconds(one.duration_s), f"{log} {_words.size(one.wal_bytes)}"]
    figures += [f"binary log {_words.size(one.binlog_bytes)}"] if one.binlog_bytes is not None else []
    figures += [one.algorithm] if one.algorithm else []
    figures += [f"rewrites {', '.join(one.rewrites)}"] if one.rewrites else []
    figures += ["commits what was open before it"] if one.commits else []
    figures += [f"at {one.file}"] if one.file else []
    figures += [f"{'tried again: ' if one.retried else 'FAILED '}{one.error}"] if one.error else []
    locks = _table(["table", "mode", "stops", "waited", "held"], [_lock(lock) for lock in one.locks])
    block = fenced(sql, "sql")
    return f"{one.n}\\. {escaped(_words.short(', '.join(figures), _SAYS))}\n\n{block}\n\n" + (
        locks if one.locks else ""
    )


def _lock(lock: Lock) -> list[str]:
    table = f"{lock.table} ({lock.index})" if lock.index else lock.table
    held = _words.doubted(lock.held_ms, lock.doubt_ms)
    return [table, lock.mode, _words.enough(lock.stops), _words.ms(lock.waited_ms), held]


def _no_return(report: Report) -> str:
    told = _words.no_return(report.rollback)
    return f"\n**Point of no return:** {_text(told)}\n" if told else ""


def _invariants(report: Report) -> str:
    rows = [
        [
            one.state,
            f"{one.kind} {one.name} of {one.table}" + (f" ({one.flaw})" if one.flaw else ""),
            _words.count(one.rows),
            "–" if one.rows_before is None else _words.count(one.rows_before),
            one.error or one.example or "",
        ]
        for one in report.integrity.invariants
    ]
    return _table(["after", "what", "rows that break it", "at the start", "example"], rows[:_ROWS]) if rows else ""


def _failure(report: Report) -> str:
    left = report.failure
    if left is None:
        return ""
    rows = [_difference(one) for one in left.schema] + [[one, "", ""] for one in left.rows]
    more = f"\n… and {len(rows) - _ROWS} more.\n" if len(rows) > _ROWS else ""
    again = f"fails: {escaped(left.retry_error)}" if left.retry_error else "goes to its end"
    told = f"\nRun again on this, it {again}\n" if left.retried else ""
    return _table(["what", "before", "now"], rows[:_ROWS]) + more + told


def _rollback(report: Report) -> str:
    rollback = report.rollback
    rows = [["schema", *_difference(one)] for one in rollback.schema or []]
    rows += [["data", *_loss(one)] for one in rollback.data or []]
    rows += [[f"{one.what} of a call", *_behaves(one)] for one in rollback.behaviour or [] if one.state == "back"]
    rows += [["statistics", one, "there", "none"] for one in rollback.lost_statistics]
    rows += [["physical", *_difference(one)] for one in rollback.physical or []]
    rows += [["again", *_difference(one)] for one in rollback.again or []]
    rows += [["again", *_loss(one)] for one in rollback.again_data or []]
    accepted = "".join(f"Stays filled, not counted: {escaped(one)}\n\n" for one in rollback.accepted)
    accepted += "".join(f"Answers not compared: {escaped(one)}\n\n" for one in rollback.unanswered[:_ROWS])
    if not rows:
        return accepted + _taken(rollback)
    more = f"\n… and {len(rows) - _ROWS} more.\n" if len(rows) > _ROWS else ""
    fidelity = f"Fidelity {escaped(_words.share(rollback.fidelity))}\n\n"
    return fidelity + accepted + _table(["part", "what", "before", "after"], rows[:_ROWS]) + more + _taken(rollback)


def _taken(rollback: Rollback) -> str:
    """Return a table of what did not come back, or of what is gone for good, by statement."""
    rows = [[one.what, one.by] for one in rollback.irreversible or []]
    if not rows:
        return ""
    head = "gone for good" if rollback.schema is None else "taken and not brought back"
    more = f"\n… and {len(rows) - _ROWS} more.\n" if len(rows) > _ROWS else ""
    return "\n" + _table([head, "by"], rows[:_ROWS]) + more


def _difference(one: Difference) -> list[str]:
    return [f"{one.object}: {one.property}", _words.shown(one.before), _words.shown(one.after)]


def _behaves(one: BehaviourSeen) -> list[str]:
    more = "".join(f" ({text})" for text in (one.example, one.cause, "declared" if one.is_meant else None) if text)
    return [f"{one.call}{more}", _words.shown(one.before), _words.shown(one.after)]


def _loss(one: DataLoss) -> list[str]:
    if one.column is None:
        return [one.table, f"{_words.count(one.rows_lost)} rows lost", f"{_words.count(one.rows_left_over)} left over"]
    changed = f"{_words.count(one.values_changed)} values changed"
    return [f"{one.table}.{one.column}", changed, f"{_words.count(one.values_lost)} lost"]


def _not_measured(report: Report) -> str:
    rows = [[one.what, one.reason] for one in report.not_measured]
    return _table(["what", "why"], rows[:_ROWS]) if rows else ""


def _foot(report: Report) -> str:
    scenario, machine = report.scenario, report.environment
    ran = (
        f"{scenario.engine} {scenario.engine_version} ({scenario.via}), scale {scenario.scale:g}, "
        f"seed {scenario.seed}, {scenario.rate_per_s:g} calls/s over {_words.plural(scenario.sessions, 'session')}, "
        f"on {_words.plural(machine.cores, 'core')}; rehearse {machine.rehearse}"
    )
    return f"\n<sub>{escaped(ran)}. Again: {escaped(line(scenario.rerun))}</sub>\n"


RENDERER = MarkdownRenderer()
