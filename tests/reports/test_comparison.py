"""A comparison: figures are those of the runs, an order has its reasons, and every text is harmless in every form."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import jsonschema
import pytest
from rich.console import Console

from rehearse.measures import ranking
from rehearse.measures.end_states import EndState
from rehearse.measures.ranking import Sample
from rehearse.model import Scenario, StrategyChoice
from rehearse.reports import _comparison_forms as forms
from rehearse.reports import schema
from rehearse.reports._comparison_charts import timelines, typical
from rehearse.reports._comparison_words import interval
from rehearse.reports._document import document
from rehearse.reports._shape import Report
from rehearse.reports._shape_comparison import Compared
from rehearse.reports._shape_phases import Outage, Phase
from rehearse.reports.comparison import Contender, Ran, Setting, compared
from rehearse.testing.recordings import scenario
from tests.reports.conftest import judged

FIRST, SAME = EndState(is_first=True), EndState()
ELSEWHERE = EndState(differs=("index orders_status_idx is missing",))
SETTING = Setting(
    scenario=scenario("ways"), repeats=3, order=["a", "b"], data="copies", traffic="200 calls/s", caches="warmed"
)


def report(closed_ms: float, took_s: float, *, status: Literal["passed", "failed", "unknown"] = "passed") -> Report:
    """Return the report of a run whose way forward closed orders to writes for so long and took so long."""
    whole = document(judged("clean").recording, judged("clean").verdict)
    phases = [_forward(one, closed_ms, took_s) if one.name == "forward" else one for one in whole.phases]
    checks = [replace(whole.verdict.checks[0], status=status), *whole.verdict.checks[1:]]
    return replace(whole, phases=phases, verdict=replace(whole.verdict, status=status, checks=checks))


def _forward(phase: Phase, closed_ms: float, took_s: float) -> Phase:
    outage = Outage(
        table="orders", stops="writes", longest_ms=closed_ms, total_ms=closed_ms * 2, doubt_ms=0.0, calls_blocked=1,
        felt_ms=closed_ms, windows_s=[(1.0, 1.0 + closed_ms / 1_000)], statement=1,
    )  # fmt: skip
    return replace(phase, outages=[outage], duration_s=took_s)


def strategy(
    name: str,
    closed_ms: Sequence[float],
    took_s: Sequence[float] = (3, 3.1, 3.2),
    *,
    status: Literal["passed", "failed", "unknown"] = "passed",
    end: EndState | None = SAME,
) -> Contender:
    runs = [
        Ran(report=report(closed, took, status=status), round=n, place=2 * n, folder=f"{name}/{n}")
        for n, (closed, took) in enumerate(zip(closed_ms, took_s, strict=True), 1)
    ]
    return Contender(name=name, scenario=of(name), runs=runs, end=end)


def of(name: str) -> Scenario:
    return replace(scenario(), strategies=[StrategyChoice(name=name, deploys=2)])


QUICK = strategy("quick", (900, 950, 1_000), (1, 1.1, 1.2), status="failed", end=FIRST)
CAREFUL = strategy("careful", (10, 11, 12))
BATCHES = strategy("batches", (9, 11, 13), (30, 31, 32))


def test_who_keeps_the_budget_stands_first_and_it_is_said_why() -> None:
    found = compared([QUICK, CAREFUL], SETTING)
    assert [(one.name, one.rank) for one in found.strategies] == [("careful", 1), ("quick", 2)]
    assert (found.winner, found.status) == ("careful", "passed")
    assert found.says == (
        "careful alone keeps the budget: it closes a table for 11 ms (10–12) at most, quick for 950 ms "
        "(900 ms – 1.00 s); it takes 3.10 s, the other 1.10 s"
    )
    assert found.strategies[1].why.startswith("behind careful: passed in each of 3 runs against failed in 3 of 3 runs")


def test_within_the_noise_of_the_outage_the_duration_decides() -> None:
    found = compared([BATCHES, CAREFUL], SETTING)
    assert [one.name for one in found.strategies] == ["careful", "batches"]
    assert found.says.startswith("careful is best: it closes a table for 11 ms")
    assert found.strategies[0].why == "before batches: duration 3.10 s (3.00–3.20) against 31.00 s (30.00–32.00)"
    won = {one.key: one for one in found.figures}
    assert won["blocked_ms"].says == "no difference that the noise allows"
    assert (won["forward_s"].best, won["forward_s"].p) == (["careful"], pytest.approx(0.1))


def test_what_noise_does_not_tell_apart_is_no_difference() -> None:
    found = compared([CAREFUL, replace(CAREFUL, name="twin")], SETTING)
    assert found.says.startswith("no difference that the noise allows between careful and twin")
    assert found.winner is None and found.status == "passed"
    assert "NO DIFFERENCE" in forms.page(found, [CAREFUL, replace(CAREFUL, name="twin")])


def test_one_run_each_tells_nothing_and_the_medians_decide_by_outage() -> None:
    quick, careful = strategy("quick", [900], [1]), strategy("careful", [10], [3])
    found = compared([quick, careful], SETTING)
    assert [one.name for one in found.strategies] == ["careful", "quick"] and found.winner is None
    assert found.says.startswith(
        "1 run of each cannot tell careful and quick apart; by the medians careful is first: it"
    )
    assert "1 run of each cannot measure; the medians decide" in found.strategies[0].why


def test_a_page_says_no_difference_only_where_it_was_looked_for() -> None:
    alone = [replace(CAREFUL, end=FIRST), strategy("b", (1, 1, 1), end=ELSEWHERE)]
    once = [strategy("quick", [900], [1]), strategy("careful", [10], [3])]
    twins = [CAREFUL, replace(CAREFUL, name="twin")]
    for contenders, word in (
        (alone, "NOTHING TO COMPARE"),
        (once, "NOT TOLD APART"),
        (twins, "NO DIFFERENCE"),
        ([QUICK, CAREFUL], "careful"),
        ([QUICK], "FAILED"),
        ([Contender(name="a", scenario=of("a"))], "NOT RUN"),
    ):
        assert f'<p class="word">{word}</p>' in forms.page(compared(contenders, SETTING), contenders)


def test_a_strategy_that_ends_elsewhere_takes_no_part() -> None:
    other = strategy("other", (1, 1, 1), end=ELSEWHERE)
    found = compared([QUICK, other, CAREFUL], SETTING)
    assert [(one.name, one.rank) for one in found.strategies] == [("careful", 1), ("quick", 2), ("other", None)]
    assert "ends elsewhere: index orders_status_idx is missing" in found.strategies[2].why
    assert found.strategies[2].end.is_alternative is False
    assert all("other" not in one.best for one in found.figures)
    traffic = replace(CAREFUL, otherwise=("forward: table x is missing",))
    assert compared([QUICK, traffic], SETTING).winner is None


def test_the_first_alone_at_its_end_wins_nothing() -> None:
    first = replace(CAREFUL, end=FIRST)
    others = [strategy(name, (1, 1, 1), end=ELSEWHERE) for name in ("b", "c")]
    found = compared([first, *others], SETTING)
    assert found.winner is None and found.status == "passed"
    assert found.says.startswith("careful keeps the budget, and nothing else ends where it does, so that it is")
    assert found.says.endswith("; b and c end elsewhere")
    assert found.remarks[0].startswith("b and c differ from careful in the same: it may be careful that ends elsewhere")
    assert compared([first, others[0]], SETTING).remarks == []


def test_one_alone_keeps_the_budget_only_as_far_as_the_others_are_known() -> None:
    unsure = strategy("unsure", (1, 1, 1), status="unknown")
    absent = Contender(name="repack", scenario=of("repack"), refused="pg_repack is not installed")
    assert compared([CAREFUL, unsure, absent], SETTING).says.startswith(
        "careful alone is known to keep the budget (of unsure it cannot be told; repack was not run): it closes"
    )


def test_what_was_not_measured_in_each_run_is_not_called_no_difference() -> None:
    unseen = strategy("unseen", (900, 950, 1_000))
    first = unseen.runs[0].report
    blind = replace(first, phases=[replace(one, outages=None) for one in first.phases])
    runs = [replace(unseen.runs[0], report=blind), *unseen.runs[1:]]
    found = compared([CAREFUL, replace(unseen, runs=runs)], SETTING)
    assert found.says == (
        "careful and unseen keep the budget, and cannot be told apart: the longest outage of unseen was not measured "
        "in each run"
    )
    assert found.winner is None
    assert "was not measured in each run; the medians of the others decide" in found.strategies[0].why


def test_one_that_cannot_be_run_or_fails_in_quiet_says_why() -> None:
    absent = Contender(name="repack", scenario=of("repack"), refused="pg_repack is not installed")
    broken = strategy("broken", (1, 1, 1), end=EndState(error="syntax error"))
    found = compared([CAREFUL, absent, broken], SETTING)
    assert [one.why for one in found.strategies[1:]] == [
        "not run: pg_repack is not installed",
        "it does not get to its end: syntax error",
    ]
    assert found.strategies[1].status == "not run"


def test_the_status_is_that_of_the_best() -> None:
    unsure = strategy("unsure", (10, 11, 12), status="unknown")
    assert compared([QUICK, unsure], SETTING).status == "failed"
    assert compared([unsure, replace(unsure, name="b")], SETTING).status == "unknown"
    assert compared([QUICK, unsure, CAREFUL], SETTING).status == "passed"
    assert compared([Contender(name="a", scenario=of("a"))], SETTING).status == "not run"
    assert "comes nearest" in compared([QUICK], SETTING).says


def test_a_run_has_the_figures_of_its_report_and_what_was_not_measured_is_null() -> None:
    runs = [
        Ran(report=document(judged(name).recording, judged(name).verdict), round=1)
        for name in ("harmful", "unmeasured")
    ]
    found = compared([Contender(name=str(n), scenario=of(str(n)), runs=[one]) for n, one in enumerate(runs)], SETTING)
    harmful, unmeasured = (one.runs[0].figures for one in sorted(found.strategies, key=lambda one: one.name))
    forward = next(one for one in runs[0].report.phases if one.name == "forward")
    assert harmful["reads_ms"] == max(one.longest_ms for one in forward.outages or () if one.stops == "reads")
    assert harmful["lost_writes"] == runs[0].report.integrity.lost_writes
    assert harmful["fidelity"] == runs[0].report.rollback.fidelity
    assert forward.traffic and harmful["p99_ms"] == forward.traffic.latency_ms.p99
    assert forward.load and harmful["disk_extra_bytes"] == forward.load.disk_extra_bytes
    for key in ("reads_ms", "writes_ms", "back_s", "p99_ms", "errors", "fidelity", "lost_writes", "wal_bytes"):
        assert unmeasured[key] is None, key
    won = {one.key: one for one in found.figures}
    assert won["blocked_ms"].best == [] and "not measured in each run" in won["blocked_ms"].says


def test_the_run_that_is_drawn_is_the_one_with_the_median_outage() -> None:
    found = typical(strategy("a", (30, 10, 20)))
    assert next(one for one in found.phases if one.name == "forward").outages[0].longest_ms == 20  # type: ignore[index]


@pytest.mark.parametrize(
    ("runs", "says"),
    [((10, 11, 12), "10–12"), ((900, 950, 1_000), "900 ms – 1.00 s"), ((5, 5, 5), None),
     ((100_000, 61_000), "1 min 01 s – 1 min 40 s")],
)  # fmt: skip
def test_an_interval_has_its_unit_once(runs: Sequence[float], says: str | None) -> None:
    sample = Sample(values=tuple(map(float, runs)))
    assert interval("ms", ranking.spread(sample)) == says


# --- forms


def nasty() -> tuple[Compared, list[Contender]]:
    """Return a comparison whose texts break out of every format, with one strategy that was not run."""
    name = "<i>'a | `b` [red]c\u202e"
    judgement = judged("nasty")
    ran = Ran(report=document(judgement.recording, judgement.verdict), round=1, folder="a/1")
    contenders = [
        Contender(
            name=name,
            scenario=replace(judgement.recording.scenario, strategies=[StrategyChoice(name=name)]),
            runs=[ran],
            end=EndState(differs=("<b>x</b> is missing",), cosmetic=("[bold]y",), leftovers=("<script>",)),
        ),
        CAREFUL,
        Contender(name="absent", scenario=of("absent"), refused="<b>nowhere</b>"),
    ]
    setting = replace(SETTING, scenario=replace(scenario("ways"), why="<b>why</b> [x](http://evil)"), remarks=["<u>!"])
    return compared(contenders, setting), contenders


def test_the_json_is_what_its_schema_says(tmp_path: Path) -> None:
    described = schema("comparison")
    jsonschema.Draft202012Validator.check_schema(described)
    for one in [described, *described["$defs"].values()]:
        one["additionalProperties"] = one.get("additionalProperties", False)
        assert all(part.get("description") for part in one.get("properties", {}).values())
    for found, contenders in (nasty(), (compared([QUICK, CAREFUL, BATCHES], SETTING), [QUICK, CAREFUL, BATCHES])):
        forms.write(found, contenders, tmp_path)
        content = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
        jsonschema.validate(content, described)
        assert [one["name"] for one in content["strategies"]] == [one.name for one in found.strategies]


class Page(HTMLParser):
    """What a page's texts, tags and links are to a browser."""

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


def test_the_page_links_every_run_and_no_text_is_markup() -> None:
    page = Page(forms.page(*nasty()))
    assert sorted(page.links) == ["a/1/report.html", *(f"careful/{n}/report.html" for n in (1, 2, 3))]
    assert not page.tags & {"script", "i", "b", "u", "img"}
    assert "<b>x</b> is missing" in page.text and "\u202e" not in page.text
    assert "<b>nowhere</b>" in page.text


def test_the_latencies_of_all_strategies_stand_on_one_scale() -> None:
    found = compared([QUICK, CAREFUL], SETTING)
    drawn = str(timelines(found, [CAREFUL, QUICK]))
    assert drawn.count('class="ground"') == 4, "two strategies, each with forward and back"
    assert drawn.count("quick") and drawn.count("careful")
    marks = drawn.count(">1 ms<")
    assert marks == 2, "the decades are named once a strategy, and are the same"


def test_markdown_is_a_short_table_that_no_text_breaks() -> None:
    found, _ = nasty()
    text = forms.markdown(found)
    lines = [one for one in text.splitlines() if one.startswith("|")]
    bars = {line.replace("\\|", "").count("|") for line in lines}
    assert bars == {len(found.strategies) + 2}
    assert len(lines) < 20
    assert "<b>" not in text and "<script>" not in text
    assert text.startswith("## ✅ ways: ")


def test_what_a_strategy_broke_is_said_in_every_form() -> None:
    found = compared([QUICK, CAREFUL], SETTING)
    careful, quick = found.strategies
    assert forms.broken(careful) is None
    says = forms.broken(quick)
    assert says is not None and says.startswith(f"failed in 3 of 3 runs ({quick.runs[0].failed[0]}): ")
    console = Console(file=io.StringIO(), width=500, color_system=None)
    console.print(forms.table(found, width=500))
    assert isinstance(console.file, io.StringIO)
    page = Page(forms.page(found, [QUICK, CAREFUL])).text
    assert all(says in shown.replace("\\", "") for shown in (console.file.getvalue(), forms.markdown(found), page))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_fits_its_terminal(width: int) -> None:
    for found in (nasty()[0], compared([QUICK, CAREFUL, BATCHES], SETTING)):
        console = Console(file=io.StringIO(), width=width, color_system=None)
        console.print(forms.table(found, width=width))
        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue()
        assert max(map(len, shown.splitlines())) <= width
        assert "…" not in shown.replace("[red]c", "")
        assert all(word in shown for word in ("careful", "longest outage", "where they end"))
