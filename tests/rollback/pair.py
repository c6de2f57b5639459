"""A way forward, a way back, and exactly what is lost between them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from rehearse.measures.fidelity import RowsLost

Property = tuple[str, str]  # object, property

T = """
create table t (id int primary key, v int, w text);
insert into t select g, g * 10, 'Word ' || g from generate_series(1, 20) g;
"""
ORDER = ("table t", "column order")
UNTOLD = "untold"
DROPPED = ("table t", "dropped columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """A row that the application wrote between up and down; texts are the server's."""

    kind: str
    table: str
    key: Mapping[str, str]
    values: Mapping[str, str | None]

    @property
    def sql(self) -> str:
        """The call that writes it."""
        at = " and ".join(f"{name} = {_literal(value)}" for name, value in self.key.items())
        if self.kind == "insert":
            row = {**self.key, **self.values}
            return f"insert into {self.table} ({', '.join(row)}) values ({', '.join(map(_literal, row.values()))})"
        if self.kind == "delete":
            return f"delete from {self.table} where {at}"
        new = ", ".join(f"{name} = {_literal(value)}" for name, value in self.values.items())
        return f"update {self.table} set {new} where {at}"

    @property
    def texts(self) -> tuple[str, str]:
        """Its key and its values as the ledger tells them, the key of a new row among the values."""
        values = {**self.key, **self.values} if self.kind == "insert" else self.values
        return json.dumps(self.key), json.dumps(values)


def inserted(table: str, key: str, **values: str | None) -> Did:
    return Did(kind="insert", table=table, key={"id": key}, values=values)


def updated(table: str, key: str, **values: str | None) -> Did:
    return Did(kind="update", table=table, key={"id": key}, values=values)


def deleted(table: str, key: str) -> Did:
    return Did(kind="delete", table=table, key={"id": key}, values={})


def _literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One migration forth and back. What is lost is told exactly: nothing else may be found.

    `by` are the statements that took it, counted in their way; UNTOLD: the texts do not tell. `fails_again` is a part
    of the server's words where the second way forward is refused.
    """

    name: str
    base: str = T
    up: str
    down: str = "select 1;"
    writes: tuple[Did, ...] = ()
    schema: frozenset[Property] | set[Property] = frozenset()
    physical: frozenset[Property] | set[Property] = frozenset()
    data: frozenset[RowsLost] | set[RowsLost] = frozenset()
    by: frozenset[str] | set[str] = frozenset({"forward 1"})
    lost_writes: int = 0
    again: frozenset[Property] | set[Property] = frozenset()
    again_data: frozenset[RowsLost] | set[RowsLost] = frozenset()
    fails_again: str | None = None
    transaction: Literal["file", "none"] = "file"


_NOTHING = RowsLost(table="", column=None, values_lost=None, values_changed=None, rows_lost=None, rows_left_over=None)


def values(place: str, *, changed: int, lost: int = 0) -> RowsLost:
    """Return the loss of values in a `table.column`; `lost` of them are gone, the others are different."""
    table, _, column = place.rpartition(".")
    return replace(_NOTHING, table=table, column=column, values_changed=changed, values_lost=lost)


def rows(table: str, *, lost: int = 0, left_over: int = 0) -> RowsLost:
    """Return the loss of rows."""
    return replace(_NOTHING, table=table, rows_lost=lost, rows_left_over=left_over)
