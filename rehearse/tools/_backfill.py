"""Runs a statement as `rehearse backfill` would, on the migration's own connection, each batch written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from rehearse.backfill import seams
from rehearse.backfill.connections import dialect
from rehearse.backfill.plan import planned
from rehearse.backfill.running import Result, Running
from rehearse.backfill.state import Memory
from rehearse.backfill.task import Backfill
from rehearse.errors import RehearseError
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
    session = _Session(runner, part)
    try:
        with _limited(session, runner.engine, task):
            result = _result(session, runner.engine, task)
    except (RehearseError, seams.Refused) as error:
        raise MigrationFailed(f"{part.place}: {error}") from error
    if result.left:
        keys = ", ".join("/".join(key) for key in result.examples)
        raise MigrationFailed(
            f"{part.place}: {counted(result.left, 'row')} are not right after the backfill, for which its WHERE still "
            f"holds, such as the one with key {keys}"
        )


def _result(session: _Session, engine: str, task: Backfill) -> Result:
    plan = planned(session, dialect(engine, session), task)
    return Running(plan, lambda: nullcontext(session), Memory()).run(session)


@contextmanager
def _limited(session: _Session, engine: str, task: Backfill) -> Iterator[None]:
    """Limit how long statements wait and run, as long as the backfill lasts."""
    spoken = dialect(engine, session)
    wanted = spoken.settings(task.lock_timeout_ns // NS_PER_MS, task.statement_timeout_ns // NS_PER_MS)
    before = session.ask(spoken.current(wanted))[0]
    for name, value in wanted.items():
        session.tell(spoken.setting(name, value))
    try:
        yield
    finally:
        for name, was in zip(wanted, before, strict=True):
            with suppress(seams.Refused):  # a connection that is lost has no settings
                session.tell(spoken.setting(name, str(was)))


class _Session:
    """The migration's connection: the batches are statements of the migration, our own queries are not."""

    def __init__(self, runner: Runner, part: Statement) -> None:
        self._runner = runner
        self._part = part

    def ask(self, query: str, /) -> seams.Rows:
        """Return a query's rows as text."""
        self._check_time()
        with _refusing():
            return self._runner.link.ask(query)

    def tell(self, statement: str, /) -> int:
        """Run a statement of ours."""
        with _refusing():
            return self._runner.link.send(statement, None) or 0

    def run(self, statement: str, /) -> int:
        """Run a statement of a batch, and write it down."""
        from rehearse.tools._split import Statement  # noqa: PLC0415  which reads our markers

        with _refusing():
            return self._runner.retried(Statement(statement, self._part.place))

    def _check_time(self) -> None:
        if self._runner.timed_out:
            raise MigrationFailed(f"{self._runner.timed_out}, in the backfill at {self._part.place}")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise seams.Refused(str(refused), refused.code) from refused
