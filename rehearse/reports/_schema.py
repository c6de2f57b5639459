"""The JSON Schemas of report.json and of our other files, made from their shapes."""

from __future__ import annotations

import importlib
from typing import Any

from pydantic import TypeAdapter

SHAPES = {
    "report": ("reports._shape", "Report"),
    "matrix": ("reports.matrix", "Matrix"),
    "history": ("reports.history", "History"),
    "estimate": ("forecast.outcome", "Estimate"),
    "calibration": ("model.calibration", "Calibration"),
    "comparison": ("reports._shape_comparison", "Compared"),
}


def schema(name: str) -> dict[str, Any]:
    """Return the schema of a file of ours, by its name in SHAPES; keys may be added to each, so others are allowed."""
    module, shape = SHAPES[name]
    kind = getattr(importlib.import_module(f"rehearse.{module}"), shape)
    described = TypeAdapter(kind).json_schema(mode="serialization")
    _drop_titles(described)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"rehearse {name}", **described}


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
