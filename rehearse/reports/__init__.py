"""What a rehearsal found, written for one kind of reader each; all take their numbers from one document."""

from __future__ import annotations

from typing import Any

NAMES = ("html", "json", "junit", "md", "plan", "sarif", "terminal")


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of report.json, every key described."""
    from rehearse.reports._schema import schema  # noqa: PLC0415  pydantic's schemas are slow to load

    return schema()
