"""Which unique key the batches go by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rehearse.backfill.seams import KeyColumn
from rehearse.errors import Mistake, near_miss


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique key whose columns are whole, not null, and ordered as ORDER BY does."""

    index: str
    is_primary: bool
    columns: tuple[KeyColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(one.name for one in self.columns)


def chosen(found: Iterable[UniqueKey], wanted: Sequence[str], table: str) -> UniqueKey:
    """Return the key of the wanted columns, or the primary key where none are wanted."""
    keys = list(found)
    for one in keys:
        if one.is_primary if not wanted else _lower(one.names) == _lower(wanted):
            return one
    known = [",".join(one.names) for one in keys]
    if not wanted:
        raise Mistake(f"table {table} has no primary key; name a unique key, not null, by --key{near_miss('', known)}")
    what = f"table {table} has no unique key, whole and not null, on ({', '.join(wanted)})"
    raise Mistake(what + near_miss(",".join(wanted), known))


def _lower(names: Sequence[str]) -> list[str]:
    return [one.lower() for one in names]
