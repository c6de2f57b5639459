"""The server's clock by brackets."""

from __future__ import annotations

import pytest

from rehearse.engines.postgres.clock import ServerClock, server_ns


def test_the_narrowest_bracket_holds() -> None:
    clock = ServerClock()
    clock.observe(1_000, 501_500, 3_000)  # offset -499,500 ± 1,000
    clock.observe(5_000, 505_050, 5_100)  # offset -500,000 ± 50

    assert clock.monotonic_ns(600_000) == 100_000
    assert clock.doubt_ns == 100


def test_a_clock_that_is_slewed_is_followed_when_old_brackets_have_left() -> None:
    clock = ServerClock()
    clock.observe(0, 1_000, 10)
    for n in range(600):
        clock.observe(n * 100, n * 100 + 9_000, n * 100 + 50)

    assert clock.monotonic_ns(9_000) == 25
    assert clock.set_ns == 0


def test_a_clock_that_is_set_is_followed_at_once_and_told() -> None:
    clock = ServerClock()
    clock.observe(0, 1_000_000, 100)
    clock.observe(1_000, 1_001_000 + 3_000_000_000, 1_100)

    assert clock.monotonic_ns(3_001_001_000) == 1_050
    assert clock.set_ns == 3_000_000_000


def test_a_slow_answer_is_no_clock_that_was_set() -> None:
    clock = ServerClock()
    clock.observe(0, 1_000_000, 100)
    clock.observe(1_000, 1_001_500, 900_001_000)

    assert clock.set_ns == 0


def test_no_time_is_told_before_the_first_bracket() -> None:
    assert ServerClock().doubt_ns is None
    with pytest.raises(ValueError, match="not seen"):
        ServerClock().monotonic_ns(1)


def test_timestamps_are_read_to_the_microsecond() -> None:
    assert server_ns("1970-01-01 00:00:01.000002+00") == 1_000_002_000
    assert server_ns("1970-01-01 00:00:01+00") == 1_000_000_000
