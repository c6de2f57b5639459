"""Guesses at concatenations: a value read as values of other columns with constants around them; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from rehearse.engines._rule_terms import Guess, Term, literal

_MISSED = 0.05  # share of the sampled rows in which a part may be missing from the value
_PARTS = 4  # columns in a concatenation
_TEMPLATES = 400  # ways to read one value
_LETTER_BITS = 6.0

Template = Sequence[Term | str]


def guesses(target: Term, terms: Sequence[Term]) -> Iterator[Guess]:
    """Yield what may give a column of texts."""
    parts = [part for term in terms for part in _spellings(term) if _appears(part, target)]
    told: set[str] = set()
    for row in _telling(target, parts):
        whole = target.values[row] or ""
        found = [(part, text) for part in parts if (text := part.values[row])]
        for template in islice(_readings(whole, found, _PARTS), _TEMPLATES):
            sql = _concatenation(template)
            if len(template) > 1 and sql not in told:
                told.add(sql)
                yield from _read(template)


def _spellings(term: Term) -> Iterator[Term]:
    """Yield a term, and a text in small and in capital letters and its first letter."""
    yield term
    if term.kind == "text" and term.cost == 0:
        for name, spell in (("lower", str.lower), ("upper", str.upper)):
            texts = tuple(None if one is None else spell(one) for one in term.values)
            if texts != term.values:
                yield Term(f"{name}({term.sql})", "text", texts, cost=1)
        yield Term(f"left({term.sql}, 1)", "text", tuple(one and one[:1] for one in term.values), cost=1)


def _appears(part: Term, target: Term) -> bool:
    """Say whether a part's values stand within the column's, in most rows."""
    both = [(one, text) for one, text in zip(part.values, target.values, strict=True) if one and text is not None]
    return len(both) > 2 and sum(one in text for one, text in both) >= (1 - _MISSED) * len(both)


def _telling(target: Term, parts: Sequence[Term]) -> list[int]:
    """Return some rows in which the most parts have a value, and the column a long one."""
    counted = sorted(
        (row for row, text in enumerate(target.values) if text),
        key=lambda row: (-sum(bool(part.values[row]) for part in parts), -len(target.values[row] or ""), row),
    )
    return counted[:: max(1, len(counted) // 12)][:3]


def _readings(whole: str, parts: Sequence[tuple[Term, str]], room: int) -> Iterator[list[Term | str]]:
    """Yield the ways to read a text as parts, each used once, and constants around them; longer parts first."""
    ordered = sorted(parts, key=lambda one: (-len(one[1]), one[0].cost))
    for part, text in ordered:
        at = whole.find(text)
        while at >= 0:
            before, rest = whole[:at], whole[at + len(text) :]
            head: list[Term | str] = [before, part] if before else [part]
            yield [*head, rest] if rest else head
            if rest and room > 1:
                others = [one for one in ordered if one[0] is not part]
                yield from (head + tail for tail in _readings(rest, others, room - 1))
            at = whole.find(text, at + 1)


def _read(template: Template) -> Iterator[Guess]:
    """Yield a template as it is, and where a part may be NULL as what takes that for empty."""
    parts = [one for one in template if isinstance(one, Term)]
    constants = sum(_LETTER_BITS * len(one) + 2 for one in template if isinstance(one, str))
    cost = sum(part.cost for part in parts) + len(template) - 1
    rows = list(zip(*(part.values for part in parts), strict=True))
    strict = (None if None in texts else _filled(template, texts) for texts in rows)
    yield Guess(_concatenation(template), cost, strict, constants)
    if not any(None in part.values for part in parts):
        return
    between = {one for one in template[1::2] if isinstance(one, str)}
    if len(template) == 2 * len(parts) - 1 and len(between) == 1:
        (separator,) = between
        listed = ", ".join(part.as_text for part in parts)
        joined = (separator.join(text for text in texts if text is not None) for texts in rows)
        yield Guess(f"concat_ws({literal('text', separator)}, {listed})", cost, joined, constants)
    empty = (_filled(template, texts) for texts in rows)
    yield Guess(_concatenation([_holed(one) for one in template]), cost + 1, empty, constants)


def _filled(template: Template, texts: Sequence[str | None]) -> str:
    """Return the template's text with these values in the places of its parts, NULL as nothing."""
    left = iter(texts)
    return "".join(one if isinstance(one, str) else next(left) or "" for one in template)


def _holed(one: Term | str) -> Term | str:
    if isinstance(one, str) or None not in one.values:
        return one
    return replace(one, sql=f"coalesce({one.as_text}, '')", kind="text")


def _concatenation(template: Template) -> str:
    return " || ".join(literal("text", one) if isinstance(one, str) else one.as_text for one in template)
