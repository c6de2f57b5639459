"""The migration's statements from the server's log (jsonlog, log_min_duration_statement = 0 for its role alone).

Durations are exact to the microsecond, their ends to the log's millisecond. A simple query of several statements is one
line there and so one statement here; Parse, Bind and Execute of the extended protocol are folded into one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearse.engines.postgres.clock import ServerClock
from rehearse.engines.postgres.wire import Refused, Wire
from rehearse.events import StatementRan
from rehearse.units import NS_PER_MS, NS_PER_S, counted, human_duration

_DURATION = re.compile(
    r"duration: (?P<ms>[\d.]+) ms  (?P<step>statement|parse|bind|execute)(?: [^:]*)?: (?P<sql>.*)", re.DOTALL
)
_VACUUM = re.compile(r'.*automatic (?:vacuum|analyze) of table "(?P<database>[^."]+)\.(?P<table>[^"]+)"', re.DOTALL)
_MARK = "DO $$ BEGIN RAISE LOG '{}'; END $$"
_ENDS = ("COMMIT", "ROLLBACK", "PREPARE TRANSACTION")
_ZONE_NS = 900 * NS_PER_S  # zones differ by whole quarters of an hour
_PATIENCE_NS = 3 * NS_PER_S
_BRIEFLY_NS = NS_PER_S // 4  # for what is good to know, and no more
Line = Mapping[str, Any]
Began = Callable[[int, int, int], int | None]
"""(session, before_ns, after_ns) -> when the last statement begun in between began, as it was seen."""


class ServerLog:
    """The server's log from the moment this is made; `statements` reads it up to the moment it is called."""

    def __init__(self, path: Path) -> None:
        self.missed: str | None = None  # why lines may be missing
        self._path = path
        self._from = path.stat().st_size

    def statements(
        self, wire: Wire, clock: ServerClock, *, user: str, database: str, began: Began
    ) -> list[StatementRan]:
        """Return what `user` ran in `database`. `began` tells when failed statements began: the log does not."""
        lines, at = self._read(wire, clock, _PATIENCE_NS)
        return folded(
            (line for line in lines if line.get("user") == user and line.get("dbname") == database), at, began
        )

    def cancelled_vacuums(self, wire: Wire, clock: ServerClock, database: str) -> list[tuple[int, str]]:
        """Return when a vacuum that ran by itself was cancelled, since somebody needed its lock, and of which table."""
        lines, at = self._read(wire, clock, _BRIEFLY_NS)
        told = (
            (line, _VACUUM.match(str(line.get("context", ""))))
            for line in lines
            if line.get("message") == "canceling autovacuum task"
        )
        return [
            (at(line), one["table"].removeprefix("public."))
            for line, one in told
            if one and one["database"] == database
        ]

    def _read(self, wire: Wire, clock: ServerClock, patience_ns: int) -> tuple[list[Line], Callable[[Line], int]]:
        """Return all lines up to now, and what tells when a line was written."""
        mark = f"rehearse reads its log {time.monotonic_ns()}"
        written_ns = time.monotonic_ns()
        try:
            wire.rows(_MARK.format(mark))
        except Refused:
            mark = ""
        lines = self._until(mark, patience_ns)
        marked = next((line for line in reversed(lines) if mark and line.get("message") == mark), None)
        zone_ns = 0 if marked is None else _zone(clock.monotonic_ns(_local_ns(marked)) - written_ns)
        return lines, lambda line: clock.monotonic_ns(_local_ns(line)) - zone_ns

    def _until(self, mark: str, patience_ns: int) -> list[Line]:
        """Read lines until the mark is there: the collector writes them a moment after they happen."""
        lines: list[Line] = []
        rest, broken = b"", 0
        deadline = time.monotonic_ns() + patience_ns
        with self._path.open("rb") as file:
            file.seek(self._from)
            while time.monotonic_ns() < deadline:
                *whole, rest = (rest + file.read()).split(b"\n")
                read = [_parsed(text) for text in whole if text]
                lines += [line for line in read if line is not None]
                broken += len(read) - sum(line is not None for line in read)
                if mark and any(line.get("message") == mark for line in lines[-100:]):
                    self.missed = f"{counted(broken, 'line')} of it cannot be read" if broken else self.missed
                    return lines
                time.sleep(0.005)
        self.missed = f"it was not written up to the end within {human_duration(patience_ns)}"
        return lines


def _parsed(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _local_ns(line: Line) -> int:
    """Return a line's time in the middle of its millisecond, as if the log's zone were UTC."""
    stamp = datetime.strptime(str(line["timestamp"])[:23], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    return round(stamp.timestamp() * 1_000) * NS_PER_MS + NS_PER_MS // 2


def _zone(ahead_ns: int) -> int:
    return round(ahead_ns / _ZONE_NS) * _ZONE_NS


@dataclass(slots=True)
class _Session:
    """What is known of a session while its lines are read."""

    ended_ns: int | None = None  # its last statement
    transaction: int | None = None  # the open one
    pending: tuple[str, int] | None = None  # text and beginning of what was parsed or bound


def folded(lines: Iterable[Line], at: Callable[[Line], int], began: Began) -> list[StatementRan]:
    """Return the statements in lines of one user's sessions, numbered by when they began."""
    sessions: dict[int, _Session] = {}
    transactions: dict[tuple[int, str], int] = {}
    found = []
    for line in lines:
        pid = int(line["pid"])
        session = sessions.setdefault(pid, _Session())
        transaction = _transaction(line, pid, session, transactions)
        statement = _statement(line, pid, session, at(line), began)
        if statement is not None:
            late_ns = min(max(0, (session.ended_ns or 0) - statement.at_ns), NS_PER_MS)  # within the log's millisecond
            session.ended_ns = statement.ended_ns + late_ns
            at_ns = statement.at_ns + late_ns
            found.append(replace(statement, at_ns=at_ns, ended_ns=session.ended_ns, transaction=transaction))
    found.sort(key=lambda one: (one.at_ns, one.ended_ns))
    return [replace(one, n=n) for n, one in enumerate(found, 1)]


def _transaction(line: Line, pid: int, session: _Session, known: dict[tuple[int, str], int]) -> int | None:
    """Return a number for the line's transaction; a COMMIT is written when it has already ended."""
    virtual = str(line.get("vxid") or "0")
    if virtual.rpartition("/")[2] != "0":
        session.transaction = known.setdefault((pid, virtual), len(known) + 1)
        return session.transaction
    ended, session.transaction = session.transaction, None
    return ended if line.get("ps") in _ENDS else None


def _statement(line: Line, pid: int, session: _Session, at_ns: int, began: Began) -> StatementRan | None:
    if line.get("error_severity") in ("ERROR", "FATAL", "PANIC") and "statement" in line:
        since = session.ended_ns or 0
        start = began(pid, at_ns, since - 2 * NS_PER_MS) or max(since, at_ns - 10 * NS_PER_MS)
        return _ran(line, pid, str(line["statement"]), start, at_ns)
    told = _DURATION.fullmatch(str(line.get("message", "")))
    if told is None:
        return None
    start = at_ns - round(float(told["ms"]) * NS_PER_MS)
    if told["step"] in ("parse", "bind"):
        if session.pending is None or session.pending[0] != told["sql"]:
            session.pending = (told["sql"], start)
        return None
    if session.pending is not None and session.pending[0] == told["sql"]:
        start = session.pending[1]
    session.pending = None
    return _ran(line, pid, told["sql"], start, at_ns)


def _ran(line: Line, pid: int, sql: str, start: int, end: int) -> StatementRan:
    failed = line.get("error_severity") != "LOG"
    return StatementRan(
        at_ns=min(start, end),
        ended_ns=end,
        n=0,
        sql=sql,
        session=pid,
        error=str(line.get("message")) if failed else None,
        code=str(line.get("state_code")) if failed else None,
        doubt_ns=NS_PER_MS,
    )


def statements_with_effects(
    statements: Iterable[StatementRan],
    wal_at: Callable[[int], float | None],
    rewrites: Mapping[int, tuple[str, ...]] | None,
) -> Iterator[StatementRan]:
    """Yield the statements with the WAL that the server wrote meanwhile (traffic's too) and the tables they rewrote."""
    for one in statements:
        before, after = wal_at(one.at_ns), wal_at(one.ended_ns)
        yield replace(
            one,
            wal_bytes=None if before is None or after is None else round(after - before),
            rewrites=None if rewrites is None else rewrites.get(one.n, ()),
        )
