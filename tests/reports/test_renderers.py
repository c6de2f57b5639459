"""Every renderer, on every recording by hand."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markupsafe import escape
from rich.console import Console

from rehearse import registry
from rehearse.cli import COMMANDS
from rehearse.events import PhaseRan, StatementRan
from rehearse.judging import judge
from rehearse.model import EngineChoice, PropertyDifference, Recording
from rehearse.reports import _charts, _words
from rehearse.reports._document import document
from rehearse.reports._phases import STATEMENTS
from rehearse.reports._risk import risk
from rehearse.reports._shape import CompatibilityCell, CompatibilitySeen, Report
from rehearse.reports._shape_fidelity import NoReturn
from rehearse.reports._shape_phases import Outage
from rehearse.reports.md import MOST
from rehearse.reports.plan import _kept, _versions
from rehearse.reports.terminal import print_report
from rehearse.testing import recordings as hand
from rehearse.testing.examples import NASTY
from rehearse.units import human_duration
from tests.reports.conftest import Judged, judged

FORMS = registry.names("renderer")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["harmful", "unmeasured"])
def test_what_innodb_writes_ahead_is_no_wal(name: str, form: str) -> None:
    recording = judged(name).recording
    theirs = replace(recording, scenario=replace(recording.scenario, engine=EngineChoice(name="mariadb")))
    text = registry.renderer(form)(theirs, judge(theirs))
    assert not re.search(r"\bWAL\b|write-ahead", text)
    assert ("redo log" in text) == bool(re.search(r"\bWAL\b", judged(name).rendered(form)))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_verdict_and_writes_the_same_twice(example: Judged, form: str) -> None:
    text = example.rendered(form)
    assert text == example.rendered(form)
    assert text.endswith("\n")
    assert (
        example.verdict.status in text
        or example.verdict.status.upper() in text
        or "COULD NOT TELL" in text
        or (form in ("sarif", "junit"))
    )


@pytest.mark.parametrize("form", FORMS)
def test_no_form_lets_a_control_character_through(nasty: Judged, form: str) -> None:
    text = nasty.rendered(form)
    assert not {"\x00", "\x07", "\x1b", "\u202e"} & set(text) or form == "json"


def test_a_report_in_markdown_fits_a_comment(example: Judged) -> None:
    assert len(example.rendered("md")) < MOST


def test_markdown_holds_no_raw_markup_of_others(nasty: Judged) -> None:
    outside = [part for n, part in enumerate(nasty.rendered("md").split("```")) if n % 2 == 0]
    assert all("<script>" not in part.replace("\\<", "") for part in outside[:1])
    assert "@everyone" not in outside[0]


# --- the run book


def book(*, of: Recording) -> str:
    return registry.renderer("plan")(of, judge(of))


def test_the_run_book_says_once_what_is_closed_and_until_when() -> None:
    text = book(
        of=hand.recorded(
            [
                hand.phase("baseline", 4, 9),
                hand.phase("forward", 10, 14, acted=(11, 13)),
                hand.statement(1, "begin", 11, 11.001),
                hand.statement(2, "alter table orders add a int", 11.001, 11.02),
                hand.statement(3, "update orders set a = 1", 11.02, 11.3),
                hand.statement(4, "commit", 11.3, 11.301),
                hand.lock("orders", 11.002, 11.003, 11.301, by=2),
                hand.lock("orders", 11.004, 11.004, 11.301, by=2, index="orders_pkey"),
                hand.lock("orders", 11.004, 11.004, 11.301, by=2, mode="ShareLock", stops=("writes",)),
            ],
            frames=[hand.traffic(4, 9), hand.traffic(10, 14)],
        )
    )
    assert text.count("- closes orders to") == 1
    assert "for 298 ms, until the transaction ends with step 4" in text


def test_the_run_book_counts_values_that_did_not_come_back(harmful: Judged) -> None:
    text = harmful.rendered("plan")
    assert "orders.status: 119,000 values did not come back, 119,000 of them lost" in text
    assert "orders: 0 rows are lost, 4 are left over" in text


def test_the_run_book_names_no_command_that_is_not_there(example: Judged) -> None:
    named = set(re.findall(r"`rehearse (\w+)", example.rendered("plan")))
    assert named <= COMMANDS.keys()


# --- JUnit


def test_junit_has_one_case_a_check_and_counts_them(example: Judged) -> None:
    root = ET.fromstring(example.rendered("junit"))
    cases = root.findall(".//testcase")
    assert len(cases) == len(example.verdict.answers) == int(root.attrib["tests"])
    assert len(root.findall(".//failure")) == int(root.attrib["failures"])
    assert len(root.findall(".//error")) == int(root.attrib["errors"])


def test_an_unknown_check_is_an_error_for_ci_and_not_a_skip() -> None:
    root = ET.fromstring(judged("unmeasured").rendered("junit"))
    assert int(root.attrib["errors"]) > 0
    assert not root.findall(".//skipped")


def test_a_failure_says_what_and_the_remedy(harmful: Judged) -> None:
    root = ET.fromstring(harmful.rendered("junit"))
    failure = root.find(".//testcase[@name='L001 closed to reads']/failure")
    assert failure is not None
    assert "orders was closed to reads" in failure.attrib["message"]
    assert "remedy:" in (failure.text or "")


# --- SARIF


def test_sarif_points_to_the_line_of_the_migration(harmful: Judged) -> None:
    run = json.loads(harmful.rendered("sarif"))["runs"][0]
    result = next(one for one in run["results"] if one["ruleId"] == "L001")
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "shop/status_not_null.up.sql"}, "region": {"startLine": 3}}
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "L001"


def test_sarif_says_that_an_unknown_run_did_not_succeed() -> None:
    run = json.loads(judged("unmeasured").rendered("sarif"))["runs"][0]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"]


# --- the runbook


def test_a_runbook_says_steps_when_to_stop_and_how_to_go_back(harmful: Judged) -> None:
    text = harmful.rendered("plan")
    assert "Do not run this as it is" in text
    assert text.index("## Forward") < text.index("## When to stop") < text.index("## How to go back")
    assert "closes orders to reads and writes for 1.24 s" in text


def test_a_runbook_does_not_claim_a_way_back_that_was_not_rehearsed() -> None:
    text = judged("failed").rendered("plan")
    assert "Not rehearsed: nothing is known of it." in text
    assert "the backup is the way back" in text


def test_a_column_that_gains_a_property_is_no_new_column_in_a_plan(harmful: Judged) -> None:
    gained = PropertyDifference(object="table orders column note", property="not null", before=None, after="yes")
    made = replace(gained, object="table orders column made", property="exists", after="text")
    of = harmful.recording
    changed = [
        replace(one, schema=(gained, made)) if (one.before, one.after) == ("start", "forward") else one
        for one in of.comparisons
    ]
    text = book(of=replace(of, comparisons=changed))
    assert "column note: not null nothing → yes" in text
    assert "column made: **new**" in text


def test_a_plan_tells_what_changes_how_rows_are_moved_and_what_was_proved(harmful: Judged) -> None:
    text = harmful.rendered("plan")
    assert "- table orders column status: not null no → yes" in text
    assert "| 5 | update orders set status" in text
    assert "- [ ] I001" in text
    assert ": **failed**, 2 findings" in text
    assert "- [x] D002 Does the migration run to its end?" in text


@pytest.mark.parametrize(
    "name, level, rule",
    [
        ("harmful", "critical", "rows, writes or the way back are lost"),
        ("failed", "high", "the rehearsal failed: D002"),
        ("unmeasured", "not known", "the rehearsal could not tell"),
        ("clean", "medium", "less than 10 % of production's rows were there: 5.0 % of the profile's rows"),
    ],
)
def test_a_plan_names_the_risk_and_the_rule_that_gave_it(name: str, level: str, rule: str) -> None:
    assert f"| risk | **{level}**: {rule}" in judged(name).rendered("plan")


def test_a_table_that_is_closed_for_long_is_a_risk_though_the_budget_allows_it() -> None:
    text = book(
        of=hand.recorded(
            [
                hand.phase("baseline", 4, 9),
                hand.phase("forward", 10, 14, acted=(11, 13)),
                hand.statement(1, "alter table orders alter a type bigint", 11, 11.3, rewrites=("orders",)),
                hand.lock("orders", 11.0, 11.0, 11.3, by=1),
            ],
            frames=[hand.traffic(4, 9), hand.traffic(10, 14)],
        )
    )
    assert "### Transform: rows are written" in text
    assert "| downtime for reads | 300 ms at a stretch (orders 300 ms in all) |" in text


def seen_in(text: str, title: str) -> str:
    """Return a part of a plan."""
    return text.split(f"## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def test_a_plan_does_not_say_how_long_a_way_takes_that_failed() -> None:
    assert "| time forward | not known: it failed after 400 ms |" in judged("failed").rendered("plan")


def test_a_plan_does_not_claim_of_statements_that_were_not_seen() -> None:
    phases = [hand.phase("baseline", 4, 9), hand.phase("forward", 10, 14, acted=(11, 13))]
    text = seen_in(book(of=hand.recorded(phases)), "Data transformation")
    assert "Not measured: no statement of the way forward was seen." in text
    assert "None" not in text
    assert "- not measured: whether the rows after it keep" in text


def test_the_batches_of_a_statement_are_one_step_of_a_plan() -> None:
    texts = ["begin", "update orders set a = 1 where id > {} and id <= {}", "commit"]
    many = [
        replace(
            hand.statement(n, texts[(n - 1) % 3].format(n, n + 3), 11 + n / 1e3, 11 + (n + 1) / 1e3), file="up.sql:2"
        )
        for n in range(1, 301)
    ]
    last = replace(hand.statement(301, "drop table old", 12, 12.5), file="up.sql:9")
    phases = [hand.phase("baseline", 4, 9), hand.phase("forward", 10, 14, acted=(11, 13))]
    text = book(of=hand.recorded([*phases, *many, last]))
    assert "#### Steps 1 to 300: 100 times, 300 ms in all, 1.0 ms at most (up.sql:2)" in text
    assert "#### Step 301: 500 ms (up.sql:9)" in text
    assert "more statement" not in text
    assert "| 2–299 | update orders set a = 1 where id > 2 and id <= 5 |" in seen_in(
        text, "Data transformation"
    ).replace("\\", "")


def test_a_plan_whose_shorter_statements_are_left_out_tells_no_log() -> None:
    many = [
        hand.statement(n, f"update orders set a = {n}", 11 + n / 1e4, 11 + (n + 1) / 1e4, wal_bytes=100)
        for n in range(1, STATEMENTS + 3)
    ]
    phases = [hand.phase("baseline", 4, 9), hand.phase("forward", 10, 14, acted=(11, 13))]
    assert "| log written | not measured |" in book(of=hand.recorded([*phases, *many]))
    assert "Of 2 shorter statements nothing is told here." in book(of=hand.recorded([*phases, *many]))
    assert "| log written | 97.7 kB |" in book(of=hand.recorded([*phases, *many[:STATEMENTS]]))


def test_a_way_back_whose_rows_could_not_be_compared_is_not_said_to_restore_them() -> None:
    clean = judged("clean").recording
    assert "It restored schema and data wholly" in book(of=clean)
    compared = [
        replace(one, tables=tuple(replace(table, rows_missing=None, unmeasured=("no key",)) for table in one.tables))
        if one.after == "back"
        else one
        for one in clean.comparisons
    ]
    text = seen_in(book(of=replace(clean, comparisons=compared)), "How to go back")
    assert "wholly" not in text
    assert "not all could be" in text


def test_a_way_back_that_loses_something_else_than_schema_and_rows_says_what() -> None:
    clean = judged("clean").recording
    phases = [replace(one, error="it is there") if one.name == "again" else one for one in clean.history.of(PhaseRan)]
    others = list(clean.history.of(StatementRan))
    again = hand.recorded(
        [*phases, *others], of=clean.scenario, snapshots=clean.snapshots, comparisons=clean.comparisons
    )
    text = seen_in(book(of=again), "How to go back")
    assert "**It does not restore all** (fidelity 0.0 %)" in text
    assert "- a second way forward does not make what the first made" in text


def test_which_writes_are_kept_is_told_where_they_were_followed() -> None:
    clean = judged("clean")
    report = document(clean.recording, clean.verdict)
    followed = NoReturn(
        says="2 are lost", writes_lost=2, at_ms=1.0, call="c", table="t", key=None, column=None, written=None,
        found=None, not_told=[],
    )  # fmt: skip
    assert "but 2 acknowledged writes of the application since the start are lost" in _kept(
        replace(report.rollback, point_of_no_return=followed)
    )
    assert "was not measured" in _kept(replace(report.rollback, point_of_no_return=None))
    assert "writes since the start kept" in _kept(
        replace(report.rollback, point_of_no_return=replace(followed, writes_lost=0))
    )


def test_a_plan_tells_calls_only_on_states_on_which_they_were_tried() -> None:
    cells = [
        CompatibilityCell(state=one, outcome="ok", live=True, code=None, message=None, columns="")
        for one in ("start", "forward", "back")
    ]
    calls = [CompatibilitySeen(call="read", version=None, cells=cells)]
    (all_three,) = _versions(calls)
    assert all_three.endswith("the migration and after it and after the way back: deploy in any order.")
    one, other = _versions([replace(calls[0], cells=cells[:2])])
    assert one == "- Every call works on the schema before the migration and after it."
    assert other == "- Whether it works after the way back was not tried."


def test_a_risk_is_not_low_where_the_slowdown_was_not_measured_or_the_doubt_reaches_the_limit() -> None:
    clean = judged("clean")
    report = document(clean.recording, clean.verdict)
    report = replace(report, scenario=replace(report.scenario, scale=1.0))
    assert risk(report).level == "low"

    def with_forward(**changes: object) -> Report:
        phases = [replace(one, **changes) if one.name == "forward" else one for one in report.phases]  # type: ignore[arg-type]
        return replace(report, phases=phases)

    unmeasured = risk(with_forward(traffic=None))
    assert unmeasured.level == "medium"
    assert "was not measured" in unmeasured.because
    outage = Outage(
        table="orders", stops="reads", longest_ms=80, total_ms=80, doubt_ms=40, calls_blocked=None, felt_ms=None,
        windows_s=[], statement=None,
    )  # fmt: skip
    assert risk(with_forward(outages=[outage])).level == "medium"
    assert risk(with_forward(outages=[replace(outage, doubt_ms=4)])).level == "low"


@pytest.mark.parametrize(
    "sql, purpose",
    [
        ("alter table a add column b int", "Expand"),
        ("create index concurrently i on a (b)", "Expand"),
        ("/* now */ update a set b = 1", "Transform"),
        ("alter table a validate constraint c", "Validate"),
        ("alter table a alter b set not null", "Validate"),
        ("alter table a drop column b", "Contract"),
        ("alter table a rename column b to c", "Contract"),
        ("drop index i", "Contract"),
        ("set lock_timeout = '1s'", "Session"),
        ("frobnicate", "Other"),
    ],
)
def test_each_step_of_a_plan_has_a_purpose(sql: str, purpose: str) -> None:
    phases = [hand.phase("baseline", 4, 9), hand.phase("forward", 10, 14, acted=(11, 13))]
    text = book(of=hand.recorded([*phases, hand.statement(1, sql, 11, 12)]))
    assert f"### {purpose}: " in text


# --- the terminal


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_report_in_a_terminal_is_no_wider_than_it(example: Judged, width: int) -> None:
    console = Console(width=width, record=True, file=None, quiet=False, color_system=None)
    with console.capture() as captured:
        print_report(console, example.recording, example.verdict)
    assert all(len(line) <= width for line in captured.get().splitlines() if line.isascii())


def test_a_terminal_shows_richs_markup_as_text(nasty: Judged) -> None:
    assert "[bold]markup[/bold]" in nasty.rendered("terminal")


# --- HTML


class Tags(HTMLParser):
    """Collects the tags, and every attribute that could make a request."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asks: list[tuple[str, str]] = []
        self.events: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster"):
                self.asks.append((tag, value or ""))
            if name.startswith("on") or name == "style":
                self.events.append(name)
            if name == "id":
                self.ids.append(value or "")


def test_a_page_holds_no_script_and_asks_for_nothing(example: Judged) -> None:
    page = Tags(example.rendered("html"))
    assert not {"script", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert all(target.startswith("#") or target == "data:," for _, target in page.asks)
    assert not page.events


def test_a_page_forbids_what_it_does_not_do(example: Judged) -> None:
    text = example.rendered("html")
    assert "default-src 'none'" in text
    assert "unsafe" not in text.split("</head>")[0]


def test_every_link_leads_to_a_place_on_the_page(harmful: Judged) -> None:
    page = Tags(harmful.rendered("html"))
    assert len(page.ids) == len(set(page.ids))
    assert {target[1:] for _, target in page.asks if target.startswith("#")} <= set(page.ids)


def test_a_page_shows_nasty_texts_and_runs_none(nasty: Judged) -> None:
    text = nasty.rendered("html")
    assert "<script" not in text
    assert "onerror=alert(1)&gt;" in text
    assert "{{ 7 * 7 }}" in text
    assert all(ord(one) >= 32 or one in "\n\t" for one in text)
    assert len(NASTY) <= text.count("&lt;script&gt;")


def test_a_page_has_its_pictures_with_words_for_those_who_cannot_see_them(harmful: Judged) -> None:
    text = harmful.rendered("html")
    assert text.count('role="img"') == 3
    assert text.count("<desc ") == 3
    assert "forward: orders closed to reads for 1.54 s" in text


def test_a_page_says_not_measured_and_never_zero_for_it() -> None:
    text = judged("unmeasured").rendered("html")
    assert text.count("not measured") > 8
    assert "no table was closed" not in text.lower()


# --- the page


def test_a_remedy_stands_once_in_the_page(harmful: Judged) -> None:
    page = harmful.rendered("html")
    for finding in harmful.verdict.findings:
        assert page.count(f"<dd>{escape(finding.remedy)}</dd>") == 1, finding.code
    assert '<a href="#finding-L001">L001</a>' in page
    assert 'id="finding-L001"' in page


def test_a_length_of_which_little_is_known_says_what_is_sure() -> None:
    assert _words.doubted(2_580, 2_500) == "2.58 s, at least 80 ms"
    assert _words.doubted(100, 20) == "100 ms ± 20 ms"
    assert _words.doubted(10, 20) == "up to 30 ms"
    assert _words.doubted(100, 0.5) == "100 ms"


def test_a_label_does_not_lie_on_the_line_of_the_budget() -> None:
    assert _charts.beside(100, "285 ms", 120) == 126
    assert _charts.beside(100, "285 ms", 300) == 100
    assert _charts.beside(100, "285 ms", 90) == 100
    assert _charts.beside(100, "285 ms", None) == 100


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (999_400, "999 µs"),
        (999_700, "1.0 ms"),
        (9_960_000, "10 ms"),
        (999_700_000, "1.00 s"),
        (59_999_000_000, "1 min 00 s"),
    ],
)
def test_a_duration_that_is_rounded_up_has_the_next_unit(ns: int, words: str) -> None:
    assert human_duration(ns) == words
