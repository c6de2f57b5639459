"""The HdrHistogram log: what a reader of such logs gets out of it again."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from rehearse import registry
from rehearse.measures.latency import latencies
from tests.reports.conftest import Judged


def test_a_reader_of_such_logs_finds_the_percentiles_of_the_report(harmful: Judged, tmp_path: Path) -> None:
    path = tmp_path / "calls.hlog"
    path.write_text(registry.renderer("hdr")(harmful.recording, harmful.verdict), encoding="utf-8")
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3600 * 10**9, 3))
    found: dict[str, HdrHistogram] = defaultdict(lambda: HdrHistogram(1_000, 3600 * 10**9, 3))
    with closing(reader):
        while (interval := reader.get_next_interval_histogram()) is not None:
            found[interval.get_tag()].add(interval)
    for phase in ("baseline", "forward", "back", "again"):
        felt = latencies(harmful.recording, phase)
        assert felt is not None
        assert found[phase].get_total_count() == felt.due
        for share, told in ((50, felt.p50_ns), (99, felt.p99_ns), (100, felt.max_ns)):
            assert found[phase].get_value_at_percentile(share) == pytest.approx(told, rel=0.002)
        for call in felt.calls:
            assert found[f"{phase}.{call.call.replace(' ', '_')}"].get_total_count() == call.due
