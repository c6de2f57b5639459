"""A way to make a kind of change: what it does in words, and what writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rehearse.strategies._site import Site
from rehearse.strategies._steps import Steps


@dataclass(frozen=True, slots=True)
class Way:
    """A way. `deploys` counts the releases of the application that it needs beside the migration."""

    says: str
    steps: Callable[[Site], Steps]
    deploys: int = 1
    tool: str = "sql"
