"""Load from samples by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rehearse.events import PhaseRan, Sampled
from rehearse.measures.load import lag_s, load
from rehearse.model import Recording
from rehearse.testing.recordings import at, phase, recorded

FORWARD = phase("forward", 10, 20, acted=(12, 16))


def sampled(name: str, *points: tuple[float, float]) -> list[Sampled]:
    """Return samples four times a second, on straight lines between the points."""
    times = np.arange(points[0][0], points[-1][0] + 0.01, 0.25)
    values = np.interp(times, *zip(*points, strict=True))
    return [Sampled(at_ns=at(seconds), name=name, value=value) for seconds, value in zip(times, values, strict=True)]


def test_an_act_that_is_shorter_than_samples_are_apart_is_not_measured_by_them() -> None:
    short = phase("forward", 10, 20, acted=(12.05, 12.25))
    rough = sampled("server cpu", (10, 0), (20, 5))
    fine = [Sampled(at_ns=at(12 + n / 50), name="wal", value=1_000.0 * max(0, n - 4)) for n in range(30)]
    found = load(*measured(*rough, *fine, ran=short))
    assert found is not None
    assert found.server_cores is None
    assert found.wal_bytes == pytest.approx(8_500)


def test_a_counter_that_was_set_back_tells_nothing() -> None:
    samples = sampled("temp", (10, 900), (13, 900)) + sampled("temp", (13.25, 0), (20, 10))
    found = load(*measured(*samples))
    assert found is not None
    assert found.temp_bytes is None


def test_what_grew_at_the_very_end_is_seen_in_the_sample_after_it() -> None:
    sizes = [*sampled("size", (10, 100), (15.75, 100)), *sampled("size", (16.25, 180), (20, 180))]
    found = load(*measured(*sizes, *sampled("temp files", (10, 0), (20, 0))))
    assert found is not None
    assert found.disk_extra == pytest.approx(80)


def measured(*samples: Sampled, ran: PhaseRan = FORWARD) -> tuple[Recording, PhaseRan]:
    return recorded([ran, *samples]), ran


def test_only_the_migrations_act_counts() -> None:
    found = load(*measured(*sampled("wal", (10, 0), (12, 1_000), (14, 9_000), (16, 9_000), (20, 50_000))))
    assert found is not None
    assert found.seconds == pytest.approx(4)
    assert found.wal_bytes == pytest.approx(8_000)
    assert found.wal_peak == pytest.approx(4_000)


def test_the_whole_baseline_counts() -> None:
    found = load(*measured(*sampled("wal", (10, 0), (20, 5_000)), ran=phase("baseline", 10, 20)))
    assert found is not None
    assert found.wal_bytes == pytest.approx(5_000)


def test_what_was_not_sampled_is_not_measured_and_nothing_is_0() -> None:
    found = load(*measured(*sampled("wal", (10, 0), (20, 0))))
    assert found is not None
    assert found.wal_bytes == 0
    assert (found.server_cores, found.cache_hit_share, found.checkpoints, found.disk_extra) == (None,) * 4
    assert load(*measured()) is None


def test_no_page_asked_for_is_no_share() -> None:
    found = load(*measured(*sampled("cache hit", (10, 7), (20, 7)), *sampled("cache asked", (10, 9), (20, 9))))
    assert found is not None
    assert found.cache_hit_share is None


def test_disk_is_what_database_and_temporary_files_take_together_at_most() -> None:
    sizes = sampled("size", (10, 100), (12, 100), (14, 150), (16, 120))
    files = sampled("temp files", (10, 0), (12, 0), (14, 30), (16, 0))
    found = load(*measured(*sizes, *files))
    assert found is not None
    assert found.disk_extra == pytest.approx(80)


def test_a_replica_that_is_quicker_than_the_writer_is_never_behind() -> None:
    times = np.array([0.0, 1, 2, 3])
    assert lag_s(times, 10.0 * times, 20) == 0


def test_a_burst_leaves_a_replica_behind_by_what_it_cannot_replay_at_once() -> None:
    # 100 bytes in the second after a quiet one; 20 a second are replayed: 80 are left, which take 4 s.
    times = np.array([0.0, 1, 2, 10])
    assert lag_s(times, np.array([0.0, 0, 100, 100]), 20) == pytest.approx(4)


def test_two_bursts_with_a_rest_between_them_do_not_add_up() -> None:
    times = np.array([0.0, 1, 10, 11])
    assert lag_s(times, np.array([0.0, 60, 60, 120]), 20) == pytest.approx(2)
