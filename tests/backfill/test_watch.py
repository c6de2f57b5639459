"""What a backfill gives way to, and how long it says that it will take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from rehearse.backfill import Backfill, Ceiling, Standing
from rehearse.backfill.batches import Batch
from rehearse.backfill.control import Pace
from rehearse.backfill.plan import Plan, Range
from rehearse.backfill.postgres import DIALECT
from rehearse.backfill.seams import KeyColumn, Refused, Rows, Target
from rehearse.backfill.watch import Backlog, Watch
from rehearse.errors import Mistake, ServerFailed
from rehearse.units import NS_PER_MS, NS_PER_S

KEY = KeyColumn(name="id", type="bigint", is_whole=True)
TARGET = Target(schema="public", name="t", key=(KEY,), index="t_pkey", rows=100_000)
STATEMENT = "UPDATE t SET v = 1 WHERE v IS NULL"


def plan(**options: object) -> Plan:
    return Plan(Backfill(statement=STATEMENT, **options), DIALECT, DIALECT.read(STATEMENT), TARGET)  # type: ignore[arg-type]


class Answers:
    """A session that answers each query by the next of its rows, and the last again and again."""

    def __init__(self, *rows: Rows) -> None:
        self.rows = list(rows)
        self.asked = threading.Semaphore(0)
        self.is_lost = False

    def ask(self, _query: str, /) -> Rows:
        self.asked.release()
        if self.is_lost:
            raise Refused("the connection is lost", None)
        return self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]

    def tell(self, _statement: str, /) -> int:
        raise AssertionError("nothing is told")

    run = tell


def reason(task: Plan, *rows: Rows) -> str | None:
    """Return why no batch may begin, after the first look."""
    watch = Watch(task, threading.Event())
    with watch.watching(Answers(*rows)):
        return watch.reason


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("5", None),
        ("5.01", "the probe answers 5.01, above 5"),
        (None, "the probe answers no number: SELECT 1"),
        ("many", "the probe answers no number: SELECT 1"),
    ],
)
def test_a_probe_is_waited_for_above_its_ceiling_and_where_it_says_nothing(answer: str, says: str | None) -> None:
    assert reason(plan(ceilings=(Ceiling(query="SELECT 1", most=5),)), [[answer]]) == says


def test_a_lag_that_may_not_be_known_is_not_taken_for_none() -> None:
    found = reason(plan(max_lag_ns=NS_PER_S), [["100", None, "1"]])
    assert found is not None
    assert "may not be known" in found
    assert reason(plan(max_lag_ns=NS_PER_S), [["100", None, "0"]]) is None


def test_a_replica_is_behind_by_the_time_since_the_log_was_where_it_is() -> None:
    backlog = Backlog()
    seen = [backlog.behind_ns(at * NS_PER_S, 100 * at, replica) for at, replica in enumerate((0, 100, 150, 150, 390))]
    assert seen == [0, 0, 1 * NS_PER_S, 2 * NS_PER_S, 1 * NS_PER_S]
    assert backlog.behind_ns(9 * NS_PER_S, 400, 400) == 0
    assert backlog.behind_ns(10 * NS_PER_S, 400, None) == 0


def test_an_idle_log_leaves_no_replica_behind() -> None:
    backlog = Backlog()
    for at in range(50):
        assert backlog.behind_ns(at * NS_PER_S, 100, 100) == 0
    assert backlog.behind_ns(50 * NS_PER_S, 200, 100) == NS_PER_S


def test_a_replica_that_does_not_move_falls_behind_from_the_first_look_on() -> None:
    backlog = Backlog()
    assert [backlog.behind_ns(at * NS_PER_S, 100 + at, 50) for at in range(3)] == [0, NS_PER_S, 2 * NS_PER_S]


@pytest.mark.parametrize(("most_ms", "ease"), [(1e-9, 0.5), (1e9, 1.0)])
def test_a_window_of_latencies_above_their_budget_eases_the_batches(
    monkeypatch: pytest.MonkeyPatch, most_ms: float, ease: float
) -> None:
    monkeypatch.setattr("rehearse.backfill.watch._LATENCY_EVERY_S", 0.0001)
    monkeypatch.setattr("rehearse.backfill.watch._QUIET_LOOKS", 0)
    watch = Watch(plan(latency=Ceiling(query="SELECT 1", most=most_ms)), threading.Event())
    answers = Answers([["1"]])
    pace = Pace(keys=1_000, target_ns=100 * NS_PER_MS)
    assert watch.wait(pace) == pace  # nothing is known yet
    with watch.watching(answers):
        for _ in range(102):
            answers.asked.acquire(timeout=10)
    eased = watch.wait(pace)
    assert eased is not None
    assert eased.ease == ease


def test_a_latency_above_its_budget_before_any_batch_is_a_mistake() -> None:
    watch = Watch(plan(latency=Ceiling(query="SELECT slowly", most=1e-9)), threading.Event())
    with (
        pytest.raises(Mistake, match=r"at its best before any batch was run, above its 1e-09 ms.*: SELECT slowly"),
        watch.watching(Answers([["1"]])),
    ):
        pass


def test_what_cannot_be_asked_any_more_is_no_leave_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearse.backfill.watch._EVERY_S", 0.001)
    answers = Answers([["1"]])
    watch = Watch(plan(ceilings=(Ceiling(query="SELECT 1", most=5),)), threading.Event())
    with watch.watching(answers):
        assert watch.wait(Pace(keys=10, target_ns=None)) is not None
        answers.is_lost = True
        ends = time.monotonic() + 10
        while watch.reason is None:
            assert time.monotonic() < ends
        with pytest.raises(ServerFailed, match="cannot be asked: the connection is lost; the same command goes on"):
            watch.wait(Pace(keys=10, target_ns=None))


def test_the_replica_that_is_furthest_behind_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(url: str) -> Iterator[Replica]:
        yield Replica(float(url))

    monkeypatch.setattr("rehearse.backfill.watch.opened", opened)
    assert reason(plan(max_lag_ns=NS_PER_S, replicas=("0", "999")), []) is None
    assert reason(plan(max_lag_ns=NS_PER_S, replicas=("2500", "0")), []) == "a replica is 2.50 s behind, above 1.00 s"


@dataclass
class Replica:
    behind: float

    def behind_ms(self) -> float:
        return self.behind


def test_what_does_not_answer_for_long_is_no_leave_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearse.backfill.watch._LONGEST_LOOK_S", -1.0)
    monkeypatch.setattr("rehearse.backfill.watch._EVERY_S", 60.0)
    stop = threading.Event()
    watch = Watch(plan(ceilings=(Ceiling(query="SELECT 1", most=5),)), stop)
    with watch.watching(Answers([["1"]])):
        threading.Timer(0.05, stop.set).start()
        assert watch.wait(Pace(keys=10, target_ns=None)) is None
    assert watch.reason == "what is watched does not answer"


def test_a_stop_ends_the_wait() -> None:
    stop = threading.Event()
    watch = Watch(plan(), stop)
    watch.reason = "for ever"
    threading.Timer(0.01, stop.set).start()
    assert watch.wait(Pace(keys=10, target_ns=None)) is None
    assert watch.wait(Pace(keys=10, target_ns=None, pause_ns=3600 * NS_PER_S)) is None


def test_the_time_that_is_left_comes_with_its_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1_000))
    monkeypatch.setattr("rehearse.backfill.progress.time.monotonic", lambda: float(next(now)))
    standing, pace = Standing(), Pace(keys=10, target_ns=None)
    standing.begin(plan(), [Range(number=0)])
    assert standing.time_left() is None
    for keys in (1_000, 500, 1_000, 1_500, 1_000, 1_000, 1_000):
        standing.note(Batch(range=Range(number=0), keys=keys, rows=keys, took_ns=1), pace)
    left = standing.time_left()
    assert left is not None
    assert standing.rate() == 1_000
    assert left.seconds == pytest.approx(93)
    assert 62 < left.least < 93 < left.most < 186


def test_the_ranges_in_sql_hold_every_key_once() -> None:
    """Ranges meet: what one ends with the next begins beyond."""
    target = Target(
        schema="s", name="t", key=(KEY, KeyColumn(name="K", type="text", is_whole=False)), index="i", rows=9
    )
    below = DIALECT.bounds(target, "x", None, ("7", "a'\\"))
    above = DIALECT.bounds(target, "x", ("7", "a'\\"), None)
    assert below == '("x"."id", "x"."K") <= (7, E\'a\'\'\\\\\'::text)'
    assert above == below.replace("<=", ">")
    assert DIALECT.bounds(target, None, None, None) == "TRUE"
