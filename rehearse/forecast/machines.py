"""How much slower or quicker another machine is, by kind of work: from the calibrations of the two, with its doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rehearse.forecast.models import INDEX, METADATA, REWRITE, SCAN, Floats, Kind

# How far a kind of work goes with each of a machine's speeds; what is left goes with none that was measured (writes).
_MIX: Mapping[str, Mapping[str, float]] = {
    INDEX.name: {"cpu": 0.4, "sort": 0.5, "read": 0.1},
    SCAN.name: {"cpu": 0.6, "read": 0.4},
    REWRITE.name: {"cpu": 0.7, "sort": 0.1, "read": 0.2},
    METADATA.name: {"cpu": 1.0},
}
_USUAL = {"cpu": 0.7, "read": 0.2, "sort": 0.1}
_WRITES = 0.15  # of the logarithm: what commits and writes do otherwise there, which a read-only look cannot measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Times of the other machine over this one's, by speed, as logarithms with their standard deviation."""

    logs: Mapping[str, float]
    doubts: Mapping[str, float]
    says: str

    def factor(self, kind: Kind, count: int, random: np.random.Generator) -> Floats:
        """Return draws of the factor of a kind of work."""
        mix = {name: part for name, part in _MIX.get(kind.name, _USUAL).items() if name in self.logs}
        whole = sum(mix.values()) or 1.0
        middle = sum(self.logs[name] * part / whole for name, part in mix.items())
        apart = max((abs(self.logs[name] - middle) for name in mix), default=0.0)
        doubt = math.hypot(sum(self.doubts[name] * part / whole for name, part in mix.items()), apart / 2.0, _WRITES)
        return np.asarray(np.exp(middle + doubt * random.standard_normal(count)))
