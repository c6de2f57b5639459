"""What is otherwise at the target's size than at those that were run, in words and in width."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rehearse.forecast.models import BATCHES, INDEX, METADATA, REWRITE, ROWS, SCAN, UNKNOWN, Floats, Kind
from rehearse.forecast.seen import Seen
from rehearse.model import Limits
from rehearse.units import human_size

_READS = frozenset(one.name for one in (REWRITE, INDEX, SCAN, ROWS, BATCHES, UNKNOWN))
_WRITES = frozenset(one.name for one in (REWRITE, INDEX, ROWS, BATCHES, UNKNOWN))
_SORTS = frozenset((INDEX.name, REWRITE.name))
_RAM = 0.7  # of the machine's memory: what the system can keep of a database's files


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What was seen at the largest size and what is expected at the target, in bytes."""

    seen: float
    target: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """A change of regime: a factor of time, exp(N · width) or, where it can only be slower, exp(|N| · width)."""

    name: str
    says: str
    brief: str  # the same among the reasons of an interval
    kinds: frozenset[str]
    width: float
    slower: bool = True

    def factor(self, kind: Kind, count: int, random: np.random.Generator) -> Floats:
        """Return draws of the factor for a kind of work."""
        if kind.name not in self.kinds:
            return np.ones(count)
        drawn = random.standard_normal(count)
        return np.asarray(np.exp(self.width * (np.abs(drawn) if self.slower else drawn)))


def crossed(limits: Limits, runs: Sequence[Seen]) -> list[Regime]:
    """Return what changes from the largest size of the way forward to the target."""
    forward = [one for one in runs if one.phase == "forward" and not one.under]
    largest = max(one.x for one in forward)
    there = [one for one in forward if one.x == largest]
    size = float(sum(there[0].sizes.values()))
    log = max((one.log_bytes or 0.0 for one in there), default=0.0)
    sorts = max((one.grown_bytes for one in there), default=0.0)
    spilled = any((one.temp_bytes or 0.0) > 0 for one in there)
    reach = (Reach(seen=one, target=one / largest) for one in (size, sorts, log))
    return regimes(limits, *reach, spilled=spilled)


def regimes(limits: Limits, tables: Reach, sorts: Reach, log: Reach, *, spilled: bool) -> list[Regime]:
    """Return what changes between the largest size that was run and the target's."""
    return list(_regimes(limits, tables, sorts, log, spilled=spilled))


def _regimes(limits: Limits, tables: Reach, sorts: Reach, log: Reach, *, spilled: bool) -> Iterator[Regime]:
    if _crosses(limits.cache, tables):
        yield Regime(
            name="cache",
            brief="cache: up to a fifth slower",
            says=f"the tables, {human_size(tables.target)}, no longer fit the server's cache of "
            f"{human_size(limits.cache)} as they did at {human_size(tables.seen)}: up to a fifth slower",
            kinds=_READS,
            width=0.10,
        )
    if limits.memory and tables.target > _RAM * limits.memory and tables.seen <= _RAM * limits.memory:
        yield Regime(
            name="storage",
            brief="storage: up to 2.5 times slower",
            says=f"the tables, {human_size(tables.target)}, are more than a machine with "
            f"{human_size(limits.memory)} keeps in memory: pages come from storage, whose speed was not measured; "
            "up to 2.5 times slower (give --machine, or run it on a disk like production's)",
            kinds=_READS,
            width=0.5,
        )
    if _crosses(limits.sort, sorts) and not spilled:
        yield Regime(
            name="sort",
            brief="sort: up to a fifth slower",
            says=f"the keys to sort, about {human_size(sorts.target)}, are more than {human_size(limits.sort)} of "
            "memory for it: sorts go to temporary files, which none did at the sizes that were run; up to a fifth "
            "slower",
            kinds=_SORTS,
            width=0.10,
        )
    if _crosses(None if limits.log is None else limits.log // 2, log):
        yield Regime(
            name="checkpoints",
            brief="checkpoints: up to a quarter slower",
            says=f"about {human_size(log.target)} of log are written, and {human_size(limits.log)} make the server "
            "begin a checkpoint, which none of the runs saw: up to a quarter slower, more on slow storage",
            kinds=_WRITES,
            width=0.12,
        )
    few, many = _workers(limits, tables.seen), _workers(limits, tables.target)
    if few != many:
        yield Regime(
            name="workers",
            brief="workers: a fifth quicker or slower",
            says=f"a table of that size is read by up to {many} parallel workers, of the largest size run by {few}: "
            "a fifth quicker or slower",
            kinds=frozenset((INDEX.name, SCAN.name, UNKNOWN.name)),
            width=0.12,
            slower=False,
        )


def distance(largest: float, kind: Kind) -> str | None:
    """Return in words how far the target is, where that is far."""
    times = 1.0 / largest
    return None if kind is METADATA or times < 2 else f"{times:,.0f} times the largest size that was run"


def _crosses(limit: int | None, reach: Reach) -> bool:
    return limit is not None and reach.seen <= limit < reach.target


def _workers(limits: Limits, size: float) -> int:
    if not limits.parallel or size < limits.parallel:
        return 0
    return min(limits.workers, 1 + math.floor(math.log(size / limits.parallel, 3)))
