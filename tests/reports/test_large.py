"""A rehearsal of ten minutes with many statements makes a report of bearable size."""

from __future__ import annotations

import pytest

from rehearse.events import Event
from rehearse.judging import judge
from rehearse.model import Recording
from rehearse.registry import renderer
from rehearse.testing.recordings import lock, phase, recorded, statement, traffic


@pytest.fixture(scope="module")
def long() -> Recording:
    events: list[Event] = [phase("baseline", 0, 60), phase("forward", 100, 700, acted=(110, 690))]
    for n in range(5_000):
        begin = 110 + n * 0.1
        sql = f"update orders set status = 'new' where id between {n} and {n + 999} -- {'x' * 3_000}"
        events.append(statement(n + 1, sql, begin, begin + 0.09, file=f"up.sql:{n + 1}"))
        events.append(lock("orders", begin, begin, begin + 0.09, mode="RowExclusiveLock", stops=(), by=n + 1))
        events.append(lock(f"part_{n % 300}", begin, begin, begin + 0.01, by=n + 1))
    return recorded(events, frames=[traffic(0, 60, rate=100), traffic(100, 700, rate=100, seed=2)])


@pytest.mark.slow
@pytest.mark.parametrize(("form", "most"), [("html", 2_000_000), ("json", 6_000_000), ("md", 60_000)])
def test_a_long_rehearsal_stays_small(long: Recording, form: str, most: int) -> None:
    assert len(renderer(form)(long, judge(long)).encode()) < most
