"""Latencies as an HdrHistogram log, version 1.3: one histogram a second for each phase and call, by its tag.

Tags are PHASE for all calls, and PHASE.CALL for one kind; values are nanoseconds from due to answer, to three digits.
Any tool that reads such logs (HistogramLogProcessor, hdr-plot, HdrHistogramVisualizer) can add, compare and draw them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pandas
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter

from rehearse.events import CallEnded, PhaseRan
from rehearse.measures.latency import calls_in
from rehearse.model import Recording, Verdict
from rehearse.units import NS_PER_S

_LEAST_NS, _MOST_NS, _DIGITS = 1_000, 3600 * NS_PER_S, 3
_NS_PER_MS = 1_000_000.0


class HdrRenderer:
    """Writes every call, missed ones too, with the time until it was given up."""

    suffix: ClassVar[str] = ".hlog"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the log; times count from the beginning of the first phase."""
        text = io.StringIO()
        writer = HistogramLogWriter(text)
        writer.output_comment(f"[{recording.scenario.name}: {verdict.status.value}]")
        writer.output_log_format_version()
        writer.output_legend()
        phases = recording.history.of(PhaseRan)
        calls = recording.history.frame(CallEnded)
        for phase in phases:
            mine = calls_in(calls, phase)
            for tag, some in _tagged(phase.name, mine):
                for second, waits in _seconds(some, phase):
                    begun = (phase.at_ns - phases[0].at_ns) / NS_PER_S + second
                    text.write(f"Tag={tag},")
                    writer.output_interval_histogram(_histogram(waits), begun or 1e-9, begun + 1.0, _NS_PER_MS)
        return text.getvalue()


def _tagged(phase: str, calls: pandas.DataFrame) -> Iterator[tuple[str, pandas.DataFrame]]:
    yield phase, calls
    for name in sorted(calls["call"].unique()):
        yield f"{phase}.{re.sub(r'[^A-Za-z0-9_.-]+', '_', str(name))}", calls[calls["call"] == name]


def _seconds(calls: pandas.DataFrame, phase: PhaseRan) -> Iterator[tuple[int, np.ndarray]]:
    due = calls["at_ns"].to_numpy(np.int64)
    waits = calls["done_ns"].to_numpy(np.int64) - due
    seconds = (due - phase.at_ns) // NS_PER_S
    for second in np.unique(seconds).tolist():
        yield second, waits[seconds == second]


def _histogram(waits: np.ndarray) -> HdrHistogram:
    found = HdrHistogram(_LEAST_NS, _MOST_NS, _DIGITS)
    values, counts = np.unique(waits, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        found.record_value(max(_LEAST_NS, min(value, _MOST_NS)), count)
    return found


RENDERER = HdrRenderer()
