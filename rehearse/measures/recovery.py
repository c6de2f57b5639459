"""How long the application takes, once the longest outage is over, until its calls are as fast as before.

Sessions that waited all send at once, and calls that found no session stand in line: the pool is behind for a while.
"""

from __future__ import annotations

import numpy as np

from rehearse.events import CallEnded, Outcome, PhaseRan
from rehearse.measures.latency import calls_in, latencies
from rehearse.measures.outage import outages
from rehearse.model import Recording
from rehearse.units import NS_PER_MS

_SLOWER = 2.0  # times the baseline's p99, within which calls are as fast as before
_AT_LEAST_NS = 5 * NS_PER_MS
_CALM_NS = 200 * NS_PER_MS  # without a slow call: then it is over


def recovery_ns(recording: Recording, phase: str) -> int | None:
    """Return the time from the end of the longest outage to the last slow, failed or missed call's due time after it.

    None where there was no outage, no baseline to say what slow is, or calls were slow or failed up to the end. Slow is
    what takes more than twice the baseline's p99, and 5 ms; a call counts if it was due less than 0.2 s after the one
    before.
    """
    ran = next((one for one in recording.history.of(PhaseRan) if one.name == phase), None)
    closed, before = outages(recording, phase), latencies(recording, "baseline")
    if ran is None or not closed or not closed[0].windows or before is None or not before.p99_ns:
        return None
    over = max(closed[0].windows, key=lambda one: one[1] - one[0])[1]
    calls = calls_in(recording.history.frame(CallEnded), ran)
    due, done = (calls[name].to_numpy(dtype=np.int64) for name in ("at_ns", "done_ns"))
    slow = done - due > max(_SLOWER * before.p99_ns, _AT_LEAST_NS)
    bad = (slow | (calls["outcome"] != Outcome.OK.value).to_numpy()) & (due > over)
    last = over
    for at in np.sort(due[bad]).tolist():
        if at - last > _CALM_NS:
            break
        last = at
    return None if due.size and last >= due.max() - _CALM_NS and last > over else last - over
