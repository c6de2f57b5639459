"""What a lint found as SARIF 2.1.0: each hazard at its line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rehearse.cli.lint_files import Linted
from rehearse.hazards import RULES, Hazard
from rehearse.hazards.rule import Severity
from rehearse.recording.environment import own_version
from rehearse.reports import sarif

_LEVELS: dict[Severity, str] = {"note": "note", "unseen": "warning"}


def text(found: Sequence[Linted]) -> str:
    """Return the log; SQL that stands in a scenario itself is placed at the scenario's first line."""
    driver = {"name": "rehearse", "version": own_version(), "rules": [sarif.rule_entry(one) for one in RULES]}
    return sarif.log(
        {"tool": {"driver": driver}, "results": [_result(each, one.name) for one in found for each in one.hazards]}
    )


def _result(one: Hazard, named: str) -> dict[str, Any]:
    file, _, line = one.place.rpartition(":")
    if not Path(file).is_file():
        file, line = named, "1"
    region = {"startLine": int(line) if line.isdigit() else 1}
    place = {"artifactLocation": {"uri": sarif.uri(Path(file).absolute())}, "region": region}
    rewrite = f"\n\n{one.rewrite}" if one.rewrite else ""
    return {
        "ruleId": one.rule.code,
        "ruleIndex": RULES.index(one.rule),
        "level": _LEVELS.get(one.severity, "error"),
        "message": {"text": f"{one.says}\n\nRemedy: {one.rule.remedy}{rewrite}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"rehearse/v1": json.dumps([one.rule.code, " ".join(one.sql.split())])},
        "properties": {"severity": one.severity},
    }
