"""How long what is asked in quiet may take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rehearse.units import NS_PER_S

PATIENCE_S = 60  # for all of a state's promises


@dataclass(slots=True)
class Clock:
    """What is left of the time for one state."""

    ends_ns: int = field(default_factory=lambda: time.monotonic_ns() + PATIENCE_S * NS_PER_S)

    @property
    def left_ms(self) -> int:
        """Return the milliseconds that are left, 0 where there are none."""
        return max(0, (self.ends_ns - time.monotonic_ns()) // 1_000_000)
