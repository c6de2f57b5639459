"""What a statement does, one act after the other, in words that no engine is bound to: Act, Type, Said.

A table is called `orders`, or `app.orders` outside of "public"; names are as the server folds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Does = Literal[
    "create table", "drop table", "rename table", "truncate", "set schema", "set options",
    "add column", "drop column", "rename column", "change type", "modify column", "set not null", "drop not null",
    "set default", "drop default", "add identity", "set expression",
    "add check", "add foreign key", "add unique", "add primary key", "add exclude", "add not null",
    "drop constraint", "drop foreign key", "drop primary key", "validate constraint", "rename constraint",
    "create index", "drop index", "rename index", "reindex",
    "attach partition", "detach partition", "partition", "add partition", "drop partition",
    "system versioning",
    "set tablespace", "set logged", "set unlogged", "set access method", "cluster", "vacuum full", "vacuum", "analyze",
    "refresh", "convert charset", "rebuild", "set engine",
    "disable trigger", "enable trigger", "create trigger", "row security", "policy",
    "lock table", "unlock tables", "select", "insert", "update", "delete", "copy",
    "begin", "commit", "rollback", "savepoint", "set",
    "create enum", "add enum value", "create domain", "add to domain", "create view", "create other", "alter other",
    "drop view", "drop other", "drop database", "drop schema", "comment", "grant", "unseen", "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """A column's type: its plain name, what stands in its brackets, and the words behind them ("unsigned", "[]")."""

    name: str
    args: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return it as SQL has it."""
        brackets = f"({', '.join(self.args)})" if self.args else ""
        return " ".join([f"{self.name}{brackets}{'[]' if '[]' in self.words else ''}", *sorted(self.words - {"[]"})])


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that a statement does. Which fields have something depends on what it `does`.

    `said` are the words that it is said with: "concurrently", "not valid", "using index", "cascade", "if exists",
    "not null", "stored", "virtual", "identity", "serial", "first", "after", "inline", "where", "temporary", "local" …
    """

    does: Does
    table: str = ""
    name: str = ""  # of the column, index, constraint, setting or other object that it is about
    columns: tuple[str, ...] = ()
    type: Type | None = None
    default: str | None = None  # SQL
    calls: frozenset[str] = frozenset()  # functions that a default calls
    references: str = ""  # the table that a foreign key points at, or that a partition belongs to
    to: str = ""  # the new name, the new value
    expression: str = ""  # a check's condition, USING, a generated column's expression
    mode: str = ""  # of LOCK TABLE: "access exclusive"; of a partitioned table: "range", "list", "hash"
    values: tuple[str, ...] = ()  # SQL of what an UPDATE sets `columns` to
    reads: frozenset[str] = frozenset()  # columns that these name
    said: frozenset[str] = frozenset()

    def has(self, *words: str) -> bool:
        """Say whether all of these words are said."""
        return self.said.issuperset(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A statement and what it does. `algorithm` and `lock` are what MySQL's ALTER asks for, in capitals.

    `stands_alone`: it may not run in a transaction block. `unread` says why its text could not be read; None: it was.
    """

    sql: str
    place: str = ""  # "up.sql:12"
    acts: tuple[Act, ...] = ()
    algorithm: str = ""
    lock: str = ""
    stands_alone: bool = False
    repeats: bool = False
    unread: str | None = None
    ignored: frozenset[str] = field(default_factory=frozenset)  # codes, or "ALL"
