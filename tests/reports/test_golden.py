"""The reports of the recordings by hand, word for word.

After a change that is meant: REHEARSE_UPDATE_GOLDEN=1 pytest tests/reports/test_golden.py, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rehearse.registry import renderer
from tests.reports.conftest import Judged

GOLDEN = Path(__file__).parent.parent / "golden" / "reports"


@pytest.mark.parametrize("form", ["terminal", "md", "json", "junit", "plan"])
def test_a_report_is_as_it_was(example: Judged, form: str) -> None:
    if example.name == "nasty" and form == "json":
        return  # long, and held to the schema elsewhere
    golden = GOLDEN / f"{example.name}{renderer(form).suffix}"
    written = example.rendered(form)
    if os.environ.get("REHEARSE_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(written, encoding="utf-8", newline="\n")
    assert written == golden.read_text(encoding="utf-8"), f"{golden.name} differs; see this module's first lines"
