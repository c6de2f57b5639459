"""Rows that break a CHECK are mended, each by itself: a pure function of (seed, table, row), as all rows are.

First what a comparison asks for is done (two values change places, a total becomes the product); then the columns of a
broken condition are drawn again; in the end they are taken from another row of the table that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from rehearse.datasets import randomness
from rehearse.datasets.conditions import Condition, Wish, compiled, wished
from rehearse.datasets.randomness import Bools, Ints
from rehearse.errors import ScenarioMistake
from rehearse.profiles import Column
from rehearse.profiles.shapes import After, Copy, Given, Items, Range, Shape, Time

ATTEMPTS = 20
_BOUNDS_FROM = 8  # equations and orders are settled at once, bounds only where drawing again does not help
_NULLS_FROM = 2  # from this attempt on every other one leaves values out where the profile does not say how many
_NULLS_ALLOWED = 17  # … and this is where a condition that does not ask for nulls may be met by one all the same
LENT_ROWS = 256  # rows of the table from which what cannot be drawn is taken
_LENDERS = 8

Arrays = dict[str, pa.Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """Columns that conditions tie together, directly or through others.

    `columns` are all of them and those that they are drawn from, in the order of the table; `free` may be drawn again;
    `followers` names for a column those of the tie that are drawn from it, to any depth.
    """

    table: str
    checks: tuple[str, ...]
    columns: tuple[str, ...]
    free: frozenset[str]
    followers: Mapping[str, frozenset[str]]

    def conditions(self, columns: Mapping[str, Column]) -> list[Condition]:
        """Return the conditions, compiled once a process."""
        known = {name: columns[name] for name in self.columns}
        return [found for check in self.checks if (found := compiled(check, known))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A further draw of some columns. `missing` is the share of rows without a value; None: as the shape says."""

    attempt: int
    condition: int
    missing: float | None

    def loosened(self, shape: Shape) -> Shape:
        """Return a shape that gives other values this time: moments that grow with the rows lie some days off."""
        if isinstance(shape, Time) and shape.order == "rows":
            return replace(shape, jitter=max(shape.jitter, 86_400.0 * self.attempt))
        return shape


# Draws columns again for the rows at these places, beside the values that the rows have by now.
DrawAgain = Callable[[Again, Ints, Arrays, frozenset[str]], Arrays]


def repaired(
    values: Arrays, tie: Tie, columns: Mapping[str, Column], draw_again: DrawAgain, lent: Callable[[], Arrays]
) -> Arrays:
    """Return columns in which every row holds the tie's conditions.

    `lent` gives rows of the same table that hold, if there are any. Raises a ScenarioMistake where nothing helps.
    """
    work = _begun(values, tie, columns, draw_again)
    if work is None:
        return values
    if not work.held.all():
        _borrow(work, lent())
    return work.result(values)


def good(values: Arrays, tie: Tie, columns: Mapping[str, Column], draw_again: DrawAgain) -> Arrays:
    """Return the rows that hold, or can be made to by drawing again."""
    work = _begun(values, tie, columns, draw_again)
    mended = values if work is None else work.result(values)
    return _taken(mended, np.flatnonzero(_held(tie.conditions(columns), mended).all(axis=0)))


def _begun(values: Arrays, tie: Tie, columns: Mapping[str, Column], draw_again: DrawAgain) -> _Broken | None:
    """Return the rows that did not hold, as mended as they get by themselves; None where all hold."""
    conditions = tie.conditions(columns)
    held = _held(conditions, values)
    places = np.flatnonzero(~held.all(axis=0))
    if not places.size:
        return None
    work = _Broken(tie, columns, conditions, draw_again, places, _taken(values, places), held[:, places])
    for attempt in range(1, ATTEMPTS + 1):
        work.attempt(attempt)
        if work.held.all():
            break
    return work


def _held(conditions: Sequence[Condition], values: Mapping[str, pa.Array]) -> Bools:
    """Say which conditions (the rows of the matrix) hold for which rows."""
    return np.stack([one.holds(values) for one in conditions])


def _taken(values: Arrays, places: Ints) -> Arrays:
    chosen = pa.array(places)
    return {name: array.take(chosen) for name, array in values.items()}


def _put(values: pa.Array, places: Ints, new: pa.Array) -> pa.Array:
    order = np.arange(len(values))
    order[places] = len(values) + np.arange(len(places))
    return pa.concat_arrays([values, new]).take(pa.array(order))


@dataclass(slots=True)
class _Broken:
    """The rows that did not hold, as they are mended. `places` are theirs in the chunk."""

    tie: Tie
    columns: Mapping[str, Column]
    conditions: Sequence[Condition]
    draw_again: DrawAgain
    places: Ints
    values: Arrays
    held: Bools

    def result(self, values: Arrays) -> Arrays:
        """Return whole columns with the mended rows in their places."""
        return {name: _put(array, self.places, self.values[name]) for name, array in values.items()}

    def attempt(self, number: int) -> None:
        """Try to mend each condition once; a row takes only what breaks no more conditions than it did."""
        for place, condition in enumerate(self.conditions):
            if self.held[place].all():
                continue
            for wish in condition.wishes:
                self._settle(place, wish, late=number >= _BOUNDS_FROM)
            if not self.held[place].all():
                self._redraw(place, number)

    def _settle(self, place: int, wish: Wish, *, late: bool) -> None:
        if wish.column not in self.tie.free:
            return
        both_free = wish.other in self.tie.free
        if both_free and self.columns[wish.column].type == self.columns[str(wish.other)].type:
            self.take(place, _swapped(self.values, wish), strictly=True)
        if late or not wish.direction or (both_free and wish.by > 0):
            new = wished(wish, self.values, self.columns[wish.column].type)
            if new is not None:
                self.take(place, {wish.column: new}, strictly=True)

    def _redraw(self, place: int, number: int) -> None:
        targets = _with_followers(self.tie, self.conditions[place].columns & self.tie.free)
        rows = np.flatnonzero(~self.held[place])
        if not targets or not rows.size:
            return
        again = Again(attempt=number, condition=place, missing=self._missing(place, number))
        drawn = self.draw_again(again, self.places[rows], _taken(self.values, rows), targets)
        self.take(place, {name: _put(self.values[name], rows, array) for name, array in drawn.items()}, strictly=False)

    def _missing(self, place: int, number: int) -> float | None:
        if self.conditions[place].minds_nulls:
            return 0.5 if number >= _NULLS_FROM and number % 2 == 0 else None
        return 0.0 if number < _NULLS_ALLOWED else None  # nulls always hold: drawn as often they would soon be all

    def take(self, place: int, new: Arrays, *, strictly: bool) -> None:
        """Give new values to the rows that break a condition, where they are none the worse (or better) for it."""
        wanted = ~self.held[place]
        for name, array in new.items():
            if array.null_count and not self.columns[name].nullable:
                wanted = wanted & np.asarray(array.is_valid())
        tried = {**self.values, **new}
        held = _held(self.conditions, tried)
        before, after = self.held.sum(axis=0), held.sum(axis=0)
        rows = np.flatnonzero(wanted & (after > before if strictly else after >= before))
        if rows.size:
            for name, array in new.items():
                self.values[name] = _put(self.values[name], rows, array.take(pa.array(rows)))
            self.held[:, rows] = held[:, rows]


def _with_followers(tie: Tie, names: Iterable[str]) -> frozenset[str]:
    chosen = frozenset(names)
    return chosen.union(*(tie.followers.get(name, frozenset()) & tie.free for name in chosen))


def _swapped(values: Arrays, wish: Wish) -> Arrays:
    assert wish.other is not None
    return {wish.column: values[wish.other], wish.other: values[wish.column]}


def _borrow(work: _Broken, found: Arrays) -> None:
    """Take what could not be drawn from rows that hold; raises a ScenarioMistake where there are none that fit."""
    count = len(next(iter(found.values())))
    for turn in range(2 * _LENDERS if count else 0):
        for place in np.flatnonzero(~work.held.all(axis=1)).tolist():
            some = _with_followers(work.tie, work.conditions[place].columns & work.tie.free)
            targets = some if turn < _LENDERS else work.tie.free  # what suffices, then all that goes together
            lender = randomness.below(randomness.key(0, work.tie.table, "lend", turn), work.places, count)
            work.take(place, {name: found[name].take(pa.array(lender)) for name in targets}, strictly=False)
    if not work.held.all():
        raise ScenarioMistake("\n".join(_complaints(work)))


def _complaints(work: _Broken) -> Iterator[str]:
    for place in np.flatnonzero(~work.held.all(axis=1)).tolist():
        condition = work.conditions[place]
        names = [name for name in work.tie.columns if name in condition.columns]
        yield (
            f"tables.{work.tie.table}.columns.{' and '.join(names)}: unsatisfiable, or too rare for the shapes of "
            f"{'this column' if len(names) == 1 else 'these columns'}: {condition.text}; "
            f"give {_whom(work.tie, names)} a shape in the profile that it allows"
        )


def _whom(tie: Tie, names: Sequence[str]) -> str:
    free = [name for name in names if name in tie.free] or list(names)
    return " or ".join(free)


def ties(
    table: str,
    checks: Iterable[str],
    columns: Mapping[str, Column],
    free: frozenset[str],
    sources: Mapping[str, frozenset[str]],
) -> dict[str, Tie]:
    """Return what the columns are tied to that conditions bind and that are `free` to be drawn again.

    Where none of them is, each is there, so that what does not hold is found.
    `sources` names for a column that is drawn from others of its row (After, Copy, Given) those others.
    """
    drawn_from = [_origins(name, sources) for name in columns if name not in free]
    free = free.difference(*drawn_from)
    groups = _groups({check: found.columns for check in checks if (found := compiled(check, columns))}, sources)
    made: dict[str, Tie] = {}
    for names, texts in groups:
        tie = Tie(
            table=table,
            checks=tuple(texts),
            columns=tuple(name for name in columns if name in names),
            free=free & names,
            followers={name: frozenset(_followers(name, names, sources)) for name in names},
        )
        made |= dict.fromkeys(names & free or names, tie)
    return made


def _groups(
    bound: Mapping[str, frozenset[str]], sources: Mapping[str, frozenset[str]]
) -> list[tuple[frozenset[str], list[str]]]:
    """Return the sets of columns that have no condition in common with another set, each with its conditions."""
    groups: list[tuple[frozenset[str], list[str]]] = []
    for check, columns in bound.items():
        names = columns.union(*(_origins(name, sources) for name in columns))
        touching = [one for one in groups if one[0] & names]
        merged = names.union(*(one[0] for one in touching))
        texts = [text for one in touching for text in one[1]]
        groups = [one for one in groups if not one[0] & names] + [(merged, [*texts, check])]
    return groups


def _origins(name: str, sources: Mapping[str, frozenset[str]]) -> set[str]:
    """Return what a column is drawn from, to any depth."""
    found: set[str] = set()
    coming = [name]
    while coming:
        new = sources.get(coming.pop(), frozenset()) - found
        found |= new
        coming += new
    return found


def _followers(name: str, names: Iterable[str], sources: Mapping[str, frozenset[str]]) -> Iterator[str]:
    return (other for other in names if name in _origins(other, sources))


def sources(shape: Shape) -> frozenset[str]:
    """Return the columns of the same row that a shape is drawn from."""
    match shape:
        case After() | Copy():
            return frozenset({shape.of.partition(".")[0]})
        case Given():
            inner = (sources(one) for one in (*shape.cases.values(), shape.otherwise))
            return frozenset({shape.of}).union(*inner)
        case Items():
            return sources(shape.of)
        case Range():
            return sources(shape.low)
        case _:
            return frozenset()
