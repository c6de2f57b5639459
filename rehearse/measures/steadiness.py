"""Whether the baseline is one thing: a change of level in it means that something else went on beside the traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rehearse.measures.latency import Latencies

_FEWEST = 10  # windows of 100 ms with calls
_SURE = 1.63  # of |S| / (σ √n): a Brownian bridge goes beyond it in one of a hundred series without a change


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The level of the median latency changed at `at_ns`, `times` as high (or as low) after as before."""

    at_ns: int
    times: float


def change(felt: Latencies) -> Change | None:
    """Return where the medians of 100 ms change their level; None where they do not, or are too few to tell.

    The greatest of the cumulated sums of the logarithms' deviations from their mean (CUSUM) is held against what a
    series without a change shows.
    """
    windows = [one for one in felt.windows if one.p50_ns]
    if len(windows) < _FEWEST:
        return None
    levels = np.log([float(one.p50_ns or 1) for one in windows])
    sums = np.cumsum(levels - levels.mean())[:-1]
    at = int(np.argmax(np.abs(sums)))
    before, after = levels[: at + 1], levels[at + 1 :]
    spread = np.sqrt((((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum()) / len(levels))
    if abs(sums[at]) <= _SURE * max(spread, 1e-9) * np.sqrt(len(levels)):
        return None
    return Change(at_ns=windows[at + 1].at_ns, times=float(np.exp(np.median(after) - np.median(before))))
