"""The rows that come along with chosen ones: their children, downwards, and everybody's parents, upwards.

A row is a number (where it lies), and so is what it points at and is pointed at by: a whole number as it is, anything
else as a hash of 64 bits. Two hashes that are the same by chance can only bring a row too many, never
leave a parent behind. A chosen row costs 8 bytes, and 8 more a foreign key and key pointed at while it is looked for;
with what sorting takes for a while the peak was 240 MB for 1.1 M rows of 5 M, 1 GB for 9.5 M of 20 M, over four tables.
A table that leads back to itself (to 25 M rows) is held whole: a long chain would be read once a link.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rehearse.datasets.subset import Edge, First, Plan

Numbers = NDArray[np.int64]
Rows = NDArray[np.int64]  # a line for the rows' places, and one for each of the plan's columns
NOTHING = np.iinfo(np.int64).min  # a foreign key that is null
HELD_ROWS = 25_000_000


class Reads(Protocol):
    """A database as finding rows needs it."""

    def first(self, table: str, first: First) -> Rows:
        """Return the rows that a table starts with."""
        ...

    def holding(self, table: str, wanted: Mapping[int, Numbers]) -> Rows:
        """Return the rows that hold one of the wanted numbers (sorted, each once) in the column with that place."""
        ...

    def all(self, table: str) -> Rows:
        """Return all rows."""
        ...


def chosen(plan: Plan, reads: Reads, rows: Mapping[str, int]) -> dict[str, Numbers]:
    """Return the places of the chosen rows of each table, sorted; `rows` are estimates of how many there are."""
    return _Closure(plan, reads, rows).chosen()


class Held:
    """Rows in memory, found by any column."""

    def __init__(self, rows: Rows) -> None:
        """Sort no column before it is asked for."""
        self._rows = rows
        self._sorted: dict[int, tuple[Numbers, Numbers]] = {}

    def holding(self, wanted: Mapping[int, Numbers]) -> Rows:
        """Return the rows that hold one of the wanted numbers; a row may come twice."""
        found = [self._rows[:, self._at(place + 1, numbers)] for place, numbers in wanted.items()]
        return np.concatenate([self._rows[:, :0], *found], axis=1)

    def _at(self, line: int, numbers: Numbers) -> Numbers:
        if line not in self._sorted:
            order = np.argsort(self._rows[line], kind="stable")
            self._sorted[line] = order, self._rows[line][order]
        order, values = self._sorted[line]
        starts = np.searchsorted(values, numbers, "left")
        counts = np.searchsorted(values, numbers, "right") - starts
        skipped = np.cumsum(counts) - counts
        places: Numbers = order[np.repeat(starts - skipped, counts) + np.arange(counts.sum())]
        return places


class Members:
    """A set of numbers that is asked for many at once; those that lie close together as a bitmap."""

    def __init__(self, numbers: Numbers) -> None:
        """Take numbers that are sorted."""
        self._numbers = numbers
        self._bits: NDArray[np.bool_] | None = None
        if len(numbers) and int(numbers[-1]) - int(numbers[0]) < 16 * len(numbers):
            self._bits = np.zeros(int(numbers[-1]) - int(numbers[0]) + 1, np.bool_)
            self._bits[numbers - numbers[0]] = True

    def has(self, values: Numbers) -> NDArray[np.bool_]:
        """Say of each value whether it is in the set."""
        if not len(self._numbers):
            return np.zeros(len(values), np.bool_)
        if self._bits is None:
            places = np.minimum(np.searchsorted(self._numbers, values), len(self._numbers) - 1)
            return np.asarray(self._numbers[places] == values)
        inside: NDArray[np.bool_] = (values >= self._numbers[0]) & (values <= self._numbers[-1])
        inside[inside] = self._bits[values[inside] - self._numbers[0]]
        return inside


class _Found:
    """The rows of a table that were found until now."""

    def __init__(self, columns: int) -> None:
        self._nothing = np.empty((columns + 1, 0), np.int64)
        self._blocks: list[Rows] = []
        self._runs: list[Numbers] = []  # of sorted places; each more than twice as long as the next

    def add(self, rows: Rows) -> Rows:
        """Add rows, and return those that are new, in the order of their places."""
        if not bool((rows[0, 1:] > rows[0, :-1]).all()):  # they come in order as a table is read
            rows = rows[:, np.unique(rows[0], return_index=True)[1]]
        for run in self._runs:
            rows = rows[:, ~_isin(rows[0], run)]
        if rows.shape[1]:
            self._blocks.append(rows)
            self._runs.append(rows[0])
            while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
                last = self._runs.pop()
                self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")
        return rows

    def numbers(self, place: int) -> Numbers:
        """Return the different numbers in a column, sorted."""
        return _different([block[place + 1] for block in self._blocks])

    def places(self) -> Numbers:
        return np.sort(np.concatenate([self._nothing[0], *self._runs]))

    def all(self) -> Rows:
        return np.concatenate([self._nothing, *self._blocks], axis=1)


class _Closure:
    def __init__(self, plan: Plan, reads: Reads, rows: Mapping[str, int]) -> None:
        self._plan, self._reads = plan, reads
        self._found = {name: _Found(len(columns)) for name, columns in plan.columns.items()}
        self._cyclic = {name for name in plan.columns if plan.in_cycle(name) and rows.get(name, 0) <= HELD_ROWS}
        self._held: dict[str, Held] = {}

    def chosen(self) -> dict[str, Numbers]:
        for group in self._plan.groups:
            self._down(group)
        for group in reversed(self._plan.groups):
            self._up(group)
            for name in group:
                self._held.pop(name, None)
        return {name: found.places() for name, found in self._found.items()}

    def _down(self, group: tuple[str, ...]) -> None:
        """Choose the rows with which tables start, and the children of chosen ones."""
        inner = [edge for edge in self._plan.followed if edge.child in group and edge.parent in group]
        for name in group:
            first = self._plan.firsts.get(name)
            if first is not None:
                self._found[name].add(self._reads.first(name, first))
            self._add(name, self._wanted_children(name, group))
        fresh = {name: self._found[name].all() for name in group} if inner else {}
        steps = [(edge.parent, edge.at_parent, edge.child, edge.at_child) for edge in sorted(inner, key=_key)]
        self._spread(fresh, steps)

    def _wanted_children(self, name: str, group: tuple[str, ...]) -> dict[int, Numbers]:
        followed = [edge for edge in self._plan.followed if edge.child == name and edge.parent not in group]
        return _together((edge.at_child, self._found[edge.parent].numbers(edge.at_parent)) for edge in followed)

    def _up(self, group: tuple[str, ...]) -> None:
        """Choose the parents of all chosen rows: first those of other tables' rows, then those within the group."""
        inner = [edge for edge in self._plan.edges if edge.child in group and edge.parent in group]
        for name in group:
            self._add(name, self._wanted_parents(name, group))
        fresh = {name: self._found[name].all() for name in group} if inner else {}
        self._spread(fresh, [(edge.child, edge.at_child, edge.parent, edge.at_parent) for edge in inner])

    def _wanted_parents(self, name: str, group: tuple[str, ...]) -> dict[int, Numbers]:
        edges = [edge for edge in self._plan.edges if edge.parent == name and edge.child not in group]
        wanted = _together((edge.at_parent, self._found[edge.child].numbers(edge.at_child)) for edge in edges)
        return {place: numbers[~_isin(numbers, self._found[name].numbers(place))] for place, numbers in wanted.items()}

    def _spread(self, fresh: dict[str, Rows], steps: list[tuple[str, int, str, int]]) -> None:
        """Go on from rows to rows, within a group, until nothing is new."""
        while steps and any(rows.shape[1] for rows in fresh.values()):
            coming: dict[str, Rows] = {}
            for name in fresh:
                leading = (
                    (place, _different([fresh[start][at + 1]])) for start, at, end, place in steps if end == name
                )
                coming[name] = self._add(name, _together(leading))
            fresh = coming

    def _add(self, name: str, wanted: Mapping[int, Numbers]) -> Rows:
        wanted = {place: numbers for place, numbers in wanted.items() if len(numbers)}
        if not wanted:
            return self._found[name].add(np.empty((len(self._plan.columns[name]) + 1, 0), np.int64))
        if name in self._cyclic and name not in self._held:
            self._held[name] = Held(self._reads.all(name))
        held = self._held.get(name)
        return self._found[name].add(held.holding(wanted) if held else self._reads.holding(name, wanted))


def _key(edge: Edge) -> tuple[str, int, str, int]:
    return edge.child, edge.at_child, edge.parent, edge.at_parent


def _together(wanted: Iterable[tuple[int, Numbers]]) -> dict[int, Numbers]:
    """Put the numbers that are wanted of the same column together."""
    by_place: dict[int, list[Numbers]] = {}
    for place, numbers in wanted:
        by_place.setdefault(place, []).append(numbers)
    return {place: _different(ones) if len(ones) > 1 else ones[0] for place, ones in by_place.items()}


def _different(blocks: Iterable[Numbers]) -> Numbers:
    numbers = np.unique(np.concatenate([np.empty(0, np.int64), *blocks]))
    return numbers[1:] if len(numbers) and numbers[0] == NOTHING else numbers


def _isin(values: Numbers, numbers: Numbers) -> NDArray[np.bool_]:
    """Say of each value whether it is among sorted numbers."""
    return Members(numbers).has(values)


def blocks_holding(blocks: Iterable[Rows], wanted: Mapping[int, Numbers]) -> Iterator[Rows]:
    """Yield of each block the rows that hold a wanted number."""
    members = {place: Members(numbers) for place, numbers in wanted.items()}
    for rows in blocks:
        kept = np.zeros(rows.shape[1], np.bool_)
        for place, numbers in members.items():
            kept |= numbers.has(rows[place + 1])
        yield rows[:, kept]
