"""estimate.json, .md and .html: as their schema says, every text harmless, "not known" where it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from rehearse.forecast.figures import Ground
from rehearse.forecast.forecast import way
from rehearse.forecast.outcome import Change, Estimate, SizeSeen
from rehearse.forecast.seen import TRAFFIC
from rehearse.reports import estimate as reports
from rehearse.reports import schema
from tests.forecast.test_forecast import GROUND, ROWS, SIZES, run, runs

EVIL = "ALTER TABLE orders ADD c text DEFAULT '<script>alert(1)</script> | `x`'"


def made(ground: Ground = GROUND, *, known: bool = True) -> Estimate:
    some = runs(lambda x: 0.02 + 20 * x, sql=EVIL) if known else [run(x) for x in SIZES[:2]]
    return Estimate(
        format=1,
        scenario="made <b>up</b>",
        engine="postgres",
        engine_version="18.6",
        at=dict(ground.at),
        driver="orders",
        bytes=1e9,
        sizes=[SizeSeen(x=x, rows={"orders": round(ROWS * x)}, bytes=10, runs=3, runs_under={}) for x in SIZES],
        took_s=12.0,
        ways=[way(some, "forward", ground)],
        changes=[Change(name="cache", says="it no longer fits", measured=False)],
        notes=["as it was"],
        settings={"shared_buffers": "256MB"},
    )


@pytest.mark.parametrize("known", [True, False])
def test_the_json_is_what_its_schema_says(known: bool, tmp_path: Path) -> None:
    reports.write(made(known=known), tmp_path)
    content = json.loads((tmp_path / "estimate.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, schema("estimate"))
    assert (content["ways"][0]["duration"]["amount"] is None) is not known


def test_every_key_is_described() -> None:
    models = [schema("estimate"), *schema("estimate")["$defs"].values()]
    assert all("description" in key for model in models for key in model["properties"].values())


def test_no_text_is_markup_in_any_form(tmp_path: Path) -> None:
    page = reports.write(made(), tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") >= 4
    assert "it no longer fits" in page
    text = (tmp_path / "estimate.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert r"\| \`x\`" in text


def test_what_is_not_known_is_said_in_every_form(tmp_path: Path) -> None:
    unknown = made(known=False)
    page = reports.write(unknown, tmp_path).read_text(encoding="utf-8")
    for text in (page, (tmp_path / "estimate.md").read_text(encoding="utf-8"), "\n".join(reports.lines(unknown))):
        assert "fewer than 3 tell no law" in text


def test_where_no_run_was_under_traffic_none_is_claimed() -> None:
    assert [name for name, _ in reports.facts(made().ways[0])][:2] == [
        "duration, without traffic",
        "maintenance window",
    ]
    assert "sure within" in reports.headline(made())
    assert "if nobody else is at work there" in reports.headline(made())
    busy = way([replace(one, under=(TRAFFIC,)) for one in runs(lambda x: 20 * x)], "forward", GROUND)
    assert "nobody else" not in reports.sure(busy)


def test_that_no_table_was_closed_is_told_and_that_it_was_not_seen_is_something_else() -> None:
    some = runs(lambda x: 20 * x)
    none, unseen = (way([replace(one, closed=what) for one in some], "forward", GROUND) for what in ((), None))
    assert dict(reports.facts(none))["tables closed"] == "none seen at any size that was run"
    assert dict(reports.facts(unseen))["tables closed"].startswith("not known")


def test_an_outage_of_which_nothing_is_known_says_so_once() -> None:
    some = [replace(one, closed=one.closed if one.x > 0.03 else ()) for one in runs(lambda x: 20 * x)]
    facts = dict(reports.facts(way(some, "forward", GROUND)))
    assert facts["orders closed to reads"].startswith("not known: ")
    assert facts["orders closed to reads"].count("seen at 2 sizes only") == 1


def test_a_change_that_was_not_measured_says_so_in_every_form(tmp_path: Path) -> None:
    reports.write(made(), tmp_path)
    assert "cache: it no longer fits (not measured)" in reports.lines(made())
    assert r"it no longer fits (not measured)" in (tmp_path / "estimate.md").read_text(encoding="utf-8")


def test_the_sentence_has_the_interval_and_the_window() -> None:
    says = reports.headline(made())
    assert says.startswith("At 10 M rows of orders forward takes ")
    assert "98 % sure within" in says
    assert "that it ends within 1 min" in says
