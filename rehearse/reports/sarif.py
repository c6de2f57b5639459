"""rehearse.sarif: each finding at its line of the migration, for code scanning (SARIF 2.1.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar, Protocol
from urllib.parse import quote

from rehearse.hazards import by_code as hazard_rule
from rehearse.model import MigrationChoice, Recording, Rule, Verdict
from rehearse.reports import _words
from rehearse.reports._document import document
from rehearse.reports._escape import plain
from rehearse.reports._shape import FindingSeen, HazardSeen, Report

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_PLACE = re.compile(r"(?P<file>.+?):(?P<line>[1-9]\d*)(?::\d+)?$", re.DOTALL)


class SarifRenderer:
    """Writes findings as results; a finding without a line stands at the scenario's file."""

    suffix: ClassVar[str] = ".sarif"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the text."""
        report = document(recording, verdict)
        return log(_run(report, verdict, _named(recording.scenario.migration))) + "\n"


def log(run: Mapping[str, Any]) -> str:
    """Return the log of one run."""
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2)


class Words(Protocol):
    """The words of a rule: of a check, or of a hazard."""

    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def asks(self) -> str: ...  # noqa: D102
    @property
    def harm(self) -> str: ...  # noqa: D102
    @property
    def remedy(self) -> str: ...  # noqa: D102


def _run(report: Report, verdict: Verdict, named: Sequence[str]) -> dict[str, Any]:
    asked = [answer.rule for answer in verdict.answers]
    hazards = _words.hazards(report)
    rules: list[Words] = [*asked, *(hazard_rule(one) for one in sorted({one.code for one in hazards}))]
    driver = {"name": "rehearse", "version": report.environment.rehearse, "rules": [rule_entry(one) for one in rules]}
    notes = [
        {"level": "warning", "message": {"text": plain(f"{one.what}: not measured: {one.reason}")}}
        for one in report.not_measured
    ]
    notes += [
        {"level": "warning", "message": {"text": plain(f"{one.code}, rule inferred: {one.says}")}}
        for one in report.integrity.rules
        if one.warns
    ]
    return {
        "tool": {"driver": driver},
        "invocations": [
            {
                "executionSuccessful": report.verdict.status != "unknown",
                "commandLine": plain(report.scenario.rerun),
                "toolExecutionNotifications": notes,
            }
        ],
        "results": [
            *(_result(report, one, asked, named) for one in report.findings),
            *(_hazard(report, one, rules, named) for one in hazards),
        ],
    }


def rule_entry(rule: Words) -> dict[str, Any]:
    """Return what a log says of a rule."""
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split()),
        "shortDescription": {"text": rule.name},
        "fullDescription": {"text": f"{rule.asks} {rule.harm}"},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": "error"},
    }


def _result(report: Report, one: FindingSeen, rules: Sequence[Rule], named: Sequence[str]) -> dict[str, Any]:
    return {
        "ruleId": one.code,
        "ruleIndex": next(place for place, rule in enumerate(rules) if rule.code == one.code),
        "level": "error",
        "message": {"text": plain(f"{one.says}\n\nRemedy: {one.remedy}")},
        "locations": [_location(report, one.file, one.where, named)],
        "partialFingerprints": {"rehearse/v1": plain(f"{one.code}/{one.phase}/{one.where}/{one.file}")},
        "properties": {"phase": one.phase, "measured": one.measured, "allowed": one.allowed},
    }


def _hazard(report: Report, one: HazardSeen, rules: Sequence[Words], named: Sequence[str]) -> dict[str, Any]:
    """Return a hazard as a result that fails no scan: the run's own findings do; the measurement wins over the text."""
    where = f"{one.phase} statement {one.statement}"
    says = f"{one.says} ({_words.proof(one)})\n\nRemedy: {one.remedy}" + (f"\n\n{one.rewrite}" if one.rewrite else "")
    file = None if one.file is None else f"{one.file}:{one.line or 1}"
    return {
        "ruleId": one.code,
        "ruleIndex": next(place for place, rule in enumerate(rules) if rule.code == one.code),
        "level": "note" if one.proof == "refuted" else "warning",
        "message": {"text": plain(says)},
        "locations": [_location(report, file, where, named)],
        "partialFingerprints": {"rehearse/v1": plain(f"{one.code}/{one.phase}/{where}/{file}")},
        "properties": {"phase": one.phase, "severity": one.severity, "proof": one.proof},
    }


def _location(report: Report, told: str | None, where: str, named: Sequence[str]) -> dict[str, Any]:
    scenario = PurePath(report.scenario.file or f"{report.scenario.name}.toml")
    file, line = _place(told) if told else ("", 1)
    place = uri(scenario.parent / _found(file, named) if file else scenario)
    physical: dict[str, Any] = {"artifactLocation": {"uri": place}, "region": {"startLine": line}}
    return {"physicalLocation": physical, "logicalLocations": [{"name": plain(where)}]}


def _named(choice: MigrationChoice) -> list[str]:
    """Return the files and folders that the scenario names for the change; SQL given in its place is none."""
    texts = (one for way in (choice.forward, choice.back) if way for one in ([way] if isinstance(way, str) else way))
    return [text for text in texts if "\n" not in text and ";" not in text]


def _found(file: str, named: Sequence[str]) -> PurePath:
    """Return a statement's file as the scenario names it: tools tell the name alone, or with its folder."""
    for place in map(PurePath, named):
        if place.name == PurePath(file).name:
            return place
    folders = [place for place in map(PurePath, named) if not place.suffix]
    return folders[0] / PurePath(file).name if folders else PurePath(file)


def _place(text: str) -> tuple[str, int]:
    """Return the file and the line of "up.sql:12"; line 1 where there is none."""
    found = _PLACE.fullmatch(text)
    return (found["file"], int(found["line"])) if found else (text, 1)


def uri(path: PurePath) -> str:
    """Return a path as a URI; one below the working folder, as code scanning wants it, is relative to it."""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


RENDERER = SarifRenderer()
