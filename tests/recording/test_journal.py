"""The journal keeps what is written, in the order of time."""

from __future__ import annotations

from rehearse.events import CallEnded, Event, Outcome, Remarked, Sampled
from rehearse.recording.journal import ListingJournal, frame_of


def call(at_ns: int) -> CallEnded:
    return CallEnded(at_ns=at_ns, call="read", session=1, sent_ns=at_ns, done_ns=at_ns + 1, outcome=Outcome.OK)


def test_rare_facts_come_back_in_the_order_of_time() -> None:
    journal = ListingJournal()
    for at_ns in (3, 1, 2):
        journal.write(Remarked(at_ns=at_ns, source="a", says="b"))
    assert [one.at_ns for one in journal.close().of(Remarked)] == [1, 2, 3]


def test_dense_facts_join_objects_and_frames() -> None:
    journal = ListingJournal()
    journal.write(call(5))
    journal.write_frame(CallEnded, frame_of(CallEnded, [call(2), call(9)]))
    facts = journal.close()
    assert list(facts.frame(CallEnded)["at_ns"]) == [2, 5, 9]
    assert [one.done_ns for one in facts.of(CallEnded)] == [3, 6, 10]


def test_a_kind_that_nobody_wrote_is_an_empty_frame() -> None:
    frame = ListingJournal().close().frame(Sampled)
    assert len(frame) == 0
    assert list(frame.columns) == ["at_ns", "name", "value"]


def test_closing_takes_nothing_away() -> None:
    journal = ListingJournal()
    journal.write(call(1))
    journal.close()
    journal.write(call(2))
    assert len(journal.close().frame(CallEnded)) == 2


def test_a_listener_hears_rare_facts_only() -> None:
    heard: list[Event] = []
    journal = ListingJournal(heard.append)
    journal.write(call(1))
    journal.write(Remarked(at_ns=1, source="a", says="b"))
    assert [type(one) for one in heard] == [Remarked]
