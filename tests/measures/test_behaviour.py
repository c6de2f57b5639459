"""How calls behave after back, on recordings made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rehearse.events import CallTried, Event
from rehearse.measures.behaviour import behaviour, lost_statistics
from rehearse.measures.fidelity import rollback
from rehearse.measures.latency import after_back
from rehearse.model import PropertyDifference, Recording
from rehearse.testing import recordings as hand

TABLES = {"orders": 1_000}


def recording(*events: Event, statistics: tuple[str, str | None] | None = None) -> Recording:
    compared = hand.same("start", "back", TABLES)
    if statistics:
        lost = PropertyDifference(
            object="table orders", property="statistics", before=statistics[0], after=statistics[1]
        )
        compared = replace(compared, physical=(lost,))
    return hand.recorded(
        [
            hand.phase("baseline", 4, 9),
            hand.phase("back", 15, 19, acted=(16, 17)),
            hand.phase("again", 20, 24, acted=(21, 22)),
            *events,
        ],
        frames=[hand.traffic(4, 9), hand.traffic(15, 19, first_number=2_000), hand.traffic(20, 24, first_number=4_000)],
        snapshots={name: hand.snapshot(name, 3, TABLES) for name in ("start", "back")},
        comparisons=[compared],
    )


def tried(state: str, code: str | None, call: str = "place order") -> CallTried:
    return CallTried(at_ns=hand.at(20), state=state, call=call, code=code, message=code and "no such column")


def test_the_share_of_calls_that_answer_as_before_counts_and_is_part_of_fidelity() -> None:
    write = hand.behaved("back", call="place order", asked=0)
    found = recording(hand.behaved("back", differs="result"), write, tried("start", None), tried("back", None))
    measured = behaviour(found)
    assert measured is not None
    assert measured.fidelity == 0.5
    assert [(one.call, one.what, one.example) for one in measured.differences] == [("read order", "result", "17")]
    assert (rollback(found).fidelity, rollback(found).behaviour_fidelity) == (0.5, 0.5)


def test_plans_are_listed_and_do_not_count() -> None:
    plans = ("Index Scan using a on orders", "Seq Scan on orders")
    found = recording(hand.behaved("back", plans=plans, by_statistics=True), statistics=("id, note, gone", "id"))
    measured = behaviour(found)
    assert measured is not None
    assert measured.fidelity == 1.0
    (one,) = measured.differences
    assert (one.what, one.before, one.after) == ("plan", *plans)
    assert one.cause is not None
    assert "orders.note has none" in one.cause
    assert lost_statistics(found) == ("orders.note",)


@pytest.mark.parametrize(
    ("before", "after", "fidelity"),
    [(None, "42703", 0.0), ("42703", "42703", 1.0), (None, "23505", 1.0), ("42P01", None, 0.0)],
)
def test_a_call_that_fails_otherwise_counts_unless_rows_are_at_fault(
    before: str | None, after: str | None, fidelity: float
) -> None:
    write = hand.behaved("back", call="place order", asked=0)
    measured = behaviour(recording(write, tried("start", before), tried("back", after)))
    assert measured is not None
    assert measured.fidelity == fidelity


@pytest.mark.parametrize(("before", "after"), [("57014", "57014"), (None, "57014"), ("55P03", None)])
def test_a_call_that_was_cut_short_is_no_part_of_the_share(before: str | None, after: str | None) -> None:
    write = hand.behaved("back", call="place order", asked=0)
    measured = behaviour(recording(write, tried("start", before), tried("back", after)))
    assert measured is not None
    assert (measured.fidelity, measured.differences) == (None, ())
    assert measured.unmeasured == (("place order", "its trial got no answer in time: no such column"),)


def test_calls_that_could_not_be_compared_are_no_part_of_the_share() -> None:
    measured = behaviour(recording(hand.behaved("back", reason="it reads items")))
    assert measured is not None
    assert (measured.fidelity, measured.unmeasured) == (None, (("read order", "it reads items"),))
    assert behaviour(recording(hand.behaved("forward"))) is None


def test_latencies_after_back_are_those_between_its_act_and_the_next() -> None:
    assert sum(one.due for one in after_back(recording())) == 2 * 200 + 200
