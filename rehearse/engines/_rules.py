"""Which rule a column follows: expressions of other columns that give its values, found on sampled texts; pure.

A rule must tell more than it costs to write down: each row that it gives counts by how rare its value is, each row that
it misses and each constant counts against it. So no rule is read into noise, and a few broken rows hide none. What an
engine's own functions give (a part of a text, a key of a document) comes in as further terms. SQL is standard SQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, localcontext
from itertools import chain
from math import log2
from operator import eq

from rehearse.engines import _rule_figures, _rule_joins
from rehearse.engines._rule_figures import CONSTANT_BITS
from rehearse.engines._rule_terms import Guess, Term, Values, literal

MISSED = 0.05  # share of the sampled rows that may break a rule: a lost update is not to hide it
_ENOUGH_BITS = 24.0  # that thousands of guesses find such a rule by chance happens once in some thousand columns
_CODES = 12  # labels of a mapping
_HOLES = 3  # rows that one constant must explain: a broken row is no default
_MOST = 6  # rules for one column


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression that gives a column's values, its number of operators, and whether it is a mere constant."""

    sql: str
    cost: int
    is_constant: bool = False


def infer(target: Term, type_: str, terms: Sequence[Term]) -> list[Rule]:
    """Return the rules that nearly all sampled values follow, the simplest first; `type_` is what to cast to."""
    counts = Counter(target.normal)
    if len(counts) < 2:
        return list(_constant(target, type_))
    bits = [-log2(counts[text] / counts.total()) for text in target.normal]
    found: dict[str, tuple[Rule, float]] = {}
    with localcontext(Context(prec=40)):
        for guesses in (_alone, _together):
            for guess in guesses(target, type_, terms):
                told = _told(guess, target.normal, bits)
                if told is not None:
                    found.setdefault(guess.sql, (Rule(guess.sql, guess.cost), told))
            if any(rule.cost < 2 for rule, _ in found.values()):
                break  # nothing that is put together is simpler
    ordered = sorted(found.values(), key=lambda one: (one[0].cost, -one[1]))
    return [rule for rule, _ in ordered[:_MOST]]


def is_copy(target: Term, term: Term) -> bool:
    """Say whether a term's values are the column's in nearly all rows."""
    alike = sum(map(eq, target.normal, term.normal))
    return target.kind == term.kind and alike >= (1 - MISSED) * len(target.values) and len(set(target.normal)) > 1


def _constant(target: Term, type_: str) -> Iterator[Rule]:
    """Yield the one value; a moment is none that a rule would name."""
    text = target.normal[0] if target.normal else None
    if text is not None and target.kind in {"text", "number", "bool"}:
        yield Rule(literal(target.kind, text), 0, is_constant=True)
    elif text is not None and "time" not in target.kind and target.kind != "date":
        yield Rule(f"CAST({literal('text', text)} AS {type_})", 0, is_constant=True)


def _told(guess: Guess, known: Values, bits: Sequence[float]) -> float | None:
    """Return the bits that a guess tells of the column, None where it is no rule for it."""
    rows, missed, told = len(known), 0, -guess.constants
    for text, wanted, worth in zip(guess.values, known, bits, strict=True):
        if text == wanted:
            told += worth
        else:
            missed += 1
            told -= log2(rows)
            if missed > MISSED * rows:
                return None
    return told if told >= _ENOUGH_BITS else None


def _alone(target: Term, type_: str, terms: Sequence[Term]) -> Iterator[Guess]:
    """Yield guesses at one term."""
    fitting = [one for term in terms for one in _fitting(target, type_, term)]
    yield from (Guess(term.sql, term.cost, term.normal) for term in fitting)
    yield from chain.from_iterable(_holes(target, term) for term in fitting)
    yield from chain.from_iterable(_codes(target, type_, term) for term in terms if not term.cost)


def _together(target: Term, _type: str, terms: Sequence[Term]) -> Iterator[Guess]:
    """Yield guesses at several terms, or at one and constants."""
    if target.kind == "text":
        yield from _rule_joins.guesses(target, terms)
    if target.kind == "number":
        yield from _rule_figures.guesses(target, terms)


def _fitting(target: Term, type_: str, term: Term) -> Iterator[Term]:
    """Yield a term in the column's kind, where it can be had in it."""
    if term.kind == target.kind:
        yield term
    elif "text" in {target.kind, term.kind}:
        cast = f"CAST({term.sql} AS {'text' if target.kind == 'text' else type_})"
        yield replace(term, sql=cast, kind=target.kind, cost=term.cost + 1)


def _holes(target: Term, term: Term) -> Iterator[Guess]:
    """Yield a term with a constant in the place of NULL, or NULL in the place of a constant."""
    given = term.normal
    differing = Counter(pair for pair in zip(given, target.normal, strict=True) if pair[0] != pair[1])
    for (text, known), count in differing.most_common(1):
        if count < _HOLES:
            continue
        if text is None and known is not None:
            sql, values = f"coalesce({term.sql}, {literal(target.kind, known)})", _replaced(given, None, known)
            yield Guess(sql, term.cost + 1, values, CONSTANT_BITS)
        elif known is None and text is not None:
            sql, values = f"nullif({term.sql}, {literal(target.kind, text)})", _replaced(given, text, None)
            yield Guess(sql, term.cost + 1, values, CONSTANT_BITS)


def _replaced(values: Values, one: str | None, other: str | None) -> Iterable[str | None]:
    return [other if text == one else text for text in values]


# --- codes

Mapped = Mapping[str | None, str | None]


def _codes(target: Term, type_: str, term: Term) -> Iterator[Guess]:
    """Yield a mapping of few labels, each to the value that it most often goes with."""
    labels = Counter(term.normal)
    if not 2 <= len(labels) <= min(_CODES, len(term.values) // 3):
        return
    mapping: dict[str | None, str | None] = {}
    for (label, text), _ in Counter(zip(term.normal, target.normal, strict=True)).most_common():
        mapping.setdefault(label, text)
    if len(set(mapping.values())) > 1:
        sql, cost = _case(target, type_, term, mapping)
        constants = len(mapping) * (2 + log2(len(set(target.normal))))
        yield Guess(sql, cost, (mapping[one] for one in term.normal), constants)


def _case(target: Term, type_: str, term: Term, mapping: Mapped) -> tuple[str, int]:
    if target.kind == "bool" and set(mapping.values()) <= {"true", "false", None}:
        return _condition(term, mapping)
    whens = [
        f"WHEN {literal(term.kind, label)} THEN {_value(target, text)}"
        for label, text in sorted(mapping.items(), key=lambda one: one[0] or "")
        if label is not None
    ]
    sql = f"CASE {term.sql} {' '.join(whens)} END"
    if mapping.get(None) is not None:
        sql = f"CASE WHEN {term.sql} IS NULL THEN {_value(target, mapping[None])} ELSE {sql} END"
    return sql if target.kind in {"text", "number", "bool"} else f"CAST({sql} AS {type_})", len(mapping)


def _value(target: Term, text: str | None) -> str:
    return "NULL" if text is None else literal(target.kind, text)


def _condition(term: Term, mapping: Mapped) -> tuple[str, int]:
    """Return which labels make it true, in the fewest words, and how many words these are."""
    true = sorted(label for label, text in mapping.items() if text == "true" and label is not None)
    false = [label for label, text in mapping.items() if text == "false" and label is not None]
    if len(false) == 1 != len(true):
        sql, cost = f"{term.sql} <> {literal(term.kind, false[0])}", 1
    else:
        listed = ", ".join(literal(term.kind, one) for one in true)
        sql, cost = f"{term.sql} IN ({listed})" if len(true) > 1 else f"{term.sql} = {listed}", len(true)
    return (sql, cost) if mapping.get(None) is None else (f"coalesce({sql}, {mapping[None]})", cost + 1)
