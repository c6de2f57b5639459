"""Every check: a function, its rule, and when it is asked.

Locks (L…), timing (D…), integrity (I…), fidelity (F…), traffic (T…), versions of the application (C…), and whether the
run can be believed (R…).
"""

from __future__ import annotations

from rehearse.checks import compatibility, fidelity, integrity, invariants, locks, timing, traffic, trust
from rehearse.errors import Mistake, near_miss
from rehearse.protocols import Check

CHECKS: tuple[Check, ...] = (
    *locks.CHECKS,
    *timing.CHECKS,
    *integrity.CHECKS,
    *invariants.CHECKS,
    *fidelity.CHECKS,
    *traffic.CHECKS,
    *compatibility.CHECKS,
    *trust.CHECKS,
)


def by_code(code: str) -> Check:
    """Return the check of this code; a Mistake with a near miss where there is none."""
    found = next((one for one in CHECKS if one.rule.code == code.upper()), None)
    if found is None:
        near = near_miss(code.upper(), [one.rule.code for one in CHECKS])
        raise Mistake(f"no check has the code {code!r}{near} (of SQL's hazards, H…, see `rehearse list hazards`)")
    return found
