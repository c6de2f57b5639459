"""What a row should hold after the traffic's writes, and which writes its content contradicts; pure, for every engine.

A write is a candidate for the last if no other acknowledged write to the same place was sent after it was answered.
What was acknowledged must be there, what was refused must not, what was left open may; where two orders are possible,
both are allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import combinations

from rehearse.events import Outcome

Cells = Mapping[str, str | None]
Readings = Mapping[tuple[str, str], frozenset[str]]
_OPEN_DELTAS = 6  # beyond that many unanswered increments nothing can be told from the sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A write of one row by one call; times in ns."""

    sent_ns: int
    done_ns: int
    number: int
    outcome: Outcome
    kind: str
    values: Cells
    unclear: frozenset[str] = frozenset()
    deltas: Mapping[str, str] = field(default_factory=dict)
    call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A write whose trace is not as its outcome says; `column` is None for the row itself."""

    kind: str  # "lost" | "phantom"
    write: Write
    column: str | None
    written: str | None
    found: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one row shows. `changed` are columns that differ from the older row by no write."""

    wrong: tuple[Wrong, ...] = ()
    changed: tuple[str, ...] = ()
    is_missing: bool = False
    is_unexpected: bool = False


def judge(
    writes: Sequence[Write],
    older: Cells | None,
    newer: Cells | None,
    *,
    columns: Sequence[str],
    readings: Readings,
    masked: frozenset[str] = frozenset(),
) -> Judged:
    """Return what a written row shows; its cells are texts in one form, and `readings` the forms of a written text.

    `masked` are columns that others than the calls may change in a row that a call touches (triggers, generated ones).
    """
    absent = _existence(writes, older, newer)
    if absent is not None or newer is None:
        return absent or Judged()
    verdicts = [(name, _cell(name, writes, older, newer, readings=readings, masked=masked)) for name in columns]
    wrong = tuple(verdict for _, verdict in verdicts if isinstance(verdict, Wrong))
    return Judged(wrong=wrong, changed=tuple(name for name, verdict in verdicts if verdict is False))


def candidates(writes: Iterable[Write]) -> list[Write]:
    """Return the acknowledged writes that may have been the last."""
    done = [one for one in writes if one.outcome == Outcome.OK]
    latest = max((one.sent_ns for one in done), default=0)
    return [one for one in done if latest <= one.done_ns or one.sent_ns == latest]


def _existence(writes: Sequence[Write], older: Cells | None, newer: Cells | None) -> Judged | None:
    """Return what a row's presence shows, None where it is as the writes allow."""
    makers = [one for one in writes if one.kind in {"insert", "delete"}]
    last, open_ = candidates(makers), _of(makers, Outcome.UNKNOWN)
    allowed = {one.kind == "insert" for one in (*last, *open_)}
    if not last:
        allowed.add(older is not None)
    is_there = newer is not None
    if is_there in allowed:
        return None
    return _gone(writes, last, was_there=older is not None) if not is_there else _come(makers, last)


def _gone(writes: Sequence[Write], last: list[Write], *, was_there: bool) -> Judged:
    """Return the row's last acknowledged write as lost: the row is not there."""
    done = last or _of(writes, Outcome.OK)
    wrong = tuple(Wrong(kind="lost", write=one, column=None, written=_shown(one), found=None) for one in done[-1:])
    return Judged(wrong=wrong, is_missing=was_there)


def _come(makers: list[Write], last: list[Write]) -> Judged:
    """Return the row as a deletion lost, as a refused insertion, or as nobody's."""
    if last:
        return Judged(wrong=(Wrong(kind="lost", write=last[-1], column=None, written=None, found="the row"),))
    refused = [one for one in _of(makers, Outcome.FAILED) if one.kind == "insert"]
    if refused:
        return Judged(
            wrong=(Wrong(kind="phantom", write=refused[-1], column=None, written=_shown(refused[-1]), found="the row"),)
        )
    return Judged(is_unexpected=True)


def _shown(one: Write) -> str | None:
    return None if one.kind == "delete" else ", ".join(f"{name} = {value}" for name, value in one.values.items())


def _cell(
    name: str, writes: Sequence[Write], older: Cells | None, newer: Cells, *, readings: Readings, masked: frozenset[str]
) -> Wrong | bool:
    """Return the write that a cell contradicts, True where it is as it may be, False where it changed by no write."""
    setters = [one for one in writes if _sets(one, name)]
    adders = [one for one in writes if name in one.deltas and one.kind == "update"]
    found = newer.get(name)
    allowed = _allowed(name, setters, adders, older, readings)
    if allowed is None or found in allowed or (adders and _number(found) in {_number(one) for one in allowed}):
        return True
    refused = next((one for one in _of(setters, Outcome.FAILED) if found in _read(one, name, readings)), None)
    if refused is not None and name in refused.values and found != (older or {}).get(name):
        return Wrong(kind="phantom", write=refused, column=name, written=refused.values[name], found=found)
    done = candidates(setters) or _of(adders, Outcome.OK)
    if not done:
        return name in masked
    written = done[-1].values.get(name) if name not in done[-1].deltas else _one(allowed)
    return Wrong(kind="lost", write=done[-1], column=name, written=written, found=found)


def _sets(one: Write, name: str) -> bool:
    """Say whether a write gives the column a value of its own; an insertion gives one to every column."""
    return one.kind == "insert" or (one.kind == "update" and (name in one.values or name in one.unclear))


def _allowed(
    name: str, setters: Sequence[Write], adders: Sequence[Write], older: Cells | None, readings: Readings
) -> frozenset[str | None] | None:
    """Return the values that the cell may have; None where that cannot be told."""
    last, open_ = candidates(setters), _of(setters, Outcome.UNKNOWN)
    if any(name in one.unclear or name not in one.values for one in (*last, *open_)):
        return None
    if adders and any(one.outcome in {Outcome.OK, Outcome.UNKNOWN} for one in adders):
        return _sums(name, last, open_, adders, older)
    values = {form for one in (*last, *open_) for form in _read(one, name, readings)}
    return frozenset(values if last else {*values, (older or {}).get(name)})


def _sums(
    name: str, last: list[Write], open_: list[Write], adders: Sequence[Write], older: Cells | None
) -> frozenset[str | None] | None:
    """Return the sums that increments lead to from the last value set; None where their order is not certain."""
    if len(last) > 1 or open_:
        return None
    set_last = last[0] if last else None
    start = set_last.values[name] if set_last else (older or {}).get(name)
    if set_last and any(one.sent_ns <= set_last.done_ns and one.done_ns >= set_last.sent_ns for one in adders):
        return None
    after = [one for one in adders if set_last is None or one.sent_ns > set_last.done_ns]
    unsure = _of(after, Outcome.UNKNOWN)
    number = _number(start)
    if number is None or len(unsure) > _OPEN_DELTAS:
        return frozenset({None}) if start is None else None
    sure = number + sum((Decimal(one.deltas[name]) for one in _of(after, Outcome.OK)), Decimal(0))
    chosen = (some for count in range(len(unsure) + 1) for some in combinations(unsure, count))
    return frozenset(str(sure + sum((Decimal(one.deltas[name]) for one in some), Decimal(0))) for some in chosen)


def _read(one: Write, name: str, readings: Readings) -> frozenset[str | None]:
    if name not in one.values:
        return frozenset()
    text = one.values[name]
    return frozenset({None}) if text is None else readings.get((name, text), frozenset({text}))


def _number(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _one(values: Iterable[str | None]) -> str | None:
    return next(iter(values), None)


def _of(writes: Iterable[Write], outcome: Outcome) -> list[Write]:
    return [one for one in writes if one.outcome == outcome]


def texts(writes: Iterable[Write], columns: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the (column, text) pairs that the writes gave, for the engine to read."""
    wanted = set(columns)
    for one in writes:
        for name, text in one.values.items():
            if name in wanted and text is not None:
                yield name, text
