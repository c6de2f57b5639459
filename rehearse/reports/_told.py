"""How a key of report.json is described."""

from __future__ import annotations

from typing import Any

from pydantic import Field

Pair = tuple[float, float]


def told(description: str) -> Any:
    """Describe a key in the schema."""
    return Field(description=description)
