"""The rows of one table on both sides, as a comparison asks for them; see `_table_rows.Rows`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from rehearse.engines._expected import Readings
from rehearse.engines._numbered import Numbers
from rehearse.engines._table_rows import Cells, Found
from rehearse.engines._writes import Key
from rehearse.engines.mysql import cells, images
from rehearse.engines.mysql.client import Connection
from rehearse.engines.mysql.pairing import Pairing

_SLICE = 4_000_000  # rows of a side in memory at a time

_Side = tuple[Connection, images.Table]
_Part = tuple[int, int]  # which, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlRows:
    """A table's rows, and the connections to read them by."""

    old: Connection
    new: Connection
    pairing: Pairing

    def values_gone(self, names: tuple[str, ...], without: Sequence[int]) -> dict[str, int]:
        """Count the values of columns that are gone."""
        return cells.counts(self.old, self.pairing, self.pairing.older, names, without=without)

    def known(self, keys: Iterable[Key]) -> Mapping[Key, Key]:
        """Return for each key the first that the server holds for the same ('007' and '7', 'a' and 'A')."""
        given = list(keys)
        forms = [
            cells.readable(self.old, self.pairing, name, (key[place] for key in given))
            for place, name in enumerate(self.pairing.key)
        ]
        first: dict[Key, Key] = {}
        return {
            key: first.setdefault(tuple(form[text] for text, form in zip(key, forms, strict=True)), key)
            for key in given
            if all(text in form for text, form in zip(key, forms, strict=True))
        }

    def readings(self, written: Iterable[tuple[str, str]]) -> Readings:
        """Read texts as the columns' types."""
        return cells.readings(self.old, self.pairing, written)

    def by_key(self, keys: Sequence[Key]) -> tuple[Found, Found]:
        """Return rows by their keys."""
        older = cells.by_key(self.old, self.pairing, self.pairing.older, keys)
        return older, cells.by_key(self.new, self.pairing, self.pairing.newer, keys)

    def older_rows(self, numbers: Numbers, *, limit: int) -> dict[int, Cells]:
        """Return older rows by their numbers."""
        return cells.by_number(self.old, self.pairing, self.pairing.older, numbers, limit=limit)

    def newer_rows(self, numbers: Numbers, *, limit: int) -> dict[int, Cells]:
        """Return newer rows by their numbers."""
        return cells.by_number(self.new, self.pairing, self.pairing.newer, numbers, limit=limit)

    def shown(self, numbers: Numbers) -> tuple[dict[int, Cells], dict[int, Cells]]:
        """Return rows by their numbers."""
        limit = max(len(numbers), 1)
        return self.older_rows(numbers, limit=limit), self.newer_rows(numbers, limit=limit)

    def parts(self, rows: int) -> Sequence[_Part]:
        """Return which of how many parts are to be read, by the rows' numbers."""
        count = 1 + rows // _SLICE
        return [(at, count) for at in range(count)]

    def read(self, part: _Part) -> list[Numbers]:
        """Fetch a part of both sides."""
        with ThreadPoolExecutor(2) as both:
            return list(both.map(partial(self._packed, part=part), self._sides()))

    def cells(self, numbers: Numbers, names: Sequence[str]) -> list[Numbers]:
        """Fetch the hashes of cells of both sides."""
        with ThreadPoolExecutor(2) as both:
            return list(both.map(partial(self._cells, numbers=numbers, names=names), self._sides()))

    def _sides(self) -> tuple[_Side, _Side]:
        return (self.old, self.pairing.older), (self.new, self.pairing.newer)

    def _packed(self, side: _Side, *, part: _Part) -> Numbers:
        connection, table = side
        asked = [self.pairing.number(table)]
        if self.pairing.key:  # else the number is the row's hash
            asked.append(self.pairing.row(table))
        at, count = part
        condition = f" WHERE CONV(RIGHT({asked[0]}, 8), 16, 10) % {count} = {at}" if count > 1 else ""
        return cells.packed(connection, asked, f"{table.source}{condition}")

    def _cells(self, side: _Side, numbers: Numbers, names: Sequence[str]) -> Numbers:
        connection, table = side
        asked = [self.pairing.number(table), *(self.pairing.cell(table, name) for name in names)]
        condition = self.pairing.chosen(table, numbers.tolist())
        found = cells.packed(connection, asked, f"{table.source} WHERE {condition}")
        found = found[:, np.isin(found[0], numbers)]
        _, first = np.unique(found[0], return_index=True)  # sorted, and of doubled rows the first
        return found[:, first]
