"""report.json: the contract, its schema, and null where nothing was measured."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from rehearse.reports import report_schema
from tests.reports.conftest import Judged, judged

CONTRACT = {
    "": ["format", "scenario", "environment", "data", "phases", "integrity", "rollback", "findings", "verdict"],
    "scenario": ["name", "file", "engine", "engine_version", "via", "tool", "scale", "seed"],
    "environment": ["cpu", "cores", "memory_bytes", "rehearse", "settings"],
    "data": ["tables", "generate_s", "load_s", "similarity"],
    "data.tables.orders": ["rows", "bytes"],
    "phases.1": ["name", "duration_s", "error", "statements", "outages", "traffic"],
    "phases.1.statements.1": ["n", "sql", "started_s", "duration_s", "wal_bytes", "rewrites", "locks"],
    "phases.1.statements.1.locks.0": ["table", "mode", "stops", "waited_ms", "held_ms"],
    "phases.1.outages.0": ["table", "stops", "longest_ms", "total_ms", "calls_blocked"],
    "phases.1.traffic": ["due", "ok", "failed", "missed", "unknown", "latency_ms", "slowdown", "errors"],
    "phases.1.traffic.latency_ms": ["p50", "p95", "p99", "p999", "max"],
    "phases.1.traffic.slowdown": ["p50", "p99"],
    "phases.1.traffic.errors.0": ["code", "count", "example"],
    "integrity": ["lost_writes", "phantom_writes", "tables"],
    "integrity.tables.0": ["table", "rows_before", "rows_after", "rows_missing", "rows_unexpected", "columns"],
    "integrity.tables.0.columns.0": ["column", "values_changed", "examples"],
    "rollback": ["fidelity", "schema", "data", "physical", "again"],
    "rollback.schema.0": ["object", "property", "before", "after"],
    "rollback.data.0": ["table", "column", "values_lost", "rows_lost", "rows_left_over"],
    "rollback.physical.0": ["object", "property", "before", "after"],
    "findings.0": ["code", "rule", "phase", "where", "says", "remedy"],
    "verdict": ["status", "checks"],
    "verdict.checks.0": ["code", "status", "reason"],
}


def report(example: Judged) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(example.rendered("json"))
    return loaded


def at(value: Any, path: str) -> Any:
    for step in path.split(".") if path else ():
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with no other keys allowed, so that a key without a description is found."""
    for one in [schema, *schema["$defs"].values()]:
        if "properties" in one:
            one["additionalProperties"] = False
    return schema


def test_every_key_that_the_contract_promises_is_there(harmful: Judged) -> None:
    whole = report(harmful)
    for path, keys in CONTRACT.items():
        assert set(keys) <= set(at(whole, path)), path


def test_every_recording_fits_the_schema_and_every_key_stands_in_it(example: Judged) -> None:
    jsonschema.validate(report(example), closed(report_schema()), jsonschema.Draft202012Validator)


def test_the_schema_is_a_schema_and_describes_every_key() -> None:
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for name, one in schema["$defs"].items():
        for key, described in one["properties"].items():
            assert described.get("description"), f"{name}.{key}"


def test_what_was_not_measured_is_null_and_named_with_its_reason() -> None:
    whole = report(judged("unmeasured"))
    forward = whole["phases"][0]
    assert forward["traffic"] is None
    assert forward["outages"] is None
    assert forward["statements"][0]["wal_bytes"] is None
    assert forward["other_locks"][0]["held_ms"] is None
    assert whole["integrity"]["lost_writes"] is None
    assert whole["rollback"]["fidelity"] is None
    assert whole["rollback"]["schema"] is None
    assert whole["data"]["load_s"] is None
    assert whole["verdict"]["status"] == "unknown"
    assert {"forward: traffic", "rollback fidelity", "phase baseline"} <= {one["what"] for one in whole["not_measured"]}
    assert all(one["reason"] for one in whole["not_measured"])


def test_figures_are_those_of_the_recording(harmful: Judged) -> None:
    whole = report(harmful)
    baseline, forward, back, _again = whole["phases"]
    assert [one["name"] for one in whole["phases"]] == ["baseline", "forward", "back", "again"]
    assert forward["duration_s"] == 5.5
    assert baseline["duration_s"] == 5.0
    lock = forward["statements"][1]["locks"][0]
    assert (lock["waited_ms"], lock["held_ms"], lock["stops"]) == (300.0, 1240.0, ["reads", "writes"])
    assert forward["outages"][0]["longest_ms"] == 1540.0, "the queue behind the waiting lock counts"
    traffic = forward["traffic"]
    assert traffic["due"] == traffic["ok"] + traffic["failed"] + traffic["missed"] + traffic["unknown"] == 1800
    assert (traffic["missed"], traffic["failed"], traffic["unknown"]) == (40, 8, 1)
    assert traffic["slowdown"]["p99"] > 100
    assert baseline["traffic"]["slowdown"] == {"p50": None, "p99": None}
    assert back["statements"][0]["file"] == "shop/status_not_null.down.sql:1"


def test_a_series_has_lists_of_one_length_and_loses_no_call(harmful: Judged) -> None:
    for phase in report(harmful)["phases"]:
        series = phase["traffic"]["series"]
        lengths = {len(values) for name, values in series.items() if name != "window_ms"}
        assert len(lengths) == 1
        assert sum(series["ok"] + series["failed"] + series["missed"]) == phase["traffic"]["due"]


def test_findings_stand_in_order_of_weight_with_harm_and_place(harmful: Judged) -> None:
    findings = report(harmful)["findings"]
    codes = list(dict.fromkeys(one["code"] for one in findings))
    assert codes.index("I001") < codes.index("L001") < codes.index("F001") < codes.index("T001")
    closed_to_reads = next(one for one in findings if one["code"] == "L001")
    assert closed_to_reads["statement"] == 2
    assert closed_to_reads["file"] == "shop/status_not_null.up.sql:3"
    assert closed_to_reads["harm"]
