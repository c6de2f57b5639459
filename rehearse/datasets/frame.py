"""Some rows of one table, on their way: columns on demand, parents, scores that go together, conditions that hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import arrow, keys, randomness, repair
from rehearse.datasets import beside as pairs
from rehearse.datasets.fanout import Fanout, Placed
from rehearse.datasets.plan import Plan, Reference, TablePlan
from rehearse.datasets.randomness import Bools, Floats, Ints
from rehearse.profiles import NullBy, Type, normal
from rehearse.profiles import shapes as sh

_AHEAD = 0.9  # how far before its children a row of the same table lies, as a share of their place


@dataclass(slots=True)
class Frame:
    """Some rows of one table, whose columns are made when asked for, and once.

    Those that a condition of the table binds are mended until it holds, unless the frame is `raw`; `again` says that it
    draws them a further time for that.
    """

    plan: Plan
    table: TablePlan
    rows: Ints
    made: dict[str, pa.Array] = field(default_factory=dict)
    pointed: dict[tuple[str, ...], tuple[Ints, Bools]] = field(default_factory=dict)
    placed: dict[tuple[str, ...], Placed] = field(default_factory=dict)
    scores: dict[str, Floats] = field(default_factory=dict)
    raw: bool = False
    again: repair.Again | None = None

    def column(self, name: str) -> pa.Array:
        """Return a column's values for these rows."""
        if name not in self.made:
            tie = None if self.raw else self.table.ties.get(name)
            if tie is None:
                self.made[name] = self._column(name)
            else:
                self.made |= self._mended(tie)
        return self.made[name]

    def draw(self, shape: sh.Shape, kind: Type, stream: int) -> pa.Array:
        """Return values of a shape for these rows, in the Arrow type of a column of this kind."""
        from rehearse.datasets.columns import draw  # noqa: PLC0415 - how each shape is drawn, which asks frames in turn

        return draw(shape, kind, self, stream)

    def of(self, rows: Ints, *, count: int | None = None) -> Frame:
        """Return other rows of the table; `count` makes it a table of so many values, which the rows number."""
        table = self.table if count is None else replace(self.table, rows=count)
        return Frame(self.plan, table, rows)

    def stream(self, *names: object) -> int:
        """Return the key of a stream of random numbers of this table."""
        again = () if self.again is None else ("again", self.again.attempt, self.again.condition)
        return randomness.key(self.plan.seed, self.table.name, *names, *again)

    def parents(self, reference: Reference) -> tuple[Ints, Bools]:
        """Return the places of the rows' parents, and which rows have none."""
        if reference.columns not in self.pointed:
            places, missing = self._parents(reference)
            self.pointed[reference.columns] = places, self._missing(reference, missing)
        return self.pointed[reference.columns]

    def parent_column(self, reference: Reference, name: str) -> pa.Array:
        """Return a column of the rows' parents; null where a row has none."""
        places, missing = self.parents(reference)
        parent = self.plan.tables.get(reference.parent)
        if parent is None or not parent.rows:
            return pa.nulls(len(self.rows), arrow.arrow_type(self.table.columns[reference.columns[0]].type))
        if reference.shape.orphans:
            lost = randomness.uniform(self.stream("orphans", *reference.columns), self.rows) < reference.shape.orphans
            places = np.where(lost, places + parent.rows, places)
        values = Frame(self.plan, parent, places).column(name)
        return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values) if missing.any() else values

    def positions(self, column: str) -> Ints:
        """Return 0, 1, 2 … among the children of one parent."""
        reference = self.table.references[column]
        count = self.plan.tables[reference.parent].rows
        if not count:
            return np.zeros_like(self.rows)
        if reference.counted:
            return self._placed(reference, count).places
        return keys.positions(self._reference_stream(reference), reference.shape, self.rows, self.table.rows, count)

    def _mended(self, tie: repair.Tie) -> dict[str, pa.Array]:
        """Return the columns that conditions tie together, so that the conditions hold."""
        made = {name: self.made[name] for name in tie.columns if name in self.made}
        raw, columns = Frame(self.plan, self.table, self.rows, made, raw=True), self.table.columns
        drawn = {name: raw.column(name) for name in tie.columns}
        return repair.repaired(drawn, tie, columns, self._drawn_again, lambda: self._lent(tie))

    def _drawn_again(
        self, again: repair.Again, places: Ints, kept: Mapping[str, pa.Array], targets: frozenset[str]
    ) -> dict[str, pa.Array]:
        made = {name: values for name, values in kept.items() if name not in targets}
        frame = Frame(self.plan, self.table, self.rows[places], made, raw=True, again=again)
        return {name: frame.column(name) for name in targets}

    def _lent(self, tie: repair.Tie) -> dict[str, pa.Array]:
        """Return columns of a few rows from all over the table that hold, the same for every chunk."""
        rows = np.unique(np.linspace(0, max(0, self.table.rows - 1), repair.LENT_ROWS).astype(np.int64))
        raw = Frame(self.plan, self.table, rows, raw=True)
        some = Frame(self.plan, self.table, rows)
        return repair.good({name: raw.column(name) for name in tie.columns}, tie, self.table.columns, some._drawn_again)

    def _missing(self, reference: Reference, drawn: Bools) -> Bools:
        """Return which rows have no parent, where a condition may have taken it away."""
        name = reference.columns[0]
        if name not in self.table.ties or len(reference.columns) > 1:
            return drawn
        if not self.raw or name in self.made:
            return np.asarray(self.column(name).is_null())
        if self.again is None:
            return drawn
        return randomness.uniform(self.stream(name, "null"), self.rows) < self._null_share(name, reference.null)

    def _null_share(self, name: str, share: float) -> float | Floats:
        """Return the share of rows without a value, where this further draw does not ask for another."""
        asked, by = None if self.again is None else self.again.missing, self.table.nulls_by.get(name)
        free = self.table.columns[name].nullable and self.table.shapes[name].null is None and by is None
        if asked is None or (asked and not free):
            return share if by is None else self._null_shares(by)
        return asked

    def _column(self, name: str) -> pa.Array:
        reference, kind = self.table.references.get(name), self.table.columns[name].type
        if reference is not None and isinstance(self.table.shapes[name], sh.Parent):
            key = reference.parent_columns[reference.columns.index(name)]
            return arrow.cast(self.parent_column(reference, key), kind)
        shape = self.table.shapes[name] if self.again is None else self.again.loosened(self.table.shapes[name])
        values = self.draw(shape, kind, self.stream(name))
        share = self._null_share(name, self.table.nulls[name])
        if not np.any(share):
            return values
        missing = randomness.uniform(self.stream(name, "null"), self.rows) < share
        return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)

    def _null_shares(self, nulls: NullBy) -> Floats:
        numbers = case_numbers(self, nulls.of, list(nulls.shares))
        return np.array([*nulls.shares.values(), nulls.otherwise])[numbers]

    def _parents(self, reference: Reference) -> tuple[Ints, Bools]:
        stream, parent = self._reference_stream(reference), self.plan.tables.get(reference.parent)
        count, own = (parent.rows if parent else 0), reference.parent == self.table.name
        by = self._nulls_by(reference)
        share = reference.null if by is None else self._null_shares(by)
        missing = randomness.uniform(randomness.key(stream, "null"), self.rows) < share
        if not count:
            return np.zeros_like(self.rows), np.ones(len(self.rows), np.bool_)
        if reference.ranked:
            return self._ranked(reference, self.table.references[reference.ranked], count), missing
        if reference.counted:
            placed = self._placed(reference, count)
            places, missing = placed.parents, placed.missing if by is None else missing
            return (self._earlier(reference, places), missing | (self.rows == 0)) if own else (places, missing)
        places = keys.parents(stream, reference, self.rows, self.table.rows, count, own=own)
        nullable = all(self.table.columns[column].nullable for column in reference.columns)
        places, missing = np.maximum(places, 0), missing | ((places < 0) & nullable)
        return places, missing

    def _nulls_by(self, reference: Reference) -> NullBy | None:
        """Return by what a reference of one column is null; then each parent loses as many of its children."""
        return self.table.nulls_by.get(reference.columns[0]) if len(reference.columns) == 1 else None

    def _ranked(self, reference: Reference, beside: Reference, count: int) -> Ints:
        """Return parents that differ among the rows with the same parent by another reference."""
        if reference.counted and beside.counted:
            other = self.plan.tables[beside.parent].rows
            own, group = self._fanout(reference, count), self._fanout(beside, other)
            return pairs.parents(own, group, self._placed(beside, other))
        group_of, positions = self.parents(beside)[0], self.positions(beside.columns[0])
        return keys.ranked(self._reference_stream(reference), group_of, positions, count)

    def _placed(self, reference: Reference, count: int) -> Placed:
        if reference.columns not in self.placed:
            self.placed[reference.columns] = self._fanout(reference, count).placed(self.rows)
        return self.placed[reference.columns]

    def _fanout(self, reference: Reference, count: int) -> Fanout:
        own = reference.parent == self.table.name
        return Fanout(
            stream=self._reference_stream(reference),
            groups=_with_children(reference) if own else tuple(reference.shape.groups),
            children=self.table.rows,
            parents=round(count * _share_with_children(reference)) if own else count,
            orphans=reference.null if self._nulls_by(reference) is None else 0.0,
            correlation=1.0 if own else reference.shape.correlation,
            slices=() if own else tuple((upto, tuple(groups)) for upto, groups in reference.shape.slices),
        )

    def _earlier(self, reference: Reference, places: Ints) -> Ints:
        """Return rows of the same table, each with its number of children, that come before these rows.

        Those with children lie at even steps, and their children in the same order: so far behind that one in ten steps
        is to spare.
        """
        step = _AHEAD / max(1e-9, _share_with_children(reference))
        return np.minimum((places * step).astype(np.int64), self.rows - 1).clip(0)

    def uniform(self, stream: int, correlation: float = 0.0, *, even: bool = False) -> Floats:
        """Return a number in [0, 1) for each row, that goes with the row's place or its other columns as told.

        Where it goes with nothing, `even` gives all rows together numbers at equal steps: shares are met exactly.
        """
        joint = self._joint(stream)
        if joint is not None:
            return normal.shares(joint)
        if not correlation and even and self.again is None:
            return (randomness.permuted(stream, self.rows, self.table.rows) + 0.5) / max(1, self.table.rows)
        if not correlation:
            return randomness.uniform(stream, self.rows)
        own = math.sqrt(1.0 - correlation**2)
        return normal.shares(correlation * self._place_scores() + own * randomness.normal(stream, self.rows))

    def _joint(self, stream: int) -> Floats | None:
        """Return the normal scores of the column with this stream, if it goes with others."""
        names, factors = self.table.joint
        at = next((at for at, name in enumerate(names) if self.stream(name) == stream), None)
        return None if at is None else sum(factors[at, one] * self._own_scores(names[one]) for one in range(at + 1))

    def _own_scores(self, name: str) -> Floats:
        """Return normal scores that are a joint column's alone; those of "#" are the row's place."""
        if name not in self.scores:
            key = randomness.key(self.stream(name), "joint")
            self.scores[name] = self._place_scores() if name == "#" else randomness.normal(key, self.rows)
        return self.scores[name]

    def _place_scores(self) -> Floats:
        return normal.scores((self.rows + 0.5) / max(1, self.table.rows))

    def _reference_stream(self, reference: Reference) -> int:
        return randomness.key(self.plan.seed, self.table.name, "parents", *reference.columns)


def _with_children(reference: Reference) -> tuple[tuple[float, int], ...]:
    return tuple((children, parents) for children, parents in reference.shape.groups if children > 0)


def _share_with_children(reference: Reference) -> float:
    every = sum(parents for _, parents in reference.shape.groups)
    return sum(parents for _, parents in _with_children(reference)) / max(1, every)


def case_numbers(frame: Frame, of: str, cases: list[str]) -> Ints:
    """Return which case each row's value of a column is; their number where it is none of them."""
    values = frame.column(of)
    words = pc.fill_null(values if values.type == pa.string() else pc.cast(values, pa.string()), "null")
    found: Ints = pc.fill_null(pc.index_in(words, pa.array(cases, pa.string())), len(cases)).to_numpy().astype(np.int64)
    if "*" in cases and "null" in cases:  # all that the case says is whether there is a value
        found[found == len(cases)] = cases.index("*")
    return found
