"""What the schema promises of its rows and what is not so, the start's own faults taken out."""

from __future__ import annotations

from collections.abc import Sequence

from rehearse.events import InvariantTried
from rehearse.model import Recording

CONSTRAINTS = ("foreign key", "check", "not null", "unique")


def tried(recording: Recording) -> Sequence[InvariantTried]:
    """Return all that was verified; empty where the engine cannot, or the migration did not run."""
    return recording.history.of(InvariantTried)


def broken(recording: Recording) -> list[InvariantTried]:
    """Return what more rows, or others, break than at the start; what the second way forward breaks too, once."""
    found = [one for one in tried(recording) if one.error_before is None and _is_broken_anew(one)]
    return _once([one for one in found if not _is_open(one)])


def _is_broken_anew(one: InvariantTried) -> bool:
    """Say whether more rows break it than at the start, or others."""
    return bool(one.rows) and (bool(one.rows_new) or (one.rows or 0) > (one.rows_before or 0))


def _is_open(one: InvariantTried) -> bool:
    """Say whether a promise that the start did not have is not made for rows that are there already, nor hurts them.

    A new NOT VALID foreign key is the first of two steps; of a NOT VALID CHECK each update of such a row fails.
    """
    is_first_step = one.flaw == "NOT VALID" and one.kind == "foreign key"
    return one.is_new and one.rows_before is None and (is_first_step or one.flaw == "NOT ENFORCED")


def invalid(recording: Recording) -> list[InvariantTried]:
    """Return the indexes that the server does not believe, and did at the start if it had them."""
    return _once([one for one in tried(recording) if one.flaw == "INVALID" and one.is_new])


def unasked(recording: Recording) -> list[InvariantTried]:
    """Return the promises that could not be verified."""
    return [one for one in tried(recording) if why_unasked(one) is not None]


def why_unasked(one: InvariantTried) -> str | None:
    """Say why a promise could not be verified; what is kept now needs no look at the start."""
    if one.error is None and one.error_before is not None:
        return f"rows break it, and at the start it could not be asked: {one.error_before}"
    return one.error


def _once(found: Sequence[InvariantTried]) -> list[InvariantTried]:
    forward = {(one.kind, one.table, one.name) for one in found if one.state == "forward"}
    return [one for one in found if one.state != "again" or (one.kind, one.table, one.name) not in forward]
