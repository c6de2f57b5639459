"""The tables of a database as generating rows needs them: columns, keys and references, without an engine's words.

A table is called `orders` where its schema is the default one, and `audit.orders` elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "integer",
    "numeric",
    "float",
    "text",
    "bool",
    "date",
    "time",
    "timestamp",
    "uuid",
    "json",
    "bytes",
    "enum",
    "interval",
    "inet",
    "array",
    "other",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A column's type. `declared` is the server's own word for it; a domain is its base type."""

    kind: Kind
    declared: str
    bits: int = 64  # integers and floats
    length: int | None = None  # texts: at most so many characters
    precision: int | None = None  # numerics: digits in all; None: any number
    scale: int = 0  # numerics: digits after the point
    zoned: bool = False  # timestamps that are moments
    labels: tuple[str, ...] = ()  # enums, in their order
    element: Type | None = None  # arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `computed` ones (generated) take no value; `numbered` ones draw theirs from a sequence."""

    name: str
    type: Type
    nullable: bool
    has_default: bool = False
    numbered: bool = False
    computed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """`columns` point at `parent_columns` of `parent`."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table. `keys` are the column sets that must be unique, the primary key first."""

    name: str
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...] | None = None
    keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[str, ...] = ()  # conditions, as the server writes them


@dataclass(frozen=True, slots=True)
class Structure:
    """Every table of a database, by name."""

    tables: Mapping[str, Table]

    def undeclared(self, table: Table) -> Iterator[ForeignKey]:
        """Yield a table's references without a foreign key: `customer_id`, where there is a table customers.

        The other table must have one column of the same type as its key.
        """
        known = {column for key in table.foreign_keys for column in key.columns}
        for name, column in table.columns.items():
            stem = name.removesuffix("_id")
            if name in known or stem == name or column.type.kind not in ("integer", "uuid"):
                continue
            forms = (stem, f"{stem}s", f"{stem}es", f"{stem.removesuffix('y')}ies")
            parent = next((self.tables[form] for form in forms if form in self.tables), None)
            key = parent.primary_key if parent else None
            if parent and key and len(key) == 1 and parent.columns[key[0]].type == column.type:
                yield ForeignKey(columns=(name,), parent=parent.name, parent_columns=key)

    def parents_first(self) -> Iterator[Table]:
        """Yield the tables so that each comes after those it points at; a cycle is cut where it is met."""
        done: set[str] = set()
        for name in sorted(self.tables):
            yield from self._with_parents(name, done)

    def _with_parents(self, name: str, done: set[str]) -> Iterator[Table]:
        if name in done or name not in self.tables:
            return
        done.add(name)
        for key in self.tables[name].foreign_keys:
            yield from self._with_parents(key.parent, done)
        yield self.tables[name]
