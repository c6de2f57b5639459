"""The public lists are answered, and the page that says so is in step.

After a change that is meant: REHEARSE_UPDATE_GOLDEN=1 pytest tests/hazards/test_covered.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rehearse.checks import CHECKS
from rehearse.hazards import RULES
from rehearse.hazards.covered import LISTS, theirs
from tests.reports.test_golden import hold

PAGE = Path(__file__).parents[2] / "rehearse" / "hazards" / "README.md"
HEAD = """# Hazards

What `rehearse lint` looks for in the SQL of a migration, without a server. Written by tests/hazards/test_covered.py.

An **outage** is a table that is closed for a time that grows with its rows; a strong lock that is held for a moment is
a note at most. *Proof*: a rehearsal has shown on servers that the bad example does what is claimed and the good one
does not (tests/hazards/test_proof.py, test_algorithms.py); or the text alone tells. A report says of each hazard what
its own rehearsal has measured. `rehearse explain CODE` shows the examples.
"""


def page() -> str:
    return "\n".join([HEAD, *_rules(), "", "## What the lists of others have", "", *_theirs()]) + "\n"


def _rules() -> Iterator[str]:
    yield "| code | asks | would be | engines | proof | versions |"
    yield "|---|---|---|---|---|---|"
    for rule in RULES:
        proof = "rehearsal" if rule.proof == "rehearsal" else "text"
        cells = [rule.code, rule.asks, rule.severity, ", ".join(rule.engines), proof, rule.versions]
        yield f"| {' | '.join(cells)} |"


def _theirs() -> Iterator[str]:
    yield "| list | their rule | ours |"
    yield "|---|---|---|"
    for one in theirs():
        yield f"| {one.project} | {one.name} | {', '.join(one.ours) or f'– ({one.why_not})'} |"


def test_each_rule_of_the_public_lists_is_answered_or_left_out_for_a_reason() -> None:
    for one in theirs():
        assert bool(one.ours) != bool(one.why_not), one


def test_our_rules_name_rules_that_the_lists_have() -> None:
    for rule in RULES:
        for project, names in rule.covers.items():
            assert set(names) <= set(LISTS[project]), (rule.code, project)


def test_codes_of_hazards_and_of_checks_are_apart() -> None:
    assert not {rule.code for rule in RULES} & {check.rule.code for check in CHECKS}


def test_the_page_is_in_step() -> None:
    hold(PAGE, page())
