"""Runs a statement as `rehearse backfill` would, on the migration's own connection, each batch written down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from rehearse.backfill import seams
from rehearse.backfill.connections import dialect
from rehearse.backfill.plan import planned
from rehearse.backfill.running import Result, Running
from rehearse.backfill.state import Memory
from rehearse.backfill.task import Backfill
from rehearse.errors import RehearseError
from rehearse.events import Remarked
from rehearse.protocols import MigrationFailed
from rehearse.tools._links import Refused
from rehearse.units import NS_PER_MS, counted

if TYPE_CHECKING:
    from rehearse.tools._runner import Runner
    from rehearse.tools._split import Statement


def run(runner: Runner, part: Statement, task: Backfill) -> None:
    """Run a backfill to its end; MigrationFailed says where the server refused it, or what is not right at its end.

    Its state is in memory: a migration that fails is run again from its beginning.
    """
    try:
        with _limited(_Session(runner, part, runner), task) as session:
            result = _result(session, task)
    except (RehearseError, seams.Refused) as error:
        raise MigrationFailed(f"{part.place}: {error}") from error
    if result.left:
        keys = ", ".join("/".join(key) for key in result.examples)
        raise MigrationFailed(
            f"{part.place}: {counted(result.left, 'row')} are not right after the backfill, for which its WHERE still "
            f"holds, such as the one with key {keys}"
        )
    if result.coming and runner.journal is not None:
        says = (
            f"{part.place}: rows keep coming that the backfill has to do ({counted(result.coming, 'row')} in its last "
            "look); those that come later stay as they are: have a default, a trigger or the application fill them"
        )
        runner.journal.write(Remarked(at_ns=time.monotonic_ns(), source="tool", says=says))


def _result(session: _Session, task: Backfill) -> Result:
    plan = planned(session, session.dialect(), task)
    if task.workers > 1:
        return Running(plan, lambda: _another(session, task), Memory()).run(session)
    return Running(plan, lambda: nullcontext(session), Memory()).run(session)


@contextmanager
def _another(session: _Session, task: Backfill) -> Iterator[_Session]:
    """Open one more connection for a worker."""
    assert session.runner.more is not None
    with session.runner.more() as runner, _limited(_Session(runner, session.part, session.runner), task) as worker:
        yield worker


@contextmanager
def _limited(session: _Session, task: Backfill) -> Iterator[_Session]:
    """Limit how long a session's statements wait and run, as long as the backfill lasts."""
    spoken = session.dialect()
    wanted = spoken.settings(task.lock_timeout_ns // NS_PER_MS, task.statement_timeout_ns // NS_PER_MS)
    before = session.ask(spoken.current(wanted))[0]
    for name, value in wanted.items():
        session.tell(spoken.setting(name, value))
    try:
        yield session
    finally:
        for name, was in zip(wanted, before, strict=True):
            with suppress(seams.Refused):  # a connection that is lost has no settings
                session.tell(spoken.setting(name, str(was)))


class _Session:
    """A connection of the migration: the batches are statements of the migration, our own queries are not.

    `first` is the runner whose time-out ends all of them.
    """

    def __init__(self, runner: Runner, part: Statement, first: Runner) -> None:
        self.runner = runner
        self.part = part
        self._first = first
        self._spoken: seams.Dialect | None = None

    def dialect(self) -> seams.Dialect:
        """Return how the server is spoken to."""
        if self._spoken is None:
            self._spoken = dialect(self.runner.engine, self)
        return self._spoken

    def ask(self, query: str, /) -> seams.Rows:
        """Return a query's rows as text."""
        self._check_time()
        with _refusing():
            return self.runner.link.ask(query)

    def tell(self, statement: str, /) -> int:
        """Run a statement of ours."""
        with _refusing():
            return self.runner.link.send(statement, None) or 0

    def run(self, statement: str, /) -> int:
        """Run a statement of a batch, and write it down."""
        from rehearse.tools._split import Statement  # noqa: PLC0415  which reads our markers

        with _refusing():
            return self.runner.tried(Statement(statement, self.part.place), self.dialect().is_worth_a_retry)

    def together(self, statements: Sequence[str], query: str | None = None, /) -> tuple[Sequence[int], seams.Rows]:
        """Do each by itself: each is a statement of the migration."""
        return seams.one_by_one(self, statements, query)

    def _check_time(self) -> None:
        if self._first.timed_out:
            raise MigrationFailed(f"{self._first.timed_out}, in the backfill at {self.part.place}")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise seams.Refused(str(refused), refused.code) from refused
