"""The matrix: a row's figures are those of its report, what was not measured is not 0, and every text is harmless."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from rich.console import Console

from rehearse.model import EngineChoice, Scenario
from rehearse.reports import matrix, schema
from rehearse.reports._document import document
from rehearse.reports._matrix_forms import table
from tests.reports.conftest import Judged, judged

NAMES = ("clean", "harmful", "failed", "unmeasured", "nasty")
NOWHERE = Scenario(name="nowhere", engine=EngineChoice(name="mariadb", version="99"))


@pytest.fixture(scope="module")
def runs() -> list[matrix.Run]:
    """Return a run of each example, each in a folder whose name needs quoting, and one that was not run."""
    ran = [
        matrix.ran(one.recording, one.verdict, Path("/made/reports") / f"<i>'{n} #%" / "when", code=1)
        for n, one in enumerate(map(judged, NAMES))
    ]
    return [*ran, matrix.not_run(NOWHERE, "there is <b>none</b> here", code=2)]


def test_a_rows_figures_are_those_of_its_report(runs: list[matrix.Run]) -> None:
    for one, run in zip(map(judged, NAMES), runs, strict=False):
        report = document(one.recording, one.verdict)
        assert (run.status, run.fidelity) == (report.verdict.status, report.rollback.fidelity)
        assert run.failed == [one.code for one in report.verdict.checks if one.status == "failed"]
        acted = [one for one in report.phases if one.acted_s]
        if run.writes_ms is not None:
            closed = [one.longest_ms for phase in acted for one in phase.outages or () if one.stops == "writes"]
            assert run.writes_ms == max(closed, default=0.0)
        if run.errors is not None:
            assert run.errors == sum(one.traffic.failed + one.traffic.unknown for one in acted if one.traffic)
        assert run.forward_s == next((one.duration_s for one in acted if one.name == "forward"), None)
    assert any(run.writes_ms for run in runs) and any(run.errors for run in runs)


def test_what_was_not_measured_is_not_nought(runs: list[matrix.Run]) -> None:
    unmeasured, absent = runs[3], runs[-1]
    for run in (unmeasured, absent):
        assert (run.reads_ms, run.writes_ms, run.back_s, run.p99_ms, run.fidelity, run.errors) == (None,) * 6
    shown = printed([unmeasured], 80)
    assert "unknown" in shown and " 0 " not in shown


def test_one_phase_that_was_not_seen_makes_the_worst_unknown(harmful: Judged) -> None:
    acted = [one for one in document(harmful.recording, harmful.verdict).phases if one.acted_s]
    assert (matrix._worst(acted, lambda one: matrix._closed_ms(one, "writes")) or 0) > 0
    unseen = [*acted[1:], replace(acted[0], outages=None)]
    assert matrix._worst(unseen, lambda one: matrix._closed_ms(one, "writes")) is None
    assert matrix._worst([], lambda one: one.duration_s) is None


def test_the_json_is_what_its_schema_says(runs: list[matrix.Run], tmp_path: Path) -> None:
    matrix.write(runs, tmp_path)
    content = json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, schema("matrix"))
    assert len(content["runs"]) == len(runs)
    described = schema("matrix")["$defs"]["Run"]["properties"].values()
    assert all(one.get("description") for one in described)


class Page(HTMLParser):
    """What a page's texts and links are to a browser."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if tag == "a" and name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_links_each_report_and_no_text_is_markup(runs: list[matrix.Run]) -> None:
    matrix_page = Page(pages(runs)["html"])
    assert [unquote(one) for one in matrix_page.links] == [
        f"reports/<i>'{n} #%/when/report.html" for n in range(len(NAMES))
    ]
    assert not matrix_page.tags & {"script", "b", "i", "img"}
    assert "there is <b>none</b> here" in matrix_page.text
    assert all(code in matrix_page.text for code in runs[1].failed)


def test_markdown_is_a_table_with_a_line_each(runs: list[matrix.Run]) -> None:
    text = pages(runs)["md"]
    lines = [one for one in text.splitlines() if one.startswith("|")]
    assert len(lines) == 2 + len(runs)
    bars = {line.replace("\\|", "").count("|") for line in lines}
    assert len(bars) == 1, "no text breaks the table"
    assert "\\<b\\>none" in text


def pages(runs: list[matrix.Run]) -> dict[str, str]:
    from rehearse.reports._matrix_forms import markdown, page  # noqa: PLC0415

    return {"html": page(runs, Path("/made")), "md": markdown(runs, Path("/made"))}


def printed(runs: list[matrix.Run], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table(runs))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_is_good_at_80_columns(runs: list[matrix.Run]) -> None:
    shown = printed([one for one in runs if one.scenario != runs[4].scenario], 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown, "nothing is cut off"
    assert "6 runs" not in shown and "5 runs: 1 passed" in shown
    assert "not run: nowhere on mariadb 99" in shown


def test_texts_are_never_richs_markup(runs: list[matrix.Run]) -> None:
    shown = printed([replace(runs[0], scenario="[red]a", engine="[bold]b", via="[i]c", failed=["[u]d"])], 80)
    assert all(word in shown for word in ("[red]a", "[bold]b", "[i]c", "[u]d"))


def test_the_matrix_stands_in_the_nearest_folder_of_all_runs(runs: list[matrix.Run], tmp_path: Path) -> None:
    one = replace(runs[0], folder=tmp_path / "reports" / "a" / "when-1")
    two = replace(runs[0], folder=tmp_path / "reports" / "a" / "when-2")
    other = replace(runs[0], folder=tmp_path / "reports" / "b" / "when")
    assert matrix.home([one, two, runs[-1]]) == tmp_path / "reports" / "a"
    assert matrix.home([one, other]) == tmp_path / "reports"
    assert matrix.home([runs[-1]]) is None
    assert matrix.relative(two, tmp_path / "reports") == "a/when-2"
