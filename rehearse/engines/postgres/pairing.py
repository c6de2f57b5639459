"""One table on both sides of a comparison: the columns and key they share, and SQL to compare by."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from psycopg import sql

from rehearse.engines.postgres import images
from rehearse.model import TableState

_NO_KEY = -(2**63) + 1  # the number of rows whose key is NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A table before and after. `key` and `columns` are there on both sides; columns in the order of their names.

    With `is_recoded` the two databases keep texts in different encodings, so that texts are hashed in UTF-8.
    """

    older: images.Table
    newer: images.Table
    key: tuple[str, ...]
    columns: tuple[str, ...]
    is_recoded: bool = False

    @property
    def sides(self) -> tuple[images.Table, images.Table]:
        """The older table, then the newer."""
        return self.older, self.newer

    @property
    def is_numbered(self) -> bool:
        """Say whether a row's number is its integer key."""
        return len(self.key) == 1 and all(one.columns[self.key[0]].base in images.INTEGERS for one in self.sides)

    def number(self, side: images.Table) -> sql.Composed:
        """Return SQL for the 64-bit number of a row: its integer key, or a hash of its key (else of the row)."""
        if self.is_numbered:
            return self._sure(side, sql.SQL("{}::int8").format(sql.Identifier(self.key[0])))
        if len(self.key) == 1 and self.is_same_type(self.key[0]) and not self.is_recoded:
            return self._sure(side, images.hashed(side.columns[self.key[0]], sql.SQL("0::int8")))
        return self._hash(side, self.key or self.columns, sql.SQL("0"))

    def place(self, side: images.Table) -> sql.Composed:
        """Return SQL for what rows are found by in an index: the integer key itself, else their number."""
        if self.is_numbered and self._is_sure(side):
            return sql.Composed([sql.Identifier(self.key[0])])
        return self.number(side)

    def row(self, side: images.Table) -> sql.Composed:
        """Return SQL for the hash of what both sides have of a row, keyed by the row's number."""
        columns = tuple(name for name in self.columns if not (self.is_numbered and name in self.key))
        return self._hash(side, columns, self.number(side)) if columns else self.number(side)

    def _is_sure(self, side: images.Table) -> bool:
        """Say whether a side holds the key to be unique and never NULL; the newer one may not any more."""
        return any(set(known) == set(self.key) for known in side.keys)

    def _sure(self, side: images.Table, number: sql.Composed) -> sql.Composed:
        return number if self._is_sure(side) else sql.SQL("coalesce({}, {})").format(number, sql.Literal(_NO_KEY))

    def _hash(self, side: images.Table, columns: tuple[str, ...], seed: sql.Composable) -> sql.Composed:
        parts = sql.SQL(", ").join(self._image(side, name) for name in columns)
        return sql.SQL("hash_record_extended(row({}), {})").format(parts, seed)

    def _image(self, side: images.Table, name: str) -> sql.Composed:
        if not self.is_same_type(name) or self._may_hold_text(name):
            return self._encoded(self.text(side, name))
        return images.image(side.columns[name])

    def _may_hold_text(self, name: str) -> bool:
        return self.is_recoded and self.older.columns[name].base not in images.CODELESS

    def _encoded(self, text: sql.Composed) -> sql.Composed:
        return sql.SQL("convert_to({}, 'UTF8')").format(text) if self.is_recoded else text

    def is_same_type(self, name: str) -> bool:
        """Say whether a column has one type on both sides, below its domains too."""
        one, other = self.older.columns[name], self.newer.columns[name]
        return (one.type, one.base) == (other.type, other.base)

    def cell(self, side: images.Table, name: str) -> sql.Composed:
        """Return SQL for the hash of a value, 0 for NULL."""
        if self.is_same_type(name) and not self._may_hold_text(name):
            value = images.hashed(side.columns[name], sql.SQL("0::int8"))
        elif self.is_recoded:
            image = self._image(side, name)
            value = sql.SQL("case when {} is not null then hash_record_extended(row({}), 0) end").format(image, image)
        else:
            value = sql.SQL('hashtextextended({} collate "C", 0)').format(self.text(side, name))
        return sql.SQL("coalesce({}, 0)").format(value)

    def text(self, side: images.Table, name: str) -> sql.Composed:
        """Return SQL for a value as text; texts of the two sides are equal only if the values are."""
        forms = images.common(self.older.columns[name], self.newer.columns[name])
        return forms[0] if side is self.older else forms[1]

    def has_equal_sums(self, before: TableState, after: TableState) -> bool:
        """Say whether the snapshots' checksums already prove that nothing differs in what both sides have."""
        is_keyed_alike = before.key == after.key == self.key and all(map(self.is_same_type, self.key))
        return (
            bool(self.key)
            and is_keyed_alike
            and before.rows == after.rows
            and all(self.is_same_type(name) and _is_equal(name, before, after) for name in self.columns)
        )

    def has_equal_column(self, name: str, before: TableState, after: TableState) -> bool:
        """Say whether a column's checksums prove that none of its values differ."""
        is_keyed_alike = before.key == after.key == self.key and all(map(self.is_same_type, self.key))
        return is_keyed_alike and bool(self.key) and self.is_same_type(name) and _is_equal(name, before, after)


def _is_equal(name: str, before: TableState, after: TableState) -> bool:
    return before.columns.get(name) is not None and before.columns.get(name) == after.columns.get(name)


def pair(
    older: images.Table, newer: images.Table, known: Container[str] | None = None, *, is_recoded: bool = False
) -> Pairing:
    """Return what two states of a table share; the key is the older one's as long as the newer has its columns.

    `known` are the columns whose values must not differ (None: all). Another one identifies no row, since the way
    forward may give it other values each time (a fresh uuid), and rows that only content identifies are told by these.
    """
    shared = tuple(name for name in older.columns if name in newer.columns)
    sure = shared if known is None else tuple(name for name in shared if name in known)
    usable = [key for key in older.keys if set(key) <= set(sure)]
    both = [key for key in usable if {frozenset(key)} & {frozenset(other) for other in newer.keys}]
    key = next(iter(both or usable), ())
    return Pairing(older=older, newer=newer, key=key, columns=shared if key else sure, is_recoded=is_recoded)
