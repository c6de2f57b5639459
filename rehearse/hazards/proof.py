"""What a rehearsal makes of a hazard: it has shown what is claimed, refutes it, or could not see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rehearse.events import LockTaken, StatementRan
from rehearse.hazards.modes import Lock
from rehearse.hazards.rule import Claim, Hazard
from rehearse.units import human_duration


@dataclass(frozen=True, slots=True)
class Proof:
    """`static`: the text alone tells. `says` are the figures of what was measured, or what refutes the claim."""

    status: Literal["static", "measured", "refuted"]
    says: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One part of a claim; `holds` is None where it was not seen."""

    holds: bool | None
    says: str


def proof(hazard: Hazard, ran: StatementRan, locks: Sequence[LockTaken]) -> Proof:
    """Return what the statement's run and the locks of its phase say of a hazard; the measurement wins."""
    if hazard.severity == "unseen":
        return _looked_into(ran, locks)
    if ran.error is not None and hazard.severity != "fails":
        return Proof("static")
    answers = list(_answers(hazard, ran, locks))
    against = [one.says for one in answers if one.holds is False]
    if against:
        return Proof("refuted", "; ".join(against))
    shown = [one.says for one in answers if one.holds]
    return Proof("measured", "; ".join(shown)) if shown else Proof("static")


def _answers(hazard: Hazard, ran: StatementRan, locks: Sequence[LockTaken]) -> Iterator[_Answer]:
    claim = hazard.claim
    if hazard.severity == "fails" and ran.error is not None:
        yield _Answer(holds=True, says=f"the server refused it: {ran.error}")
    if claim.algorithm and ran.algorithm in ("COPY", "INPLACE", "INSTANT"):
        is_so = ran.algorithm == claim.algorithm
        yield _Answer(holds=is_so, says=f"the server changed it by {ran.algorithm}")
    else:
        yield from _rewritten(claim, ran)
    if any(lock.session == ran.session for lock in locks):
        each = [_locked(lock, ran, locks) for lock in claim.locks if lock.stops]
        yield from [one for one in each if one.holds] or each[:1]  # one of several tables is enough to be right


def _rewritten(claim: Claim, ran: StatementRan) -> Iterator[_Answer]:
    if claim.rewrites and ran.rewrites is not None:
        missing = sorted(set(claim.rewrites) - set(ran.rewrites))
        told = f"it wrote {' and '.join(missing or claim.rewrites)} anew"
        yield _Answer(holds=not missing, says=told if not missing else told.replace("wrote", "did not write"))


def _locked(claimed: Lock, ran: StatementRan, locks: Sequence[LockTaken]) -> _Answer:
    found = [one for one in locks if one.table == claimed.table and set(claimed.stops) <= set(one.stops)]
    mine = [one for one in found if one.session == ran.session and _is_during(one, ran)]
    stops = " and ".join(claimed.stops)
    if not mine:
        return _Answer(holds=False, says=f"no lock of {claimed.table} that stops {stops} was seen")
    longest = max(mine, key=_held_ns)
    return _Answer(
        holds=True, says=f"{longest.mode} on {claimed.table} was held for {human_duration(_held_ns(longest))}"
    )


def _is_during(lock: LockTaken, ran: StatementRan) -> bool:
    if lock.statement == ran.n:
        return True
    is_over = lock.released_ns is not None and lock.released_ns <= ran.at_ns
    return lock.granted_ns is not None and lock.granted_ns < ran.ended_ns and not is_over


def _held_ns(lock: LockTaken) -> int:
    return lock.released_ns - lock.granted_ns if lock.granted_ns and lock.released_ns else 0


def _looked_into(ran: StatementRan, locks: Sequence[LockTaken]) -> Proof:
    """Return what was seen of a statement whose text does not tell what it does."""
    mine = [one for one in locks if one.statement == ran.n and one.session == ran.session and one.stops]
    seen = [f"it wrote {' and '.join(ran.rewrites)} anew"] if ran.rewrites else []
    seen += [f"{one.mode} on {one.table} was held for {human_duration(_held_ns(one))}" for one in mine]
    if ran.rewrites is None and not locks:
        return Proof("static")
    return Proof("measured", "; ".join(seen) or "it closed no table and wrote none anew")
