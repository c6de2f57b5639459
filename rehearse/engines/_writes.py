"""The traffic's writes of one table, by the row they name; those that name none are told apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rehearse.engines._expected import Write
from rehearse.events import Outcome

if TYPE_CHECKING:
    import pandas

Key = tuple[str, ...]
_DID = frozenset({Outcome.OK, Outcome.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Writes:
    """Writes by key, in the order of the key's columns, and those without a known key."""

    keyed: dict[Key, list[Write]]
    unkeyed: list[Write]

    def count(self) -> int:
        """Return how many there are."""
        return sum(map(len, self.keyed.values())) + len(self.unkeyed)

    def untold(self) -> list[Write]:
        """Return acknowledged writes that cannot be verified: neither a row nor, of a new one, the values are known.

        A deletion is left out: a cascade tells none, and its rows are gone or are no difference.
        """
        found = (one for one in self.unkeyed if one.outcome == Outcome.OK)
        return [one for one in found if one.kind == "update" or (one.kind == "insert" and not one.values)]

    def unkeyed_inserts(self, outcome: Outcome) -> list[Write]:
        """Return insertions of one row each whose key was never told."""
        return [one for one in self.unkeyed if one.outcome == outcome and one.kind == "insert" and one.values]

    def hidden_columns(self) -> frozenset[str] | None:
        """Return columns that writes without a key may have changed; None: any."""
        updates = [one for one in self.unkeyed if one.kind == "update" and one.outcome in _DID]
        parts = [frozenset({*one.values, *one.unclear, *one.deltas}) for one in updates]
        return None if any(not part for part in parts) else frozenset().union(*parts)

    @property
    def may_hide_rows_changed(self) -> bool:
        """Say whether a write without a key may have changed rows, which without a key are gone and come."""
        return any(one.kind == "update" and one.outcome in _DID for one in self.unkeyed)

    @property
    def may_hide_rows_gone(self) -> bool:
        """Say whether a write without a key may have deleted rows (a cascade, a WHERE that names no key)."""
        return self.hidden_columns() is None or any(
            one.kind == "delete" and one.outcome in _DID for one in self.unkeyed
        )

    @property
    def may_hide_rows_come(self) -> bool:
        """Say whether a write without a key may have made any number of rows (INSERT … SELECT)."""
        is_any = (one.kind == "insert" and not one.values and one.outcome in _DID for one in self.unkeyed)
        return self.hidden_columns() is None or any(is_any)


def by_table(frame: pandas.DataFrame) -> dict[str, pandas.DataFrame]:
    """Return the frame of `RowWritten` by table."""
    if frame.empty:
        return {}
    return {str(name): part for name, part in frame.groupby("table", sort=False)}


def of_table(frame: pandas.DataFrame | None, key: Sequence[str]) -> Writes:
    """Return the writes of a table whose rows are told by `key`."""
    keyed: dict[Key, list[Write]] = {}
    unkeyed: list[Write] = []
    for named, write in _writes(frame):
        if key and named is not None and set(named) == set(key) and None not in named.values():
            keyed.setdefault(tuple(str(named[name]) for name in key), []).append(write)
        else:
            unkeyed.append(write)
    return Writes(keyed, unkeyed)


def _writes(frame: pandas.DataFrame | None) -> Iterator[tuple[dict[str, Any] | None, Write]]:
    if frame is None:
        return
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    for row in rows:
        deltas = json.loads(row["deltas"])
        write = Write(
            sent_ns=int(row["at_ns"]),
            done_ns=int(row["done_ns"]),
            number=int(row["number"]),
            outcome=Outcome(row["outcome"]),
            kind=row["kind"],
            values=json.loads(row["values"]),
            unclear=frozenset(json.loads(row["unclear"])) | {name for name, amount in deltas.items() if amount is None},
            deltas={name: amount for name, amount in deltas.items() if amount is not None},
            call=str(row.get("call", "")),
        )
        if write.outcome != Outcome.MISSED:
            yield (json.loads(row["key"]) if isinstance(row["key"], str) else None), write
