"""The JSON Schemas of report.json, matrix.json and comparison.json, made from their shapes."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from rehearse.reports._shape import Report
from rehearse.reports._shape_comparison import Compared
from rehearse.reports.matrix import Matrix


def schema() -> dict[str, Any]:
    """Return the schema; keys may be added to the report, so others than those described are allowed."""
    return _described(Report, "rehearse report")


def matrix_schema() -> dict[str, Any]:
    """Return the schema of matrix.json; keys may be added to it, too."""
    return _described(Matrix, "rehearse matrix")


def comparison_schema() -> dict[str, Any]:
    """Return the schema of comparison.json; keys may be added to it, too."""
    return _described(Compared, "rehearse comparison")


def _described(kind: type, title: str) -> dict[str, Any]:
    described = TypeAdapter(kind).json_schema(mode="serialization")
    _drop_titles(described)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **described}


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
