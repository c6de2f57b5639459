"""report.json: the whole document, for programs."""

from __future__ import annotations

import json
from typing import ClassVar

from rehearse.model import Recording, Verdict
from rehearse.reports._document import as_json, document


class JsonRenderer:
    """Writes the report as one JSON object; its schema is `rehearse schema report`."""

    suffix: ClassVar[str] = ".json"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the text; figures that are not numbers do not occur, since None is null."""
        report = as_json(document(recording, verdict))
        return json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


RENDERER = JsonRenderer()
