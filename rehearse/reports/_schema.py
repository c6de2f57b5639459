"""The JSON Schema of report.json, made from its shape."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from rehearse.reports._shape import Report


def schema() -> dict[str, Any]:
    """Return the schema; keys may be added to the report, so others than those described are allowed."""
    described = TypeAdapter(Report).json_schema(mode="serialization")
    _drop_titles(described)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rehearse report",
        **described,
    }


def _drop_titles(part: Any) -> None:
    """Remove the titles that only repeat the key."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        for value in part.values():
            _drop_titles(value)
    elif isinstance(part, list):
        for value in part:
            _drop_titles(value)
