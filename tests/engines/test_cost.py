"""How often an observer may look."""

from __future__ import annotations

from rehearse.engines.postgres.cost import Cost, allowed


def test_on_a_full_machine_looking_takes_less_than_3_percent_of_what_the_server_takes() -> None:
    assert allowed(connected=False, idle=0.01, server=1.5) / 1.5 < 0.03
    assert allowed(connected=True, idle=0.01, server=1.5) / 1.5 < 0.03


def test_on_a_machine_that_is_not_full_looks_come_often() -> None:
    assert allowed(connected=False, idle=0.5, server=0.1) >= 0.05


def test_looks_go_on_where_the_server_hardly_gets_any_time() -> None:
    assert allowed(connected=True, idle=0.0, server=0.01) >= 0.025


def test_the_interval_grows_with_what_a_look_takes() -> None:
    cheap, dear = Cost(None, None), Cost(None, None)
    for _ in range(32):
        quick, slow = cheap.interval_ns(200_000, connected=True), dear.interval_ns(20_000_000, connected=True)

    assert quick < 5_000_000
    assert slow > 100_000_000


def test_one_slow_answer_changes_nothing() -> None:
    cost = Cost(None, None)
    for took in [200_000] * 31 + [500_000_000]:
        interval = cost.interval_ns(took, connected=True)

    assert interval < 5_000_000
