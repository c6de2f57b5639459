"""A session of the application turns all that befalls it into an outcome, and an outcome is true of the rows."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import cast
from unittest import SkipTest

from rehearse import registry
from rehearse.events import Outcome
from rehearse.protocols import Database, Role, Server, Session, SessionAnswer
from rehearse.testing.engine_suite.subject import LIMIT_S, Subject, await_that, fresh, run

_TRIES = 10  # a deadlock needs both to hold their first row: on a busy machine one may be done before the other begins
_THINKS_NS = 200_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of call; see `protocols.Call`."""

    statements: Sequence[str]
    tells: Sequence[int | None]
    writes: bool = True
    think_ns: int = 0
    name: str = "a call"


_READ = Call(["select n from sums where id = $1"], [1], writes=False)
_ADD = Call(["update sums set n = n + 1 where id = $1"], [0])
_INSERT = Call(["insert into sums (id, n) values ($1, $2)"], [0])
_BOTH = Call([_ADD.statements[0], _INSERT.statements[0]], [0, 0])
_TWO = Call([_ADD.statements[0], _ADD.statements[0]], [0, 0], think_ns=_THINKS_NS)


def an_answer_tells_what_was_read_and_written(subject: Subject, server: Server) -> None:
    """See that what is OK is there, with the number of rows and the values that were asked for."""
    with _sums(subject, server) as database, _session(subject, database, _READ, _ADD) as session:
        assert _told(session, 1, [b"1"]) == (Outcome.OK, [(1, [])])
        assert _told(session, 1, [b"99"]) == (Outcome.OK, [(0, [])])
        assert _told(session, 0, [b"1"]) == (Outcome.OK, [(1, [["1"]])])
        assert _values(subject, database) == {1: 1, 2: 0}


def a_refused_call_is_an_outcome_and_leaves_nothing(subject: Subject, server: Server) -> None:
    """See that a refusal has the engine's number, undoes the whole call, and does not harm the next."""
    with _sums(subject, server) as database, _session(subject, database, _INSERT, _BOTH, _ADD) as session:
        refused = _answer(session, 0, [b"2", b"5"])
        assert (refused.outcome, refused.code) == (Outcome.FAILED, subject.words.codes.duplicate)
        assert refused.message
        both = _answer(session, 1, [b"1"], [b"2", b"5"])
        assert (both.outcome, both.code) == (Outcome.FAILED, subject.words.codes.duplicate)
        assert _answer(session, 1, [b"1"], [b"3", b"5"]).outcome == Outcome.OK
        assert _answer(session, 2, [b"2"]).outcome == Outcome.OK
        assert _values(subject, database) == {1: 1, 2: 1, 3: 5}


def a_deadlock_is_an_outcome_of_one_and_the_other_goes_on(subject: Subject, server: Server) -> None:
    """See that of two transactions that wait for each other's rows one fails, and its first half is undone."""
    if subject.words.codes.deadlock is None:
        raise SkipTest("this engine has no deadlocks")
    with (
        _sums(subject, server) as database,
        _session(subject, database, _TWO) as one,
        _session(subject, database, _TWO) as other,
    ):
        done = 0
        for _ in range(_TRIES):
            one.send(0, [[b"1"], [b"2"]])
            other.send(0, [[b"2"], [b"1"]])
            answers = _answers(one, other)
            done += sum(answer.outcome == Outcome.OK for answer in answers)
            assert _values(subject, database) == {1: done, 2: done}
            if failed := [answer.code for answer in answers if answer.outcome != Outcome.OK]:
                assert failed == [subject.words.codes.deadlock]
                return
    raise AssertionError(f"in {_TRIES} tries no deadlock came about")


def a_wait_that_is_too_long_is_an_outcome(subject: Subject, server: Server) -> None:
    """See that a call that gives up its wait for a row has failed, and that its session goes on."""
    with (
        _sums(subject, server) as database,
        _session(subject, database, _ADD, **subject.words.impatient) as session,
        subject.open(database, Role.MIGRATION) as holder,
    ):
        run(holder, "begin")
        run(holder, "update sums set n = 0 where id = 1")
        failed = _answer(session, 0, [b"1"])
        assert (failed.outcome, failed.code) == (Outcome.FAILED, subject.words.codes.timeout)
        run(holder, "rollback")
        assert _answer(session, 0, [b"1"]).outcome == Outcome.OK
        assert _values(subject, database) == {1: 1, 2: 0}


def a_lost_connection_is_an_outcome_and_the_session_comes_back(subject: Subject, server: Server) -> None:
    """See that a write whose connection was ended is not OK, that FAILED is true of it, and that the next one works."""
    with (
        _sums(subject, server) as database,
        _session(subject, database, _ADD) as session,
        subject.open(database, Role.MIGRATION) as holder,
    ):
        run(holder, "begin")
        run(holder, "update sums set n = 0 where id = 1")
        session.send(0, [[b"1"]])
        await_that(lambda: _advanced(session) is None and _waiting(subject, database) == 1, "the write waits")
        database.end_sessions(Role.APPLICATION)
        (lost,) = _answers(session)
        assert lost.outcome in (Outcome.FAILED, Outcome.UNKNOWN)
        run(holder, "rollback")
        left = _values(subject, database)[1]
        assert left == 0 or lost.outcome == Outcome.UNKNOWN
        _until(lambda: session.ready, [session])
        assert _answer(session, 0, [b"1"]).outcome == Outcome.OK
        assert _values(subject, database) == {1: left + 1, 2: 0}


PROMISES = (
    an_answer_tells_what_was_read_and_written,
    a_refused_call_is_an_outcome_and_leaves_nothing,
    a_deadlock_is_an_outcome_of_one_and_the_other_goes_on,
    a_wait_that_is_too_long_is_an_outcome,
    a_lost_connection_is_an_outcome_and_the_session_comes_back,
)


@contextmanager
def _sums(subject: Subject, server: Server) -> Iterator[Database]:
    """Make a database with the table that the calls write to."""
    with fresh(server, "sessions") as database:
        subject.ask(
            database.url(Role.MIGRATION),
            "create table sums (id int primary key, n int)",
            "insert into sums (id, n) values (1, 0), (2, 0)",
        )
        database.grant()
        yield database


@contextmanager
def _session(subject: Subject, database: Database, *calls: Call, **settings: str) -> Iterator[Session]:
    """Connect a session with its calls."""
    if not registry.has_part("engine", subject.choice.name, "session"):
        raise SkipTest("this engine has no sessions of its own")
    part = registry.part("engine", subject.choice.name, "session")
    connect = cast("Callable[[str, Sequence[Call], Mapping[str, str]], Session]", part.connect)
    with ExitStack() as opened:
        session = connect(database.url(Role.APPLICATION), calls, settings)
        opened.callback(session.close)
        _until(lambda: session.ready, [session])
        yield session


def _advanced(session: Session) -> SessionAnswer | None:
    """Go on as soon as there is something to go on with, or in a moment."""
    if session.fileno() >= 0:
        select.select([session], [], [], 0.0 if session.restless else 0.005)
    return session.advance()


def _until(is_so: Callable[[], bool], sessions: Sequence[Session]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"no session within {LIMIT_S:.0f} s: {sessions[0].trouble}"
        for one in sessions:
            _advanced(one)
        time.sleep(0.001)


def _answers(*sessions: Session) -> list[SessionAnswer]:
    """Return the answers to what was sent on these sessions."""
    found: dict[int, SessionAnswer] = {}
    deadline = time.monotonic() + LIMIT_S
    while len(found) < len(sessions):
        assert time.monotonic() < deadline, f"no answer within {LIMIT_S:.0f} s"
        for place, session in enumerate(sessions):
            if place not in found and (answer := _advanced(session)):
                found[place] = answer
    return [found[place] for place in range(len(sessions))]


def _answer(session: Session, call: int, *values: Sequence[bytes | None]) -> SessionAnswer:
    _until(lambda: session.ready, [session])
    session.send(call, values)
    (answer,) = _answers(session)
    return answer


def _told(session: Session, call: int, *values: Sequence[bytes | None]) -> tuple[Outcome, Sequence[object]]:
    answer = _answer(session, call, *values)
    return answer.outcome, list(answer.told)


def _values(subject: Subject, database: Database) -> dict[int, int]:
    found = subject.ask(database.url(Role.OWNER), "select id, n from sums")
    return {int(number): int(value) for number, value in found}


def _waiting(subject: Subject, database: Database) -> int:
    return int(subject.ask(database.url(Role.OWNER), subject.words.waiting)[0][0])
