"""What is to be made: a profile fitted to the tables of a live database, each column with a shape it can hold.

Whatever the profile says about tables and columns that are not there is told before a row is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rehearse import units
from rehearse.datasets import repair
from rehearse.datasets.narrowing import narrowed, shortened
from rehearse.datasets.randomness import Floats
from rehearse.errors import ScenarioMistake, near_miss
from rehearse.profiles import Column, ForeignKey, Joint, NullBy, Profile, Structure, Table, TableStructure
from rehearse.profiles.defaults import default_shape
from rehearse.profiles.shapes import (
    After,
    Choice,
    Copy,
    Default,
    Given,
    Parent,
    Pattern,
    Position,
    Random,
    Serial,
    Shape,
    Text,
    Time,
    Value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How a table's rows point at their parents. `distinct`: no parent twice; `ranked`: none twice beside this column.

    `ranked` names a column with a "sorted" parent: within its group the parents differ.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    shape: Parent
    null: float
    distinct: bool = False
    ranked: str | None = None

    @property
    def counted(self) -> bool:
        """Say whether the parents' numbers of children are known one by one."""
        return bool(self.shape.groups) and not self.distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """A table's rows and, for each column that takes a value, its shape and the share of rows without one.

    `growth` is the table's rows as a share of those that the profile describes. `joint` are columns that go together
    and the factors (rows of a lower triangular matrix) that make their normal scores from independent ones. `ties` says
    for a column that conditions bind which columns are made together with it.
    """

    name: str
    rows: int
    columns: Mapping[str, Column]
    shapes: Mapping[str, Shape]
    nulls: Mapping[str, float]
    references: Mapping[str, Reference]  # by each of their columns
    growth: float = 1.0
    order: float = 1.0  # correlation of the rows' places on disk with their numbers here
    joint: tuple[tuple[str, ...], Floats] = ((), np.zeros((0, 0)))
    nulls_by: Mapping[str, NullBy] = field(default_factory=dict)
    ties: Mapping[str, repair.Tie] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All tables, by name, parents first; picklable, and all that a chunk's maker needs beside the chunk's number."""

    seed: int
    profile: Profile
    tables: Mapping[str, TablePlan]


def plan(
    profile: Profile,
    structure: Structure,
    *,
    scale: float = 1.0,
    seed: int = 1,
    rows: Mapping[str, object] | None = None,
) -> Plan:
    """Fit a profile to a structure; raises a ScenarioMistake with a line for each thing that does not fit."""
    where = str(profile.file or f"profile {profile.name}")
    complaints = [f"{where}: {one}" for one in _unknown(profile, structure)]
    counts = {name: profile.rows(name, scale) for name in profile.tables}
    for table, count in (rows or {}).items():
        if table not in structure.tables:
            complaints.append(f"data.tables.{table}: there is no such table{near_miss(table, structure.tables)}")
        counts[table] = units.rows(count)
    if complaints:
        raise ScenarioMistake("\n".join(complaints))
    made = [table for table in structure.parents_first() if table.name in counts]
    tables = {table.name: _fitted(profile, structure, table, counts, where) for table in made}
    return Plan(seed=seed, profile=profile, tables=tables)


def _unknown(profile: Profile, structure: Structure) -> Iterator[str]:
    for name, table in profile.tables.items():
        if name not in structure.tables:
            yield f"tables.{name}: the schema has no such table{near_miss(name, structure.tables)}"
            continue
        known = structure.tables[name]
        for column, shape in table.columns.items():
            here = f"tables.{name}.columns.{column}"
            if column not in known.columns:
                yield f"{here}: the table has no such column{near_miss(column, known.columns)}"
            else:
                yield from (f"{here}: {one}" for one in _misfit(shape, column, known, structure))
        yield from (f"tables.{name}.{one}" for one in _strangers(table, known))


def _strangers(table: Table, known: TableStructure) -> Iterator[str]:
    """Yield a complaint for each column that the table has not, among those said to go together."""
    for column, nulls in table.nulls.items():
        for name in (column, nulls.of):
            if name not in known.columns:
                yield f"nulls.{column}: the table has no column {name!r}{near_miss(name, known.columns)}"
        if column in known.columns and not known.columns[column].nullable:
            yield f"nulls.{column}: the column is NOT NULL; leave it out"
    joint = table.joint
    if joint is None:
        return
    for name in joint.columns:
        if name != "#" and name not in known.columns:
            yield f"joint.columns: the table has no column {name!r}{near_miss(name, known.columns)}"
    if [len(row) for row in joint.correlations] != list(range(1, len(joint.columns) + 1)):
        yield f"joint.correlations: {len(joint.columns)} columns need as many rows, of 1, 2, 3 … numbers"


def _misfit(shape: Shape, column: str, table: TableStructure, structure: Structure) -> Iterator[str]:
    found = table.columns[column]
    if found.computed:
        yield "the server computes this column; leave it out"
    if shape.null and not found.nullable:
        yield f"null = {shape.null}: the column is NOT NULL; leave null out"
    if isinstance(shape, Parent):
        yield from _no_parent(shape, column, table, structure)
    if isinstance(shape, After | Copy):
        yield from _no_source(shape.of, table, structure)
    if isinstance(shape, Given) and shape.of not in table.columns:
        yield f"of = {shape.of!r}: the table has no such column{near_miss(shape.of, table.columns)}"
    if isinstance(shape, Position) and shape.within not in table.columns:
        yield f"within = {shape.within!r}: the table has no such column{near_miss(shape.within, table.columns)}"


def _no_parent(shape: Parent, column: str, table: TableStructure, structure: Structure) -> Iterator[str]:
    if shape.orphans and shape.to is None:
        yield f"orphans = {shape.orphans}: the foreign key allows none; leave orphans out"
    if shape.to is None:
        if not any(column in key.columns for key in table.foreign_keys):
            yield "kind = 'parent': the schema has no foreign key here; name the parent: to = \"table.column\""
        return
    parent, _, key = shape.to.rpartition(".")
    if parent not in structure.tables:
        yield f"to = {shape.to!r}: there is no table {parent!r}{near_miss(parent, structure.tables)}"
    elif key not in structure.tables[parent].columns:
        yield f"to = {shape.to!r}: {parent} has no column {key!r}{near_miss(key, structure.tables[parent].columns)}"


def _no_source(of: str, table: TableStructure, structure: Structure) -> Iterator[str]:
    first, _, second = of.partition(".")
    if first not in table.columns:
        yield f"of = {of!r}: the table has no column {first!r}{near_miss(first, table.columns)}"
        return
    parent = next((key.parent for key in table.foreign_keys if first in key.columns), None)
    if not second:
        return
    if parent is None:
        yield f"of = {of!r}: {first} is no foreign key"
    elif second not in structure.tables[parent].columns:
        yield f"of = {of!r}: {parent} has no column {second!r}{near_miss(second, structure.tables[parent].columns)}"


def _fitted(
    profile: Profile, structure: Structure, table: TableStructure, counts: Mapping[str, int], where: str
) -> TablePlan:
    described = profile.tables[table.name].columns if table.name in profile.tables else {}
    table = shortened(table)
    shapes = {
        name: described.get(name) or default_shape(table, column)
        for name, column in table.columns.items()
        if not column.computed
    }
    shapes = _unique(table, shapes)
    if counts[table.name]:
        _filled(shapes, table, where)
        try:
            shapes = narrowed(shapes, table, described=described, now=profile.now, years=profile.years)
        except ScenarioMistake as mistake:
            raise ScenarioMistake(f"{where}: {mistake}") from None
    _too_few(table, shapes, counts[table.name], f"{where}: tables.{table.name}")
    references = _references(table, shapes, counts, f"{where}: tables.{table.name}")
    references = _distinct(table, shapes, references)
    _enough(table, references, counts, f"{where}: tables.{table.name}")
    shapes = {name: shape for name, shape in shapes.items() if not isinstance(shape, Default)}
    nulls = {name: _null(shape, table.columns[name], described) for name, shape in shapes.items()}
    columns = {name: table.columns[name] for name in shapes}
    nulls_by = profile.tables[table.name].nulls if table.name in profile.tables else {}
    return TablePlan(
        name=table.name,
        rows=counts[table.name],
        columns=columns,
        shapes=shapes,
        nulls=nulls,
        references=references,
        growth=counts[table.name] / max(1, profile.tables[table.name].rows) if table.name in profile.tables else 1.0,
        nulls_by=nulls_by,
        order=profile.tables[table.name].order if table.name in profile.tables else 1.0,
        joint=_joint(profile.tables[table.name].joint if table.name in profile.tables else None),
        ties=_ties(table, columns, shapes, references, nulls_by) if counts[table.name] else {},
    )


def _filled(shapes: Mapping[str, Shape], table: TableStructure, where: str) -> None:
    """Raise a ScenarioMistake for a column that must have a value and whose shape gives none."""
    for name, shape in shapes.items():
        column = table.columns[name]
        if isinstance(shape, Value) and shape.value is None and not column.nullable:
            raise ScenarioMistake(
                f"{where}: tables.{table.name}.columns.{name}: NOT NULL, and there is no shape for its type, "
                f"{column.type.declared}; write some of its values as the server reads them: "
                "{ kind = 'choice', of = ['…', '…'] }"
            )


def _ties(
    table: TableStructure,
    columns: Mapping[str, Column],
    shapes: Mapping[str, Shape],
    references: Mapping[str, Reference],
    nulls_by: Mapping[str, NullBy],
) -> dict[str, repair.Tie]:
    """Return what conditions tie together; keys stay as they are, and a reference can only be left out."""
    keyed = {name for key in table.keys for name in key}
    kept = {name for name, one in references.items() if len(one.columns) > 1 or not columns[name].nullable}
    kept |= {name for name, shape in shapes.items() if isinstance(shape, Serial | Position)}
    origins = {name: repair.sources(shape) & columns.keys() for name, shape in shapes.items()}
    origins |= {name: origins[name] | {by.of} for name, by in nulls_by.items() if {name, by.of} <= columns.keys()}
    return repair.ties(table.name, table.checks, columns, frozenset(columns) - keyed - kept, origins)


def _joint(joint: Joint | None) -> tuple[tuple[str, ...], Floats]:
    """Return the factors of a matrix of correlations, which rounding may have made impossible: then of the nearest."""
    if joint is None:
        return (), np.zeros((0, 0))
    lower = np.zeros((len(joint.columns), len(joint.columns)))
    for at, row in enumerate(joint.correlations):
        lower[at, : len(row)] = row
    whole = lower + np.tril(lower, -1).T
    values, vectors = np.linalg.eigh(whole)
    possible = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(possible))
    return tuple(joint.columns), np.linalg.cholesky(possible * np.outer(scale, scale))


def _null(shape: Shape, column: Column, described: Mapping[str, Shape]) -> float:
    if shape.null is not None:
        return shape.null
    return 0.1 if column.nullable and column.name not in described and not column.has_default else 0.0


def _unique(table: TableStructure, shapes: dict[str, Shape]) -> dict[str, Shape]:
    """Return the shapes with those of single-column keys made unique."""
    lone = {key[0] for key in table.keys if len(key) == 1}
    return {name: _made_unique(shape, table.columns[name]) if name in lone else shape for name, shape in shapes.items()}


def _made_unique(shape: Shape, column: Column) -> Shape:  # noqa: PLR0911 - one answer a shape
    if isinstance(shape, Text | Pattern):
        return replace(shape, unique=True, distinct=None, empty=0.0)
    if isinstance(shape, Serial | Parent | Random):
        return shape
    if isinstance(shape, Choice):
        return replace(shape, each=True)
    if column.type.kind in ("integer", "numeric", "float"):
        return Serial(null=shape.null)
    if column.type.kind in ("timestamp", "date"):
        return replace(shape, jitter=0.0, order="rows") if isinstance(shape, Time) else Time(null=shape.null)
    if column.type.kind == "text":
        return Text(unique=True, null=shape.null)
    return Random(null=shape.null) if column.type.kind in ("uuid", "bytes", "inet") else shape


def _references(
    table: TableStructure, shapes: Mapping[str, Shape], counts: Mapping[str, int], where: str
) -> dict[str, Reference]:
    keys = [*table.foreign_keys, *_declared(shapes)]
    found: dict[str, Reference] = {}
    for key in keys:
        drawn = [column for column in key.columns if isinstance(shapes.get(column), Parent)]
        if not drawn or any(column in found for column in key.columns):
            continue  # the columns are drawn in another way, or point at two tables at once
        shape = shapes[drawn[0]]
        assert isinstance(shape, Parent)
        nullable = all(table.columns[column].nullable for column in drawn)
        null = shape.null if shape.null is not None else (0.05 if nullable and shape == Parent(skew=0.6) else 0.0)
        if not counts.get(key.parent) and counts[table.name]:
            if not nullable:
                raise ScenarioMistake(
                    f"{where}.columns.{drawn[0]}: points at {key.parent}, which gets no rows; "
                    f"describe it: [tables.{key.parent}] rows = …"
                )
            null = 1.0
        one = Reference(
            columns=key.columns, parent=key.parent, parent_columns=key.parent_columns, shape=shape, null=null
        )
        found |= dict.fromkeys(key.columns, one)
    return found


def _declared(shapes: Mapping[str, Shape]) -> Iterable[ForeignKey]:
    for column, shape in shapes.items():
        if isinstance(shape, Parent) and shape.to is not None:
            parent, _, key = shape.to.rpartition(".")
            yield ForeignKey(columns=(column,), parent=parent, parent_columns=(key,))


def _distinct(
    table: TableStructure, shapes: dict[str, Shape], references: dict[str, Reference]
) -> dict[str, Reference]:
    """Make keys hold that references are part of: alone, each parent once; with others, once beside each of them."""
    for key in table.keys:
        pointing = [references[column] for column in key if column in references]
        if pointing and set(key) <= set(pointing[0].columns):
            references = _changed(references, replace(pointing[0], distinct=True))
        elif len(key) > 1 and not any(_differs(shapes.get(column), table, column) for column in key):
            references = _ranked(table, key, shapes, references)
    return references


def _differs(shape: Shape | None, table: TableStructure, column: str) -> bool:
    """Say whether no two rows have the same value in this column (or among the children of one parent)."""
    alone = (column,) in table.keys and not isinstance(shape, Default)
    return (
        alone or isinstance(shape, Serial | Position | Random) or (isinstance(shape, Text | Pattern) and shape.unique)
    )


def _ranked(
    table: TableStructure, key: tuple[str, ...], shapes: dict[str, Shape], references: dict[str, Reference]
) -> dict[str, Reference]:
    pointing = [column for column in key if column in references]
    # The rows lie in the order of the reference that was seen to go with their places.
    group = max(pointing, key=lambda column: abs(references[column].shape.correlation), default=None)
    rest = [column for column in key if group is None or column not in references[group].columns]
    if group is None:
        shapes[rest[0]] = _made_unique(shapes[rest[0]], table.columns[rest[0]])
        return references
    first = references[group]
    sorted_first = replace(first, shape=replace(first.shape, order="sorted"))
    references = _changed(references, sorted_first)
    shapes |= dict.fromkeys(
        (column for column in first.columns if isinstance(shapes[column], Parent)), sorted_first.shape
    )
    second = next((references[column] for column in rest if column in references), None)
    if second is not None:
        return _changed(references, replace(second, ranked=group))
    numbers = [column for column in rest if table.columns[column].type.kind == "integer"]
    texts = [column for column in rest if _is_counted(shapes[column])]
    if numbers:
        shapes[numbers[0]] = Position(within=group)
    elif texts:
        shapes[texts[0]] = _within(shapes[texts[0]], group)
    else:
        shapes[rest[0]] = _made_unique(shapes[rest[0]], table.columns[rest[0]])
    return references


def _is_counted(shape: Shape) -> bool:
    """Say whether a shape draws from so many values, of which the rows of one parent can have different ones."""
    return isinstance(shape, Choice) or (isinstance(shape, Text | Pattern | Random) and shape.distinct is not None)


def _within(shape: Shape, group: str) -> Shape:
    """Return a shape whose values differ among the rows of one parent."""
    return replace(shape, within=group) if isinstance(shape, Choice | Text | Pattern | Random) else shape


def _changed(references: Mapping[str, Reference], new: Reference) -> dict[str, Reference]:
    return {**references, **dict.fromkeys(new.columns, new)}


def _too_few(table: TableStructure, shapes: Mapping[str, Shape], rows: int, where: str) -> None:
    """Raise a ScenarioMistake where a key has fewer values to choose from than there are rows."""
    for name, shape in shapes.items():
        if isinstance(shape, Choice) and (name,) in table.keys and len(shape.of) < rows:
            raise ScenarioMistake(
                f"{where}.columns.{name}: {rows} rows need as many different values, and there are {len(shape.of)} to "
                "choose from; give it kind = 'text' or 'pattern'"
            )


def _enough(table: TableStructure, references: Mapping[str, Reference], counts: Mapping[str, int], where: str) -> None:
    for column, one in references.items():
        if one.distinct and one.null < 1 and counts[table.name] > counts.get(one.parent, 0):
            raise ScenarioMistake(
                f"{where}.rows: {counts[table.name]} rows need as many different {one.parent} for the unique "
                f"{column}, and there are {counts.get(one.parent, 0)}"
            )
