"""The migration's statements as looks at pg_stat_activity saw them: for servers whose log cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rehearse.engines.postgres.looks import Activity, Look
from rehearse.events import StatementRan

_CLOCK_NS = 1_000_000


@dataclass(slots=True)
class _Seen:
    """A statement: its beginning is exact, its end is where the state changed or, at the latest, `until_ns`."""

    activity: Activity
    last_ns: int
    ended_ns: int | None = None
    until_ns: int | None = None


class SeenStatements:
    """Follows what the migration's sessions run; what lasts less than an interval between looks may be missed."""

    def __init__(self) -> None:
        self._done: list[_Seen] = []
        self._now: dict[int, _Seen] = {}

    def see(self, look: Look) -> None:
        """Take a look."""
        present = {one.session for one in look.sessions}
        for session in self._now.keys() - present:
            self._over(session, look.until_ns)
        for activity in look.sessions:
            self._note(activity, look)

    def statements(self) -> list[StatementRan]:
        """Return what was seen, in order."""
        seen = [one for one in [*self._done, *self._now.values()] if one.activity.query]
        ordered = sorted(seen, key=lambda one: one.activity.query_ns or 0)
        return [_statement(n, one) for n, one in enumerate(ordered, 1)]

    def began(self, session: int, before_ns: int, after_ns: int) -> int | None:
        """Return when the last statement that a session was seen to begin in a stretch of time began."""
        times: Iterable[int | None] = (
            one.activity.query_ns for one in [*self._done, *self._now.values()] if one.activity.session == session
        )
        return max((time for time in times if time is not None and after_ns <= time <= before_ns), default=None)

    def _note(self, activity: Activity, look: Look) -> None:
        now = self._now.get(activity.session)
        if now is not None and not _is_same(now.activity, activity):
            self._over(activity.session, activity.query_ns or look.until_ns)
            now = None
        if now is None:
            if activity.query_ns is None:
                return
            now = self._now[activity.session] = _Seen(activity, look.from_ns)
        now.last_ns = look.from_ns
        if activity.state != "active":
            now.ended_ns = now.ended_ns or activity.changed_ns

    def _over(self, session: int, until_ns: int) -> None:
        seen = self._now.pop(session)
        seen.until_ns = until_ns
        self._done.append(seen)


def _is_same(one: Activity, other: Activity) -> bool:
    """Say whether two sightings are of one statement; the same moment differs a little when the clock was read anew."""
    if one.query_ns is None or other.query_ns is None:
        return one.query_ns is other.query_ns
    return one.query == other.query and abs(one.query_ns - other.query_ns) < _CLOCK_NS


def _statement(n: int, seen: _Seen) -> StatementRan:
    began = seen.activity.query_ns or seen.last_ns
    until = seen.ended_ns or seen.until_ns or seen.last_ns
    low = seen.ended_ns or max(began, seen.last_ns)
    return StatementRan(
        at_ns=began,
        ended_ns=(low + until) // 2,
        n=n,
        sql=seen.activity.query,
        session=seen.activity.session,
        transaction=None if seen.activity.transaction_ns is None else seen.activity.transaction_ns // 1_000,
        doubt_ns=until - low,
    )
