"""Where the time of calls went that were slower than before: locks, the pool, a late driver, or load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas
from numpy.typing import NDArray

from rehearse.events import CallEnded, PhaseRan
from rehearse.measures._remembered import remembered
from rehearse.measures.waits import waits
from rehearse.model import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The time that all calls of a phase lost together, in ns, by its reason."""

    locks_ns: float  # waiting for locks, whoever held them
    migration_ns: float  # of that, for the migration or behind it
    pool_ns: float  # waiting for a free session, which the calls before held
    retries_ns: float  # tries that failed, and the pauses after them
    driver_ns: float  # before the driver turned to a call: the test machine's fault
    load_ns: float  # the rest beyond the median of the baseline: CPU, storage, caches, plans

    @property
    def reasons(self) -> dict[str, float]:
        """Return each reason in words, and the time that was lost to it."""
        return {
            "waiting for locks": self.locks_ns,
            "waiting for a free session": self.pool_ns,
            "being sent again": self.retries_ns,
            "load": self.load_ns,
            "a late driver": self.driver_ns,
        }

    @property
    def total_ns(self) -> float:
        """Return all of it."""
        return sum(self.reasons.values())


@remembered
def losses(recording: Recording, phase: PhaseRan) -> Losses | None:
    """Return what the calls of a phase lost; None where there was no traffic, or no baseline to measure it against.

    A call's time is counted once: while it waits for a lock it does not count as load, and the median of the same
    call in the baseline is what it takes anyway; of a call that the baseline has not, that of all calls.
    """
    calls = recording.history.frame(CallEnded)
    usual = _usual(recording, calls)
    inside = calls[(calls["at_ns"] >= phase.at_ns) & (calls["at_ns"] <= phase.ended_ns)]
    if inside.empty or not usual:
        return None
    at, done = _ns(inside["at_ns"]), _ns(inside["done_ns"])
    sent = _ns(inside["sent_ns"].fillna(inside["done_ns"]))  # a missed call waited for a session to its end
    picked = np.clip(_ns(inside["picked_ns"].fillna(inside["at_ns"])), at, sent)
    own = inside["call"].map(usual).fillna(float(np.median(list(usual.values())))).to_numpy(np.float64)
    again = (inside["tries"] > 1).to_numpy(bool) if "tries" in inside else np.zeros(len(inside), bool)
    locked, behind = _locked(recording, phase.name, inside["session"].to_numpy(np.int64), sent, done)
    slower = np.maximum(done - sent - locked - own, 0.0)
    return Losses(
        locks_ns=float(locked.sum()),
        migration_ns=float(behind.sum()),
        pool_ns=float((sent - picked)[~again].sum()),
        retries_ns=float((sent - picked)[again].sum()),
        driver_ns=float((picked - at).sum()),
        load_ns=max(0.0, float(slower.sum()) - _excess(recording, calls, usual) * len(inside)),
    )


def _usual(recording: Recording, calls: pandas.DataFrame) -> dict[str, float]:
    """Return the median time from sent to done of each call in the baseline."""
    before = _baseline(recording, calls)
    if before is None:
        return {}
    took = before["done_ns"] - before["sent_ns"]
    return {str(name): float(value) for name, value in took.groupby(before["call"]).median().dropna().items()}


def _excess(recording: Recording, calls: pandas.DataFrame, usual: dict[str, float]) -> float:
    """Return by how much a call of the baseline is above its median in the mean: that is not lost, but usual."""
    before = _baseline(recording, calls)
    if before is None:
        return 0.0
    took = before["done_ns"] - before["sent_ns"] - before["call"].map(usual)
    return float(took.clip(lower=0).mean())


def _baseline(recording: Recording, calls: pandas.DataFrame) -> pandas.DataFrame | None:
    ran = next((one for one in recording.history.of(PhaseRan) if one.acted_ns is None), None)
    if ran is None:
        return None
    return calls[(calls["at_ns"] >= ran.at_ns) & (calls["at_ns"] <= ran.ended_ns) & calls["sent_ns"].notna()]


def _locked(
    recording: Recording, phase: str, sessions: NDArray[np.int64], sent: NDArray[np.float64], done: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for how long each call waited for locks, and for how long of that for the migration."""
    locked, behind = np.zeros(len(sent)), np.zeros(len(sent))
    order = np.lexsort((sent, sessions))
    bounds = {int(session): np.flatnonzero(sessions[order] == session) for session in np.unique(sessions)}
    for wait in waits(recording, phase):
        if wait.role != "application" or wait.session not in bounds:
            continue
        mine = order[bounds[wait.session]]  # a session has one call at a time, so their ends are in order, too
        first, last = np.searchsorted(done[mine], wait.at_ns, "right"), np.searchsorted(sent[mine], wait.ended_ns)
        for place in mine[first:last]:
            shared = min(done[place], wait.ended_ns) - max(sent[place], wait.at_ns)
            locked[place] += shared
            behind[place] += shared if wait.blocked_by_migration else 0.0
    return locked, behind


def _ns(values: pandas.Series) -> NDArray[np.float64]:
    return values.to_numpy(np.float64)
