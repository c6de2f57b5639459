"""What is to be changed, described and not yet written as SQL; and a way to make it, written.

The fields of Change and StrategyChoice bear the names of the TOML keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from rehearse.model.words import Texts, told

ChangeKind = Literal[
    "add column",
    "drop column",
    "rename column",
    "change type",
    "set not null",
    "set default",
    "add unique",
    "add check",
    "add foreign key",
    "add index",
    "split column",
    "merge columns",
    "move columns",
    "partition table",
    "widen key",
    "uuid key",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of one table, in words that no engine and no way to make it is bound to.

    Which keys a kind needs, and what it makes of them, stands in the library of ways (rehearse.strategies).
    """

    kind: Annotated[ChangeKind, told("what is changed: 'add column', 'set not null', 'add index', 'split column', …")]
    table: Annotated[str, told("the table that is changed")]
    columns: Annotated[Texts, told("the column it is about, or several")] = ""
    type: Annotated[str | None, told("the new type, in the engine's words: 'bigint', 'numeric(12, 2)'")] = None
    default: Annotated[str | None, told("SQL of the default for new rows")] = None
    fill: Annotated[str | None, told("SQL of the value that rows get that are there: \"'unknown'\"")] = None
    condition: Annotated[str | None, told("SQL of the check, or of a partial index's predicate")] = None
    references: Annotated[str | None, told("what a foreign key points at: 'customers.id'")] = None
    on_delete: Annotated[str | None, told("what a foreign key does then: 'CASCADE', 'SET NULL'")] = None
    to: Annotated[str | None, told("the new name of a column; the merged column; the table that columns move to")] = (
        None
    )
    into: Annotated[
        dict[str, str], told("new columns with SQL of their values: { first_name = \"split_part(name, ' ', 1)\" }")
    ] = field(default_factory=dict)
    types: Annotated[dict[str, str], told("types of new columns; without one it is the old column's")] = field(
        default_factory=dict
    )
    back: Annotated[
        dict[str, str],
        told("SQL of the old columns' values from the new ones, for the way back: { name = \"first || ' ' || last\" }"),
    ] = field(default_factory=dict)
    by: Annotated[
        Literal["range", "list", "hash"] | None, told("how a table is partitioned, on the key in columns")
    ] = None
    bounds: Annotated[
        dict[str, str],
        told("its partitions: { orders_2025 = \"FROM ('2025-01-01') TO ('2026-01-01')\" }; with hash { count = '8' }"),
    ] = field(default_factory=dict)
    unique: Annotated[bool, told("an index that is unique")] = False
    nullable: Annotated[bool, told("false: a new column is NOT NULL")] = True
    name: Annotated[str | None, told("the name of what is made; without it the usual one")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyChoice:
    """One of several ways to the same end: a migration of its own, or a `way` of the library to make the [change]."""

    name: Annotated[str | None, told("its name in reports; without it its way")] = None
    way: Annotated[
        str | None, told("a way of the library to make the [change]: plain, careful, expand, shadow, view, …")
    ] = None
    migration: Annotated[
        dict[str, Any], told("keys of [migration] for it; those that it does not name are the scenario's")
    ] = field(default_factory=dict)
    workload: Annotated[dict[str, Any], told("keys of [workload] for it, for example { deploy = 'together' }")] = field(
        default_factory=dict
    )
    options: Annotated[
        dict[str, Any], told("of its way, for example { lock_timeout = '100ms', attempts = 50, batch = 5000 }")
    ] = field(default_factory=dict)
    deploys: Annotated[
        Annotated[int, Field(ge=0, le=9)] | None, told("releases of the application that it needs; a way knows its own")
    ] = None
    leftovers: Annotated[
        list[str],
        told("tables that it leaves for its own use, and so are no difference between the ends of strategies"),
    ] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A way to make a change, written out: texts for a migration tool.

    `forward` and `back` are what [migration] has by these names (SQL, or the commands of an external tool), `steps`
    says what each step is for, `needs` what must be there for it (a program, an extension), in words.
    """

    name: str
    says: str
    forward: str
    back: str | None
    tool: str = "sql"
    transaction: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)
    deploy: Literal["after", "before", "together"] = "after"
    deploys: int = 1
    steps: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
