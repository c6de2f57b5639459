"""What one run at one size showed: its statements, outages, disk and log; small enough to keep, and JSON both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rehearse.events import LockTaken, LockWaited, PhaseRan, Progressed, Remarked, StatementRan
from rehearse.forecast.kinds import kind_of
from rehearse.measures.load import load
from rehearse.measures.outage import outages
from rehearse.model import Recording
from rehearse.units import NS_PER_S

QUIET, TRAFFIC, LITTLE_MEMORY = "quiet", "traffic", "little memory"

_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_NUMBER = re.compile(r"(?<![\w$])\d+(?:\.\d+)?(?![\w$])")
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A statement: it worked for `work_s`, and waited for locks (`waited_s`) and for a core (`queued_s`)."""

    key: str  # its text without literals
    sql: str
    kind: str
    rewrites: tuple[str, ...]
    work_s: float
    waited_s: float
    queued_s: float = 0.0
    rows: int | None = None
    log_bytes: int | None = None  # WAL or binary log
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A table that was closed to reads or to writes; `inside` is how long each statement ran meanwhile."""

    table: str
    stops: str
    longest_s: float
    total_s: float
    doubt_s: float
    inside: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A run of one phase at the share `x` of the target's rows. None: not measured."""

    x: float
    phase: str
    under: tuple[str, ...]
    rows: dict[str, int]
    sizes: dict[str, int]
    seconds: float
    statements: tuple[Ran, ...]
    closed: tuple[Closed, ...] | None  # None: locks were not seen
    disk_bytes: float | None
    log_bytes: float | None
    temp_bytes: float | None
    checkpoints: int | None
    grown_bytes: float = 0.0  # what indexes and new columns added to the tables that were not written anew
    error: str | None = None

    @property
    def queued_s(self) -> float:
        """For how long its statements waited for a core."""
        return sum(one.queued_s for one in self.statements)

    @property
    def free_s(self) -> float:
        """What it would have taken with a core to itself."""
        return max(self.seconds - self.queued_s, 0.0)


def seen(
    recording: Recording,
    phase: str,
    *,
    x: float,
    under: Sequence[str],
    rows: dict[str, int],
    before: dict[str, int],
    after: dict[str, int],
) -> Seen:
    """Return the figures of a phase of a recording; `before` and `after` are sizes by table."""
    ran = next(one for one in recording.history.of(PhaseRan) if one.name == phase)
    begin, end = ran.acted_ns or ran.at_ns, ran.finished_ns or ran.ended_ns
    took = load(recording, ran)
    statements = tuple(_statements(recording, ran))
    spans = [(one.at_ns, one.ended_ns) for one in _within(recording, ran)]
    logged = [one.log_bytes for one in statements if one.log_bytes is not None]
    anew = {name for one in statements for name in one.rewrites}
    grown = float(sum(max(size - before.get(name, 0), 0) for name, size in after.items() if name not in anew))
    written = grown + sum(after.get(name, before.get(name, 0)) for name in anew)
    return Seen(
        x=x,
        phase=phase,
        under=tuple(under),
        rows=rows,
        sizes=before,
        seconds=(end - begin) / NS_PER_S,
        statements=statements,
        closed=None
        if _is_blind(recording)
        else tuple(
            Closed(
                table=one.table,
                stops=one.stops,
                longest_s=one.longest_ns / NS_PER_S,
                total_s=one.total_ns / NS_PER_S,
                doubt_s=one.doubt_ns / NS_PER_S,
                inside=tuple(sum(_overlap_ns(span, window) for window in one.windows) / NS_PER_S for span in spans),
            )
            for one in outages(recording, phase)
        ),
        disk_bytes=max(written, (took.disk_extra if took else None) or 0.0),
        log_bytes=sum(logged) if len(logged) == len(statements) else took.wal_bytes if took else None,
        temp_bytes=took.temp_bytes if took else None,
        checkpoints=took.checkpoints if took else None,
        grown_bytes=grown,
        error=ran.error,
    )


def without_literals(sql: str) -> str:
    """Return a statement's text as its likes have it too: without comments, texts and numbers, on one line."""
    bare = _NUMBER.sub("?", _TEXT.sub("?", _NOISE.sub(" ", sql)))
    return " ".join(_LIST.sub("(?)", bare).split())


def _statements(recording: Recording, phase: PhaseRan) -> Iterator[Ran]:
    waits = [one for one in recording.history.of(LockWaited) if one.role == "migration"]
    progress = recording.history.of(Progressed)
    for one in _within(recording, phase):
        span = (one.at_ns, one.ended_ns)
        waited = sum(_overlap_ns(span, (wait.at_ns, wait.ended_ns)) for wait in waits if wait.session == one.session)
        queued = min(one.queued_ns or 0, max(one.ended_ns - one.at_ns - waited, 0))
        commands = [each.command for each in progress if each.session == one.session and _inside(each, one)]
        yield Ran(
            key=without_literals(one.sql),
            sql=one.sql,
            kind=kind_of(one, commands).name,
            rewrites=one.rewrites or (),
            work_s=max(one.ended_ns - one.at_ns - waited - queued, 0) / NS_PER_S,
            waited_s=waited / NS_PER_S,
            queued_s=queued / NS_PER_S,
            rows=one.rows,
            log_bytes=one.wal_bytes if one.wal_bytes is not None else one.binlog_bytes,
            error=one.error,
        )


def _is_blind(recording: Recording) -> bool:
    """Say whether locks went unseen: the observer says so, or statements ran and no lock at all was seen."""
    history = recording.history
    weak = any(one.source == "locks" and one.weakens for one in history.of(Remarked))
    return weak or (bool(history.of(StatementRan)) and not history.of(LockTaken))


def _within(recording: Recording, phase: PhaseRan) -> list[StatementRan]:
    return [one for one in recording.history.of(StatementRan) if phase.at_ns <= one.at_ns <= phase.ended_ns]


def _overlap_ns(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _inside(part: Progressed, statement: StatementRan) -> bool:
    return part.at_ns < statement.ended_ns and part.ended_ns > statement.at_ns
