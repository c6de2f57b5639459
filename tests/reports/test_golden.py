"""The reports of the recordings by hand, word for word.

After a change that is meant: REHEARSE_UPDATE_GOLDEN=1 pytest tests/reports/test_golden.py, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rehearse.registry import renderer
from rehearse.reports.folder import FILES
from tests.reports.conftest import Judged

TESTS = Path(__file__).parent.parent
GOLDEN = TESTS / "golden" / "reports"
EXAMPLE = TESTS.parent / "reports" / "example"


@pytest.mark.parametrize("form", ["terminal", "md", "json", "junit", "plan"])
def test_a_report_is_as_it_was(example: Judged, form: str) -> None:
    if example.name == "nasty" and form == "json":
        return  # long, and held to the schema elsewhere
    hold(GOLDEN / f"{example.name}{renderer(form).suffix}", example.rendered(form))


@pytest.mark.parametrize(("form", "name"), sorted(FILES.items()))
def test_the_example_that_is_shown_is_up_to_date(harmful: Judged, form: str, name: str) -> None:
    hold(EXAMPLE / name, harmful.rendered(form))


def hold(golden: Path, written: str) -> None:
    """Compare a text with its golden file, or renew the file where that is asked for."""
    if os.environ.get("REHEARSE_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(written, encoding="utf-8", newline="\n")
    assert written == golden.read_text(encoding="utf-8"), f"{golden.name} differs; see this module's first lines"
