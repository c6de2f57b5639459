"""A calibration of any server, and its tries: larger until one is long enough to time, then again for the scatter."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Literal, Protocol

from rehearse.model import Calibration, Speed

_LONG_ENOUGH_S = 0.15
_TRIES = 6


class Asking(Protocol):
    """Asks a server for its speeds, and keeps what was asked and what could not be measured."""

    asked: list[str]
    unmeasured: list[str]

    def server(self) -> str:
        """Return the server, in its own words."""
        ...

    def cpu(self) -> Speed:
        """Return the speed of arithmetic."""
        ...

    def sort(self) -> Speed:
        """Return the speed of a sort."""
        ...

    def read(self) -> list[Speed]:
        """Return the speed of reading, where there is something to read."""
        ...


def calibration(engine: Literal["postgres", "mysql"], asking: Asking) -> Calibration:
    """Return the speeds of a server."""
    began = time.monotonic()
    server, speeds = asking.server(), [asking.cpu(), asking.sort(), *asking.read()]
    return Calibration(
        format=1,
        engine=engine,
        server=server,
        took_s=round(time.monotonic() - began, 2),
        speeds=speeds,
        unmeasured=asking.unmeasured,
        statements=list(dict.fromkeys(asking.asked)),
    )


def tried(
    name: Literal["cpu", "sort", "read"], unit: str, says: str, run: Callable[[int], object], *, least: int, most: int
) -> Speed:
    """Return the speed of `run(count)`, which does so many units of work."""
    count = least
    while (took := timed(run, count)) < _LONG_ENOUGH_S and count < most:
        count = min(most, math.ceil(count * min(8.0, 1.2 * _LONG_ENOUGH_S / max(took, 1e-6))))
    rates = [count / took, *(count / timed(run, count) for _ in range(_TRIES - 1))]
    return speed(name, unit, says, rates)


def timed(run: Callable[[int], object], count: int) -> float:
    """Return the seconds that one run took."""
    began = time.perf_counter()
    run(count)
    return time.perf_counter() - began


def speed(name: Literal["cpu", "sort", "read"], unit: str, says: str, rates: list[float]) -> Speed:
    """Return the median of the better half of the rates, for others only make it slower, with the scatter of all."""
    better = sorted(rates)[len(rates) // 2 :]
    logs = [math.log(one) for one in rates]
    doubt = statistics.stdev(logs) if len(logs) > 1 else 0.2
    return Speed(
        name=name, per_s=statistics.median(better), unit=unit, doubt=round(doubt, 4), tries=len(rates), says=says
    )
