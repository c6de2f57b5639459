"""The tables of a database as changing them needs them: everything that must still be there afterwards.

Names are bare where they are parts of a table, and in words (`orders`, `app.orders`) where they are tables or views.
What is SQL is the server's own text, in which names of other tables bear their schema.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

ConstraintKind = Literal["primary key", "unique", "foreign key", "check", "exclusion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Rights that others than the owner have. `to` is SQL: a role in its quotes, or PUBLIC."""

    privileges: str
    to: str
    column: str | None = None
    grantable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """The sequence of a column. `options` are SQL: "AS integer START WITH 1 …"; `identity` is ALWAYS or BY DEFAULT."""

    name: str
    type: str
    options: str
    identity: str | None = None
    grants: tuple[Grant, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `type`, `default` and `generated` are SQL; `counts`: numbered by the table itself (AUTO_INCREMENT).

    A `generated` one `reads` other columns; a `virtual` one of these is computed when it is read.
    `settings` are the words behind ALTER COLUMN that give it what has no word of its own here: "SET STATISTICS 500".
    `definition` is the column's whole line, where the server shows such.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    generated: str | None = None
    virtual: bool = False
    reads: tuple[str, ...] = ()
    sequence: Sequence | None = None
    counts: bool = False
    collation: str | None = None
    comment: str | None = None
    settings: tuple[str, ...] = ()
    definition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint; `definition` is what stands behind its name: "CHECK ((total > 0))". A foreign key has a parent."""

    name: str
    kind: ConstraintKind
    definition: str
    columns: tuple[str, ...]
    parent: str | None = None
    parent_columns: tuple[str, ...] = ()
    index: str | None = None
    valid: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; `definition` is what stands behind its table: "USING btree (lower(email)) WHERE …".

    `constraint` names that which it belongs to; `columns` are those that it is of, also within expressions; `words` are
    what its own columns are called, an expression by its function.
    """

    name: str
    unique: bool
    definition: str
    columns: tuple[str, ...]
    words: tuple[str, ...] = ()
    constraint: str | None = None
    comment: str | None = None
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger: `before` and `after` are its definition on either side of the table's name."""

    name: str
    before: str
    after: str
    enabled: str = "ENABLE"
    comment: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view that reads a table, itself or by other views. `columns` are those of the table that it reads.

    `options` is SQL: "WITH (security_barrier=true)", or nothing. `also` are statements that make what else it has:
    triggers, rules, defaults.
    """

    name: str
    definition: str
    columns: tuple[str, ...]
    options: str = ""
    owner: str | None = None
    comment: str | None = None
    column_comments: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A table with all that is made on it.

    `views` come so that each stands behind those that it reads. `hindrances` are what else hangs on the table, in
    words, by the columns that it is about (of none: the whole table). `options` are SQL: "fillfactor='70'".
    """

    name: str
    schema: str
    own: str
    columns: Mapping[str, Column]
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    views: tuple[View, ...] = ()
    grants: tuple[Grant, ...] = ()
    owner: str | None = None
    comment: str | None = None
    options: tuple[str, ...] = ()
    unlogged: bool = False
    partitioned: str | None = None
    hindrances: tuple[tuple[str, tuple[str, ...]], ...] = ()
    text: str | None = None  # the whole statement that makes it, where the server shows such

    @property
    def primary_key(self) -> Constraint | None:
        """The primary key, if it has one."""
        return next((one for one in self.constraints if one.kind == "primary key"), None)

    def constraints_on(self, columns: Collection[str]) -> Iterator[Constraint]:
        """Yield its constraints that are of any of these columns, and so go with it: by their index, too (INCLUDE)."""
        by_index = {one.constraint for one in self.indexes if set(one.columns) & set(columns)}
        return (one for one in self.constraints if set(one.columns) & set(columns) or one.name in by_index)

    def of_kind(self, kind: ConstraintKind) -> Iterator[Constraint]:
        """Yield its constraints of a kind."""
        return (one for one in self.constraints if one.kind == kind)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Every table of a database, by name."""

    tables: Mapping[str, Plan]

    def children(self, table: str) -> Iterator[tuple[Plan, Constraint]]:
        """Yield the foreign keys that point at a table, each with the table that has it; its own are among them."""
        for plan in self.tables.values():
            for one in plan.of_kind("foreign key"):
                if one.parent == table:
                    yield plan, one


@runtime_checkable
class Drawn(Protocol):
    """A database that tells all of its tables that a change must leave as it was."""

    def blueprint(self) -> Blueprint:
        """Return its tables; reads the catalogs alone."""
        ...
