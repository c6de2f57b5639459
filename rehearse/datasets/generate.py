"""Tables made by a plan: chunks of rows as Arrow record batches, each a pure function of (seed, table, chunk)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from rehearse.datasets import randomness
from rehearse.datasets.circles import circles
from rehearse.datasets.columns import Frame
from rehearse.datasets.fanout import windowed
from rehearse.datasets.plan import Plan, TablePlan, plan
from rehearse.datasets.randomness import Ints
from rehearse.datasets.value_counts import value_counts
from rehearse.datasets.workers import Making, Workers
from rehearse.errors import ScenarioMistake
from rehearse.profiles import Profile, Structure
from rehearse.profiles import shapes as sh

CHUNK_ROWS = 32_768
_TRIED_ROWS = 64


@dataclass(frozen=True, slots=True)
class GeneratedTable:
    """A table's rows, made when they are asked for; nothing of them is kept."""

    plan: Plan
    table: str
    making: Making | None = None  # the workers that make chunks; None: the caller's thread does

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.plan.tables[self.table].rows

    @property
    def dead(self) -> float:
        """How many dead rows lie beside them, as a share of them."""
        described = self.plan.profile.tables.get(self.table)
        return described.dead if described else 0.0

    @property
    def size_bytes(self) -> int | None:
        """The size that the profile's table had, for so many rows; None where it does not say."""
        described = self.plan.profile.tables.get(self.table)
        facts = described.facts if described else None
        size = facts.bytes * self.plan.tables[self.table].growth if facts else 0.0
        return round(size) or None

    @property
    def index_bytes(self) -> Mapping[str, int]:
        """The sizes that its indexes had, by name, for so many rows; of those that the profile tells of."""
        described = self.plan.profile.tables.get(self.table)
        facts = described.facts if described else None
        growth = self.plan.tables[self.table].growth
        return {name: round(size * growth) for name, size in facts.indexes.items()} if facts else {}

    @property
    def visible(self) -> float:
        """The share of its pages that are marked all-visible."""
        described = self.plan.profile.tables.get(self.table)
        return described.visible if described else 1.0

    def chunks(self) -> Iterable[pa.RecordBatch]:
        """Yield the rows in order; the same bytes at every call."""
        numbers = range(-(-self.rows // CHUNK_ROWS))
        if self.making is None or len(numbers) < 2:
            return map(self.chunk, numbers)
        return self.making.each(_chunk, ((self.table, number) for number in numbers))

    def chunk(self, number: int) -> pa.RecordBatch:
        """Return one chunk, which depends on no other."""
        places = np.arange(number * CHUNK_ROWS, min(self.rows, (number + 1) * CHUNK_ROWS), dtype=np.int64)
        return self._made(self._at(places))

    def sample(self, rows: int) -> pa.RecordBatch:
        """Return so many of the rows, picked at random, in their order on disk."""
        numbers = np.arange(min(rows, self.rows), dtype=np.int64)
        key = randomness.key(self.plan.seed, self.table, "sample")
        return self._made(self._at(np.sort(randomness.permuted(key, numbers, self.rows))))

    def value_counts(self) -> Mapping[str, float]:
        """Return how many different values columns have, nulls left out, where the plan tells."""
        return value_counts(self.plan.tables[self.table])

    def _at(self, places: Ints) -> Ints:
        """Return which rows lie at these places on disk."""
        made = self.plan.tables[self.table]
        if made.order >= 1.0:
            return places
        return windowed(randomness.key(self.plan.seed, self.table, "order"), places, made.rows, made.order)

    def _made(self, rows: Ints) -> pa.RecordBatch:
        frame = Frame(self.plan, self.plan.tables[self.table], rows)
        columns = {name: frame.column(name) for name in self.plan.tables[self.table].shapes}
        return pa.RecordBatch.from_pydict(columns)


def _spread(rows: int, count: int) -> Ints:
    """Return the numbers of a few rows from all over a table."""
    return np.unique(np.linspace(0, max(0, rows - 1), min(rows, count)).astype(np.int64))


def _misfits(made: Plan, table: TablePlan) -> Iterator[str]:
    """Try each column on a few rows; yield a complaint for each whose shape gives no values of its type."""
    frame = Frame(made, table, _spread(table.rows, _TRIED_ROWS))
    for name, shape in table.shapes.items():
        try:
            frame.column(name)
        except ScenarioMistake as mistake:
            yield f"{made.profile.file or made.profile.name}: {mistake}"
        except (pa.ArrowException, ValueError, OverflowError) as error:
            where = f"{made.profile.file or made.profile.name}: tables.{table.name}.columns.{name}"
            declared = table.columns[name].type.declared
            yield f"{where}: kind = {shape.kind!r} gives no values for a column of type {declared}: {error}"


def _chunk(made: Plan, table: str, number: int) -> pa.RecordBatch:
    return GeneratedTable(made, table).chunk(number)


@contextmanager
def made_by(workers: Workers | None, tables: Sequence[GeneratedTable]) -> Iterator[Sequence[GeneratedTable]]:
    """Yield the same tables of one dataset, whose chunks these workers make until the block is left.

    The bytes do not depend on the workers. Making rows takes a quarter of the CPU of loading them, most of it outside
    the interpreter's lock, so that a thread a stream (None) keeps up with one server: others pay where rows are wide,
    or go to files.
    """
    if workers is None or not tables:
        yield tables
        return
    with workers.open(tables[0].plan) as making:
        yield [replace(table, making=making) for table in tables]


def open_tables(
    profile: Profile,
    structure: Structure,
    *,
    scale: float = 1.0,
    seed: int = 1,
    rows: Mapping[str, object] | None = None,
) -> Sequence[GeneratedTable]:
    """Return the tables of a dataset, parents first; `rows` sets those of single tables ({"orders": "5M"}).

    Raises a ScenarioMistake for what the profile says about tables and columns that are not in `structure`.
    """
    made = plan(profile, structure, scale=scale, seed=seed, rows=rows)
    where = profile.file or profile.name
    complaints = [f"{where}: {one}" for one in circles(made.tables)]
    complaints = complaints or [one for table in made.tables.values() for one in _misfits(made, table)]
    if complaints:
        raise ScenarioMistake("\n".join(dict.fromkeys(complaints)))
    return tuple(GeneratedTable(made, name) for name in made.tables)


_ROW_BYTES = 24 + 4 + 10  # a tuple's header, its line pointer, and one key in an index
_TEXT_BYTES = {"paragraph": 240, "sentence": 62, "email": 26, "url": 16, "street": 20, "product": 28, "company": 20}


def production(
    profile: Profile, structure: Structure, *, seed: int = 1, rows: Mapping[str, object] | None = None
) -> Sequence[GeneratedTable]:
    """Return the tables at scale 1; of `rows` as for a dataset only those count of which the profile knows nothing."""
    others = {table: count for table, count in (rows or {}).items() if table not in profile.tables}
    return open_tables(profile, structure, seed=seed, rows=others)


def estimated_bytes(profile: Profile, scale: float, *, rows: Mapping[str, object] | None = None) -> int:
    """Return about how large the tables with their indexes become; within a factor of two, from the shapes alone."""
    from rehearse import units  # noqa: PLC0415

    given = {name: units.rows(count) for name, count in (rows or {}).items()}
    counts = {name: profile.rows(name, scale) for name in profile.tables} | given
    return sum(counts[name] * _row_bytes(profile, name) for name in counts)


def _row_bytes(profile: Profile, name: str) -> int:
    described = profile.tables[name].columns.values() if name in profile.tables else ()
    widths = sum(round(_width(shape) * (1.0 - (shape.null or 0.0))) for shape in described)
    return round((_ROW_BYTES + 8 + widths) * 1.25)  # 1.25: what indexes beside the key take


def _width(shape: sh.Shape) -> int:  # noqa: PLR0911 - one answer a shape
    match shape:
        case sh.Parent():
            return 8 + 10
        case sh.Text():
            return _TEXT_BYTES.get(shape.of, 14)
        case sh.Json():
            return 10 + sum(len(name) + 8 + _width(inner) for name, inner in shape.keys.items())
        case sh.Items():
            return 24 + (_width(shape.of) + 4) * (shape.least + shape.most) // 2
        case sh.Random():
            return 16
        case sh.Pattern():
            return max(map(len, [shape.pattern] if isinstance(shape.pattern, str) else shape.pattern)) + 1
        case _:
            return 8
