"""Each rule finds its bad example and lets its good one pass; and the labelled set is judged as labelled."""

from __future__ import annotations

import pytest

from rehearse import hazards
from rehearse.hazards import RULES, Hazard, Rule
from rehearse.hazards.rule import Example
from rehearse.hazards.rules._shop import shop
from rehearse.tools._split import splitter
from tests.bench import lint


def found(engine: str, example: Example) -> list[Hazard]:
    """Return what the linter says of a rule's example."""
    split = splitter(engine)
    before = [one.sql for one in split(shop(engine) + example.schema, "schema.sql", 1)]
    known = hazards.beginning(engine, example.version or None, schema=before)
    statements = tuple(
        hazards.said(one.sql, known, place=one.place, repeats=one.repeat is not None)
        for one in split(example.sql, "up.sql", 1)
    )
    return list(hazards.hazards(hazards.Script(statements, example.transaction), known))


EXAMPLES = [(rule, engine) for rule in RULES for engine in rule.engines]


@pytest.mark.parametrize(("rule", "engine"), EXAMPLES, ids=lambda one: getattr(one, "code", one))
def test_a_rule_finds_its_bad_example_and_lets_the_good_one_pass(rule: Rule, engine: str) -> None:
    assert rule.code in [one.rule.code for one in found(engine, rule.bad[engine])]
    assert rule.code not in [one.rule.code for one in found(engine, rule.good[engine])]


@pytest.mark.parametrize(("rule", "engine"), EXAMPLES, ids=lambda one: getattr(one, "code", one))
def test_a_good_example_is_no_other_hazard_either(rule: Rule, engine: str) -> None:
    failing = [one for one in found(engine, rule.good[engine]) if one.fails]
    assert [f"{one.rule.code} {one.says}" for one in failing] == []


def test_rules_have_codes_of_their_own_and_whole_words() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.asks.endswith("?"), rule.code
        assert rule.harm.endswith(".") and rule.remedy.rstrip("!)").endswith((".", "1", "backfill")), rule.code
        assert set(rule.bad) >= set(rule.engines) <= set(rule.good), rule.code


def test_the_labelled_migrations_are_judged_as_they_are_labelled() -> None:
    judged = list(lint.cases())
    assert len(judged) >= 100
    assert sum(not one.expected for one in judged) >= 30
    assert sum(one.engine != "postgres" for one in judged) >= 30
    for engine, score in lint.scores(judged).items():
        assert score.precision >= 0.95, engine
        assert score.recall >= 0.95, engine
