"""What a phase took of the server and of this machine: CPU, storage, WAL, caches, disk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas
from numpy.typing import NDArray

from rehearse.events import PhaseRan, Sampled
from rehearse.model import Recording
from rehearse.units import NS_PER_S

REPLAYS = (10 << 20, 50 << 20, 200 << 20)  # bytes of WAL that a replica replays a second: a slow one, a quick one
_FALLS = frozenset({"dead rows"})
_PEAK_NS = NS_PER_S
_Series = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Figures of a stretch: of the migration's act, or of the whole baseline. None: not measured.

    Of a stretch below a second there are WAL and sizes alone: the other figures are sampled four times a second.
    Everything that the server did counts, the application's work included. Shares are from 0 to 1.
    """

    seconds: float
    wal_bytes: float | None
    wal_peak: float | None  # bytes a second, over the busiest second
    lag_s: dict[int, float] | None  # {bytes a second that a replica replays: how far it would be behind at most}
    checkpoints: int | None
    checkpoints_asked: int | None  # of them, those for which time was not the reason: WAL had run full
    temp_bytes: float | None  # written to temporary files
    disk_extra: float | None  # bytes that database and temporary files grew by at most
    dead_rows: float | None  # more at the end than at the beginning
    cache_hit_share: float | None
    server_cores: float | None  # CPU seconds a second
    client_cores: float | None  # this process, the driver's, the tool's
    client_queued: float | None  # seconds a second in which a client's process wanted a core and had none
    machine_share: float | None  # of all cores, whoever took them
    machine_cores: float | None
    read_bytes: float | None  # from storage, by the server
    written_bytes: float | None


def load(recording: Recording, phase: PhaseRan) -> Load | None:
    """Return what a phase took, in the stretch in which the migration acted; None where nothing was sampled."""
    begin = phase.at_ns if phase.acted_ns is None else phase.acted_ns
    end = phase.ended_ns if phase.acted_ns is None else phase.finished_ns or phase.ended_ns
    samples = recording.history.frame(Sampled)
    inside = samples[(samples["at_ns"] >= phase.at_ns - NS_PER_S) & (samples["at_ns"] <= phase.ended_ns + NS_PER_S)]
    if inside.empty or end <= begin:
        return None
    seen = _Seen(inside, begin, end)
    timed, asked = seen.grew("checkpoints timed"), seen.grew("checkpoints asked")
    hit, fetched = seen.grew("cache hit"), seen.grew("cache asked")
    busy, cores = seen.rate("machine cpu"), seen.last("machine cores")
    return Load(
        seconds=(end - begin) / NS_PER_S,
        wal_bytes=seen.grew("wal"),
        wal_peak=seen.peak("wal"),
        lag_s=seen.lags("wal"),
        checkpoints=None if timed is None or asked is None else round(timed + asked),
        checkpoints_asked=None if asked is None else round(asked),
        temp_bytes=seen.grew("temp"),
        disk_extra=seen.rose("size", "temp files"),
        dead_rows=seen.grew("dead rows"),
        cache_hit_share=hit / fetched if hit is not None and fetched else None,
        server_cores=seen.rate("server cpu"),
        client_cores=seen.rate("client cpu"),
        client_queued=seen.rate("client queued"),
        machine_share=None if busy is None or not cores else min(1.0, busy / cores),
        machine_cores=cores,
        read_bytes=seen.grew("server read"),
        written_bytes=seen.grew("server written"),
    )


def lag_s(at_s: NDArray[np.float64], written: NDArray[np.float64], replayed_per_s: float) -> float:
    """Return the longest time that a replica is behind, which gets WAL at once and replays so many bytes a second.

    `written` are the bytes written up to each moment. A byte is replayed after all before it, so the replica is behind
    by what is in its queue over its rate, and what is in the queue grows from its least by what is written over it.
    """
    queue = written - replayed_per_s * at_s
    return float(np.max(queue - np.minimum.accumulate(queue), initial=0.0)) / replayed_per_s


class _Seen:
    """The samples of a phase, and the stretch of it that is asked about."""

    def __init__(self, samples: pandas.DataFrame, begin_ns: int, end_ns: int) -> None:
        self._series: dict[str, _Series] = {
            str(name): (frame["at_ns"].to_numpy(np.int64), frame["value"].to_numpy(np.float64))
            for name, frame in samples.groupby("name")
        }
        self._begin, self._end = begin_ns, end_ns

    def grew(self, name: str) -> float | None:
        """Return how much a figure rose from the beginning to the end; None where its samples lie too far apart.

        A counter that was set back (a server that crashed, statistics that were reset) tells nothing either.
        """
        if name not in self._series or self._gap(name) > (self._end - self._begin) / 2:
            return None
        grew = self._at(name, self._end) - self._at(name, self._begin)
        return None if grew < 0 and name not in _FALLS else grew

    def rate(self, name: str) -> float | None:
        """Return how much a figure rose a second."""
        grew = self.grew(name)
        return None if grew is None else grew / ((self._end - self._begin) / NS_PER_S)

    def peak(self, name: str) -> float | None:
        """Return how much a figure rose at most in any second, or in the whole stretch where that is shorter."""
        if name not in self._series:
            return None
        if self._gap(name) > (self._end - self._begin) / 2:
            return None
        span = min(_PEAK_NS, self._end - self._begin)
        starts = np.append(np.arange(self._begin, self._end - span, _PEAK_NS // 10), self._end - span)
        times, values = self._series[name]
        rose = np.interp(starts + span, times, values) - np.interp(starts, times, values)
        return float(rose.max()) / (span / NS_PER_S)

    def lags(self, name: str) -> dict[int, float] | None:
        """Return how far replicas of different rates would be behind at most."""
        if name not in self._series:
            return None
        times, values = self._series[name]
        inside = times[(times > self._begin) & (times < self._end)]
        if self._gap(name) > (self._end - self._begin) / 2:
            return None
        at = np.concatenate([[self._begin], inside, [self._end]])
        written = np.interp(at, times, values)
        return {rate: lag_s((at - self._begin) / NS_PER_S, written - written[0], rate) for rate in REPLAYS}

    def rose(self, *names: str) -> float | None:
        """Return by how much the sum of figures rose at most above what it was at the beginning."""
        if not all(name in self._series for name in names):
            return None
        times = np.unique(np.concatenate([self._series[name][0] for name in names]))
        ends = [own[own >= self._end][:1] for own, _ in (self._series[name] for name in names)]
        after = np.concatenate(ends).max(initial=self._end)  # what grew at the very end is seen in the sample after it
        at = np.concatenate([[self._begin], times[(times > self._begin) & (times < self._end)], [after]])
        total = sum(np.interp(at, *self._series[name]) for name in names)
        return float(np.max(total - total[0]))

    def last(self, name: str) -> float | None:
        """Return a figure as it was sampled last."""
        return float(self._series[name][1][-1]) if name in self._series else None

    def _gap(self, name: str) -> float:
        """Return how far apart the samples are that stand around the beginning and around the end, at most."""
        times, _ = self._series[name]
        places = np.searchsorted(times, [self._begin, self._end])
        edges = [
            times[min(place, len(times) - 1)] - times[max(place - 1, 0)] if 0 < place < len(times) else 0
            for place in places
        ]
        return float(max(edges))

    def _at(self, name: str, at_ns: int) -> float:
        return float(np.interp(at_ns, *self._series[name]))
