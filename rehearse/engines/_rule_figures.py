"""Guesses at arithmetic: a number times, by, plus or minus a constant, and two numbers of one row; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import partial
from itertools import islice, permutations

from rehearse.engines._rule_terms import Figures, Guess, Term, written

CONSTANT_BITS = 10.0
_NUMBERS = 16  # columns that are tried
_DIGITS = 6  # of a constant

Pair = tuple[Decimal, Decimal]
Compute = Callable[[Decimal, Decimal], Decimal | None]


def guesses(target: Term, terms: Sequence[Term]) -> Iterator[Guess]:
    """Yield what may give a column of numbers, each also rounded to as many digits as the column has."""
    numbers = list(islice((term for term in terms if term.kind == "number"), _NUMBERS))
    digits = _digits(target.figures)
    for term in numbers:
        for line in dict.fromkeys(_lines(term, target.figures, Decimal((0, (5,), -digits - 1)))):
            yield from _rounded_too(
                line.sql, line.cost, partial(map, line.of, term.figures), digits, constants=CONSTANT_BITS
            )
    for one, other in permutations(numbers, 2):
        for sql, cost, compute in _operations(one, other):
            given = partial(map, partial(_both, compute), one.figures, other.figures)
            yield from _rounded_too(sql, one.cost + other.cost + cost, given, digits)


def _both(compute: Compute, a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else compute(a, b)


def _digits(figures: Figures) -> int:
    """Return the digits behind the point that a column has."""
    exponents = (one.normalize().as_tuple().exponent for one in figures if one is not None)
    return max((-one for one in exponents if isinstance(one, int) and one < 0), default=0)


def _rounded_too(
    sql: str, cost: int, given: Callable[[], Iterable[Decimal | None]], digits: int, *, constants: float = 0.0
) -> Iterator[Guess]:
    """Yield what is computed, and the same rounded; `given` begins anew, since most guesses end after a few rows."""
    yield Guess(sql, cost, map(written, given()), constants)
    rounded = (None if one is None else written(_rounded(one, digits)) for one in given())
    yield Guess(f"round({sql}, {digits})" if digits else f"round({sql})", cost + 1, rounded, constants)


def _rounded(value: Decimal, digits: int) -> Decimal:
    try:
        return value.quantize(Decimal((0, (1,), -digits)), rounding=ROUND_HALF_UP)
    except InvalidOperation:  # more digits than the context holds
        return value


# --- two numbers


def _operations(one: Term, other: Term) -> Iterator[tuple[str, int, Compute]]:
    a, b = one.sql, other.sql
    if a < b:
        yield f"{a} + {b}", 1, lambda x, y: x + y
        yield f"{a} * {b}", 1, lambda x, y: x * y
        yield f"{a} * {b} / 100.0", 2, lambda x, y: x * y / 100
    yield f"{a} - {b}", 1, lambda x, y: x - y
    divided = f"CAST({a} AS numeric)" if one.is_whole and other.is_whole else a
    yield f"{divided} / nullif({b}, 0)", 1, lambda x, y: x / y if y else None


# --- one number and constants


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A number times or by a constant (`cuts`: as integers divide), and a constant to it."""

    sql: str
    cost: int
    times: Decimal | None = None
    by: Decimal | None = None
    plus: Decimal | None = None
    cuts: bool = False

    def of(self, value: Decimal | None) -> Decimal | None:
        """Return what it gives for a number."""
        if value is None:
            return None
        value = value if self.times is None else value * self.times
        value = value if self.by is None else value / self.by
        value = value.to_integral_value(rounding=ROUND_DOWN) if self.cuts else value
        return value if self.plus is None else value + self.plus


def _lines(term: Term, known: Figures, half: Decimal) -> Iterator[_Line]:
    """Yield lines through some of the points; `half` is the doubt that rounding leaves."""
    pairs = [(a, t) for a, t in zip(term.figures, known, strict=True) if a is not None and t is not None]
    if len({a for a, _ in pairs}) < 3:
        return
    pairs.sort(key=lambda pair: abs(pair[0]))
    # From several places: a point that breaks the rule hides it only in its own guess.
    for place in (-1, -2, len(pairs) // 2, 2 * len(pairs) // 3):
        yield from _through(term, pairs[place], half)
        yield from _through_both(term, pairs[place], pairs[len(pairs) // 3], half)


def _through(term: Term, point: Pair, half: Decimal) -> Iterator[_Line]:
    a, t = point
    if t != a:
        shown = f"{term.sql} {'-' if t < a else '+'} {written(abs(t - a))}"
        yield _Line(sql=shown, cost=term.cost + 1, plus=t - a)
    by = (a / t).to_integral_value() if t else Decimal(0)
    if abs(by) > 1:
        yield _Line(sql=f"{term.sql} / {by:f}{'.0' if term.is_whole else ''}", cost=term.cost + 1, by=by)
        if term.is_whole:
            yield _Line(sql=f"{term.sql} / {by:f}", cost=term.cost + 1, by=by, cuts=True)
    factor = _near(t / a, abs(half / a)) if a and t * by != a else None
    if factor is not None:
        yield _Line(sql=_times(term, factor), cost=term.cost + 1, times=factor)


def _through_both(term: Term, point: Pair, other: Pair, half: Decimal) -> Iterator[_Line]:
    (a, t), (b, u) = point, other
    factor = _near((t - u) / (a - b), abs(2 * half / (a - b))) if a != b else None
    if factor is not None and (plus := t - factor * a):
        shown = f"{_times(term, factor)} {'-' if plus < 0 else '+'} {written(abs(plus))}"
        yield _Line(sql=shown, cost=term.cost + 2, times=factor, plus=plus)


def _times(term: Term, factor: Decimal) -> str:
    return f"-{term.sql}" if factor == -1 else f"{term.sql} * {written(factor)}"


def _near(value: Decimal, doubt: Decimal) -> Decimal | None:
    """Return the constant of the fewest digits that is as near as rounding allows; None: 0, 1, or none is."""
    for digits in range(_DIGITS + 1):
        constant = _rounded(value, digits)
        if abs(constant - value) <= doubt:
            return None if constant in {0, 1} else constant.normalize()
    return None
