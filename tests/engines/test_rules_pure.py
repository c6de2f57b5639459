"""The inference itself, on texts: it finds what is there through broken rows, and reads nothing into noise."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearse.engines._rule_terms import Term, literal, normal
from rehearse.engines._rules import infer
from rehearse.engines.postgres.rule_terms import proposals

ROWS = 300
DRAWS: dict[str, tuple[str, Callable[[random.Random], str | None]]] = {
    "word": ("text", lambda draws: draws.choice(["red", "blue", "green", "pink"])),
    "name": ("text", lambda draws: "".join(draws.choices("abcdefgh", k=draws.randint(1, 9)))),
    "digits": ("text", lambda draws: str(draws.randint(0, 99))),
    "sparse": ("text", lambda draws: draws.choice(["x", None, None, None])),
    "small": ("number", lambda draws: str(draws.randint(0, 9))),
    "large": ("number", lambda draws: str(draws.randint(0, 10**9))),
    "money": ("number", lambda draws: f"{draws.randint(0, 99999) / 100:.2f}"),
    "flag": ("bool", lambda draws: draws.choice(["true", "false"])),
    "rare": ("bool", lambda draws: "true" if draws.random() < 0.02 else "false"),
    "day": ("date", lambda draws: f"2024-01-{draws.randint(1, 28):02}"),
}


def column(kind: str, name: str, draws: random.Random, rows: int = ROWS) -> Term:
    form, draw = DRAWS[kind]
    return Term(name, form, tuple(draw(draws) for _ in range(rows)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(DRAWS)), st.lists(st.sampled_from(sorted(DRAWS)), min_size=1, max_size=12), st.integers())
def test_nothing_is_read_into_columns_that_have_nothing_to_do_with_each_other(
    kind: str, kinds: list[str], seed: int
) -> None:
    draws = random.Random(seed)
    target = column(kind, "made", draws, draws.choice([5, 20, 300]))
    terms = [column(one, f"c{n}", draws, len(target.values)) for n, one in enumerate(kinds)]
    found = [rule for rule in infer(target, "text", terms) if not rule.is_constant]
    assert found == []


def broken(values: list[str | None], draws: random.Random) -> tuple[str | None, ...]:
    """Return the values with a few of them overwritten by what others hold."""
    for _ in range(4):
        values[draws.randrange(len(values))] = draws.choice(values)
    return tuple(values)


RULES: dict[str, tuple[str, Callable[[dict[str, str]], str], str]] = {
    "a copy": ("text", lambda row: row["name"], "name"),
    "a concatenation": ("text", lambda row: f"{row['name']}, {row['word']}", "name || ', ' || word"),
    "a product": ("number", lambda row: str(int(row["small"]) * int(row["large"])), "large * small"),
    "a multiple": ("number", lambda row: str(int(row["large"]) * 12), "large * 12"),
    "a code": (
        "text",
        lambda row: {"red": "r", "blue": "b", "green": "g", "pink": "p"}[row["word"]],
        "CASE word WHEN 'blue' THEN 'b' WHEN 'green' THEN 'g' WHEN 'pink' THEN 'p' WHEN 'red' THEN 'r' END",
    ),
    "a truth": ("bool", lambda row: str(row["word"] == "red").lower(), "word = 'red'"),
}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(RULES)), st.integers())
def test_a_rule_is_found_though_a_few_rows_break_it(kind: str, seed: int) -> None:
    draws = random.Random(seed)
    form, value, rule = RULES[kind]
    terms = [column(one, one, draws) for one in ("name", "word", "small", "large", "flag")]
    rows = [
        dict(zip((one.sql for one in terms), row, strict=True))
        for row in zip(*(one.values for one in terms), strict=True)
    ]
    target = Term("made", form, broken([value(row) for row in rows], draws))
    assert infer(target, form, terms)[0].sql == rule


@given(st.text(max_size=20))
def test_a_literal_is_one_string_of_sql(text: str) -> None:
    said = literal("text", text)
    assert said[0] == said[-1] == "'" and said[1:-1].replace("''", "'") == text
    assert said[1:-1].replace("''", "").count("'") == 0


@pytest.mark.parametrize(("text", "form"), [("1.50", "1.5"), ("-0.00", "0"), ("1e3", "1000"), ("NaN", "NaN"), ("", "")])
def test_a_number_has_one_form(text: str, form: str) -> None:
    assert normal("number", text) == form


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(max_size=12), min_size=3, max_size=20),
    st.sampled_from(["text", "json", "date", "number", "text[]"]),
)
def test_proposals_hold_no_value_of_a_row_unquoted(texts: list[str], kind: str) -> None:
    source = Term("c", "text", tuple(texts))
    for sql, _, _ in proposals(Term("made", kind, tuple(texts)), source, "Europe/Berlin"):
        assert sql.count("'") % 2 == 0
