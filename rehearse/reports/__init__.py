"""What a rehearsal found, written for one kind of reader each; all take their numbers from one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rehearse.model import Recording, Verdict

NAMES = ("hdr", "html", "json", "junit", "md", "plan", "sarif", "terminal")


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of report.json, or of matrix.json, history.json, …: every key described."""
    from rehearse.reports import _schema  # noqa: PLC0415  pydantic's schemas are slow to load

    return _schema.schema(name)


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of report.json."""
    return schema("report")


def summary(recording: Recording, verdict: Verdict) -> str:
    """Return the status and the verdict's one sentence: "failed: orders was closed to reads for 2.39 s …"."""
    from rehearse.reports._document import document  # noqa: PLC0415

    return f"{verdict.status}: {document(recording, verdict).verdict.says}"
