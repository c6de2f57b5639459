"""When which version of the application is live: its new version's share of the calls, through a phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Deploy = Literal["after", "before", "together"]


@dataclass(frozen=True, slots=True)
class Shares:
    """The new version's share at the phase's start, at the end of the lead, while the migration acts, and at the end.

    What changes in the lead or after the act changes gradually, over all of that time.
    """

    start: float
    led: float
    acting: float
    end: float


def shares(deploy: Deploy, phase: str, together: float = 0.5) -> Shares:
    """Return how the new version's share goes in a phase.

    "after": the migration comes first, then the new version; going back the old version is rolled out first. "before":
    the new version comes first, as before old columns go; going back it goes last. "together": both are live all along,
    the new one with the share `together`.
    """
    if phase == "baseline":
        return Shares(0.0, 0.0, 0.0, 0.0)
    if deploy == "together":
        return Shares(together, together, together, together)
    if phase == "back":
        return Shares(1.0, 0.0, 0.0, 0.0) if deploy == "after" else Shares(1.0, 1.0, 1.0, 0.0)
    return Shares(0.0, 0.0, 0.0, 1.0) if deploy == "after" else Shares(0.0, 1.0, 1.0, 1.0)


def states(deploy: Deploy, version: str | None) -> tuple[str, ...]:
    """Return in which states of the schema a version is live: "start", "forward" and "back"."""
    if version is None or deploy == "together":
        return ("start", "forward", "back")
    if version == "old":
        return ("start", "forward", "back") if deploy == "after" else ("start", "back")
    return ("forward",) if deploy == "after" else ("start", "forward", "back")
