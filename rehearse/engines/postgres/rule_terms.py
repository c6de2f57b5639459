"""Expressions of one column that may give another's values: which are worth asking the server for, by sampled texts.

Each is a (SQL, kind, number of operators) whose values the server computes for the sampled rows; nothing here may fail
on any value, and none depends on the session's time zone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

from rehearse.engines._rule_terms import Term, figure

Proposal = tuple[str, str, int]

_TIMES = frozenset({"date", "timestamp", "timestamptz"})
_FIELDS = ("year", "month", "day", "dow", "isodow", "doy", "week", "quarter", "epoch")
_UNITS = ("hour", "day", "week", "month", "quarter", "year")
_FORMS = ("YYYY-MM-DD", "YYYY-MM", "YYYY", "YYYYMMDD", "YYYYMM", "DD.MM.YYYY")
_ZONES = (
    "UTC", "Europe/London", "Europe/Berlin", "Europe/Moscow", "America/New_York", "America/Chicago",
    "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip
_SEPARATORS = (" ", ", ", ",", "-", "@", ".", "/", ":", ";", "_", "|", "#")
_MOSTLY = 0.9  # of the sampled rows: others may be broken
_SOME = 0.1
_WORDS = re.compile(r"[\W_]+")
_KEYS = 40


def proposals(target: Term, source: Term, zone: str) -> Iterator[Proposal]:
    """Yield the expressions of a source that may give the target's values; `zone` is the server's own."""
    for sql, kind, cost in _proposals(target, source, zone):
        yield sql, kind, cost + source.cost


def _proposals(target: Term, source: Term, zone: str) -> Iterator[Proposal]:
    kind, own = target.kind, source.kind
    if kind == "text" and own == "text":
        yield from _texts(target, source)
    if kind == "number":
        yield from _numbers(target, source, zone)
    if own in _TIMES:
        yield from _times(target, source, zone)
    if kind == "bool":
        yield from _conditions(source)
    if own == "json":
        yield from _documents(target, source)
    if own.endswith("[]"):
        yield f"({source.sql})[1]", kind if own.startswith(kind) else "text", 1
    elif kind.endswith("[]") and own == "text":
        yield from ((f"string_to_array({source.sql}, '{by}')", kind, 1) for by in _present(source))


def _both(target: Term, source: Term) -> list[tuple[str, str]]:
    pairs = zip(target.values, source.values, strict=True)
    return [(known, text) for known, text in pairs if known is not None and text is not None]


def _is_mostly(pairs: Sequence[tuple[str, str]], says: Callable[[str, str], bool]) -> bool:
    return len(pairs) > 2 and sum(says(known, text) for known, text in pairs) >= _MOSTLY * len(pairs)


def _texts(target: Term, source: Term) -> Iterator[Proposal]:
    pairs, sql = _both(target, source), source.sql
    if _is_mostly(pairs, lambda known, _: bool(re.fullmatch("[0-9a-f]{32}", known))):
        yield f"md5({sql})", "text", 1
    if not _is_mostly(pairs, _is_part):
        return
    yield from ((f"{name}({sql})", "text", 1) for name in ("lower", "upper", "btrim", "initcap"))
    yield from ((f"{name}(btrim({sql}))", "text", 2) for name in ("lower", "upper"))
    for by, other in product(_SEPARATORS, ("", "-", "_", " ")):
        if by != other and _is_mostly(pairs, partial(_is_swapped, by=by, other=other)):
            yield f"replace({sql}, '{by}', '{other}')", "text", 1
            yield f"replace(lower({sql}), '{by}', '{other}')", "text", 2
    for by in _present(source):
        yield from _parts(sql, by)
    longest = max(len(known) for known, _ in pairs)
    if _is_mostly(pairs, lambda known, text: known == text[:longest]):
        yield f"left({sql}, {longest})", "text", 1
    if _is_mostly(pairs, lambda known, text: known == text[-longest:]):
        yield f"right({sql}, {longest})", "text", 1
    if _is_mostly(pairs, lambda known, text: known == re.sub(r"[^0-9]", "", text)):
        yield f"regexp_replace({sql}, '[^0-9]', '', 'g')", "text", 1


def _is_swapped(known: str, text: str, *, by: str, other: str) -> bool:
    return by in text and known.casefold() == text.replace(by, other).casefold()


def _is_part(known: str, text: str) -> bool:
    """Say whether a text's letters and digits stand within another's."""
    return _WORDS.sub("", known.casefold()) in _WORDS.sub("", text.casefold())


def _present(source: Term) -> Iterator[str]:
    """Yield the separators that some of the values hold."""
    texts = [text for text in source.values if text]
    for by in _SEPARATORS:
        if texts and sum(by in text for text in texts) > _SOME * len(texts):
            yield by


def _parts(sql: str, by: str) -> Iterator[Proposal]:
    for place in (1, 2, 3, 4, -1):
        yield f"split_part({sql}, '{by}', {place})", "text", 1
        yield f"lower(split_part({sql}, '{by}', {place}))", "text", 2
    yield f"substr({sql}, strpos({sql} || '{by}', '{by}') + {len(by)})", "text", 4
    yield f"substr({sql}, strpos({sql}, '{by}') + {len(by)})", "text", 3


def _numbers(target: Term, source: Term, zone: str) -> Iterator[Proposal]:
    pairs, sql = _both(target, source), source.sql
    if source.kind == "text" and _is_mostly(pairs, lambda known, text: known == str(len(text))):
        yield f"length({sql})", "number", 1
    if source.kind.endswith("[]"):
        yield f"cardinality({sql})", "number", 1
    if source.kind == "number" and _is_mostly(pairs, _is_near):
        yield from ((f"{name}({sql})", "number", 1) for name in ("abs", "round", "floor", "ceil"))
    if source.kind in _TIMES:
        for moment, cost in _moments(source, zone):
            fields = _FIELDS if source.kind == "date" else ("hour", *_FIELDS)
            yield from ((f"extract({field} FROM {moment})", "number", cost + 1) for field in fields)


def _is_near(known: str, text: str) -> bool:
    one, other = figure(known), figure(text)
    return one is not None and other is not None and abs(abs(one) - abs(other)) <= 1


def _moments(source: Term, zone: str) -> Iterator[tuple[str, int]]:
    """Yield a time as it reads on a clock, of one that knows its zone in UTC and in the server's zone."""
    if source.kind != "timestamptz":
        yield source.sql, 0
    else:
        yield from ((f"({source.sql} AT TIME ZONE '{name}')", 1) for name in dict.fromkeys(("UTC", zone)))


def _times(target: Term, source: Term, zone: str) -> Iterator[Proposal]:
    kind, own = target.kind, source.kind
    if kind == "text":
        for moment, cost in _moments(source, zone):
            yield from ((f"to_char({moment}, '{form}')", "text", cost + 1) for form in _FORMS)
    if kind == "date" and own == "timestamp":
        yield f"CAST({source.sql} AS date)", "date", 1
    if {kind, own} == {"timestamp", "timestamptz"}:
        yield from ((f"{source.sql} AT TIME ZONE '{name}'", kind, 1) for name in dict.fromkeys((zone, *_ZONES)))
    if own == "timestamptz" and kind == "date":
        zones = dict.fromkeys((zone, *_ZONES))
        yield from ((f"CAST({source.sql} AT TIME ZONE '{name}' AS date)", "date", 2) for name in zones)
    if own == "date" and kind == "timestamp":
        yield f"CAST({source.sql} AS timestamp)", "timestamp", 1
    if own == kind == "timestamptz":
        zones = dict.fromkeys(("UTC", zone))
        yield from ((f"date_trunc('{unit}', {source.sql}, '{name}')", own, 1) for unit in _UNITS for name in zones)
    elif own in {"timestamp", "date"} and kind in {"timestamp", "date"}:
        for unit in _UNITS:
            yield f"CAST(date_trunc('{unit}', CAST({source.sql} AS timestamp)) AS {kind})", kind, 2


def _conditions(source: Term) -> Iterator[Proposal]:
    if None in source.values:
        yield f"{source.sql} IS NOT NULL", "bool", 1
        yield f"{source.sql} IS NULL", "bool", 1
    if source.kind == "bool":
        yield f"NOT {source.sql}", "bool", 1
    if source.kind == "number":
        yield from ((f"{source.sql} {sign} 0", "bool", 1) for sign in (">", "<", "=", "<>"))
    if source.kind == "text":
        yield f"{source.sql} <> ''", "bool", 1


def _documents(target: Term, source: Term) -> Iterator[Proposal]:
    """Yield a document's keys, and those one level below."""
    sign, kind = ("->", "json") if target.kind == "json" else ("->>", "text")
    counted = Counter(path for text in source.values if text for path in _paths(text))
    for path, _ in counted.most_common(_KEYS):
        steps = "".join(f" -> '{_quoted(step)}'" for step in path[:-1])
        yield f"({source.sql}{steps} {sign} '{_quoted(path[-1])}')", kind, len(path)


def _paths(text: str) -> Iterator[tuple[str, ...]]:
    try:
        document = json.loads(text)
    except ValueError:  # cut for its length
        return
    for key, below in document.items() if isinstance(document, dict) else ():
        yield (key,)
        if isinstance(below, dict):
            yield from ((key, one) for one in below)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
