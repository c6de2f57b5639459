"""One table on both sides of a comparison: the columns and key they share, and SQL to compare by."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from rehearse.engines.mysql import images
from rehearse.engines.mysql.client import listed, named
from rehearse.model import TableState

_WHOLE = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A table before and after. `key` and `columns` are there on both sides; columns in the order of their names."""

    older: images.Table
    newer: images.Table
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def sides(self) -> tuple[images.Table, images.Table]:
        """The older table, then the newer."""
        return self.older, self.newer

    @property
    def is_numbered(self) -> bool:
        """Say whether a row's number is its integer key."""
        whole = len(self.key) == 1 and all(one.columns[self.key[0]].base in images.INTEGERS for one in self.sides)
        return whole and all(any(set(known) == set(self.key) for known in one.keys) for one in self.sides)

    def text(self, side: images.Table, name: str) -> str:
        """Return SQL for a value as text; texts of the two sides are equal only if the values are."""
        forms = images.common(self.older.columns[name], self.newer.columns[name])
        return forms[0] if side is self.older else forms[1]

    def image(self, side: images.Table, name: str) -> str:
        """Return SQL for a value's bytes, which are equal on both sides only if the values are."""
        if self.is_same_type(name):
            return side.columns[name].image
        return f"CAST({self.text(side, name)} AS BINARY)"

    def number(self, side: images.Table) -> str:
        """Return SQL for a row's number as 16 hexadecimal digits: its integer key, or a hash of its key (or row)."""
        if self.is_numbered:
            return f"LPAD(HEX({named(self.key[0])}), 16, '0')"
        return self._hash(side, self.key or self.columns)

    def row(self, side: images.Table) -> str:
        """Return SQL for the hash of what both sides have of a row."""
        return self._hash(side, self.columns)

    def cell(self, side: images.Table, name: str) -> str:
        """Return SQL for the hash of a value, zeros for NULL."""
        return f"COALESCE({side.hashed(self.image(side, name))}, '{'0' * 16}')"

    def chosen(self, side: images.Table, numbers: Sequence[int]) -> str:
        """Return the condition for rows with these numbers, which are read as signed."""
        if not numbers:
            return "FALSE"
        if self.is_numbered:
            is_unsigned = "unsigned" in side.columns[self.key[0]].type
            found = [one % _WHOLE if is_unsigned else one for one in numbers]
            return f"{named(self.key[0])} IN ({', '.join(map(str, found))})"
        digits = (f"'{one % _WHOLE:016X}'" for one in numbers)
        return f"{self.number(side)} IN ({', '.join(digits)})"

    def _hash(self, side: images.Table, columns: Sequence[str]) -> str:
        return side.hashed(images.tagged(self.image(side, name) for name in columns))

    def is_same_type(self, name: str) -> bool:
        """Say whether a column has one type on both sides."""
        one, other = self.older.columns[name], self.newer.columns[name]
        return (one.type, one.charset) == (other.type, other.charset)

    def has_equal_sums(self, before: TableState, after: TableState) -> bool:
        """Say whether the snapshots' checksums already prove that nothing differs in what both sides have."""
        is_whole = set(self.columns) == set(before.columns) == set(after.columns)
        is_alike = before.key == after.key == self.key and all(map(self.is_same_type, self.columns))
        return bool(self.key) and is_whole and is_alike and before.is_like(after)

    def has_equal_column(self, _name: str, _before: TableState, _after: TableState) -> bool:
        """Say no: columns have no checksums of their own here."""
        return False

    def selected(self, side: images.Table) -> str:
        """Return SQL for a row's number and the texts of its cells."""
        return ", ".join([self.number(side), *(self.text(side, name) for name in self.columns)])

    @property
    def keyed(self) -> str:
        """The key's columns in SQL."""
        return listed(self.key)


def pair(older: images.Table, newer: images.Table, known: Container[str] | None = None) -> Pairing:
    """Return what two states of a table share; the key is the older one's as long as the newer has its columns.

    `known` are the columns whose values must not differ (None: all). Another one identifies no row, since the way
    forward may give it other values each time, and rows that only content identifies are told by these.
    """
    shared = tuple(name for name in older.columns if name in newer.columns)
    sure = shared if known is None else tuple(name for name in shared if name in known)
    usable = [key for key in older.keys if set(key) <= set(sure)]
    both = [key for key in usable if {frozenset(key)} & {frozenset(other) for other in newer.keys}]
    key = next(iter(both or usable), ())
    return Pairing(older=older, newer=newer, key=key, columns=shared if key else sure)
