"""The rows of one table on both sides, as a comparison asks for them; see `_table_rows.Rows`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from psycopg import Connection, sql

from rehearse.engines._numbered import Numbers
from rehearse.engines._table_rows import Cells, Found
from rehearse.engines._writes import Key
from rehearse.engines.postgres import buckets, cells, images, streams
from rehearse.engines.postgres.abreast import stoppable
from rehearse.engines.postgres.pairing import Pairing

SLICE = 1_000_000  # rows of a side in memory at a time: of larger tables only buckets that differ are streamed
_WIDTH = 20_000  # characters of a value that is shown

_Side = tuple[Connection[Any], images.Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresRows:
    """A table's rows, and the connections to read them by."""

    old: Connection[Any]
    new: Connection[Any]
    pairing: Pairing
    differing: Sequence[buckets.Part] | None = None  # the parts that may differ, where that is known already

    def values_gone(self, names: tuple[str, ...], without: Sequence[int]) -> dict[str, int]:
        """Count the values of columns that are gone."""
        deleted = np.array(without, dtype=np.int64)
        return cells.counts(self.old, self.pairing, self.pairing.older, names, without=deleted)

    def known(self, keys: Iterable[Key]) -> Mapping[Key, Key]:
        """Return keys as the server writes them: '007' and '7' are one integer key."""
        given = list(keys)
        forms = [
            cells.readable(self.old, self.pairing, name, (key[place] for key in given))
            for place, name in enumerate(self.pairing.key)
        ]
        return {
            key: tuple(form[text] for text, form in zip(key, forms, strict=True))
            for key in given
            if all(text in form for text, form in zip(key, forms, strict=True))
        }

    def readings(self, written: Iterable[tuple[str, str]]) -> cells.Readings:
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
        """Return rows by their numbers, of each value its beginning."""
        old, new = (
            cells.by_number(connection, self.pairing, table, numbers, limit=max(len(numbers), 1), width=_WIDTH)
            for connection, table in self._sides()
        )
        return old, new

    def parts(self, rows: int) -> Sequence[buckets.Part]:
        """Return what is to be streamed: a small table whole, of a large one what differs, or what is known to."""
        if self.differing is not None:
            return self.differing
        if rows <= SLICE:
            return buckets.whole(rows)
        return buckets.counted([self.old], [self.new], self.pairing, rows=rows, limit=SLICE).parts

    def read(self, part: buckets.Part) -> list[Numbers]:
        """Stream a part of both sides."""
        with stoppable((self.old, self.new), 2) as both:
            return list(both.map(self._stream, self._sides(), (part.older, part.newer)))

    def cells(self, numbers: Numbers, names: Sequence[str]) -> list[Numbers]:
        """Stream the hashes of cells of both sides."""
        with stoppable((self.old, self.new), 2) as both:
            return list(both.map(partial(self._cells, numbers=numbers, names=names), self._sides()))

    def _sides(self) -> tuple[_Side, _Side]:
        return (self.old, self.pairing.older), (self.new, self.pairing.newer)

    def _stream(self, side: _Side, condition: sql.Composable) -> Numbers:
        connection, table = side
        asked: list[sql.Composable] = [self.pairing.number(table)]
        if self.pairing.key:  # else the number is the row's hash
            asked.append(self.pairing.row(table))
        return streams.read(connection, asked, _where(table, condition))

    def _cells(self, side: _Side, numbers: Numbers, names: Sequence[str]) -> Numbers:
        connection, table = side
        asked = [self.pairing.number(table), *(self.pairing.cell(table, name) for name in names)]
        condition = streams.chosen(self.pairing.place(table), numbers)
        found = streams.read(connection, asked, _where(table, condition))
        found = found[:, np.isin(found[0], numbers)]
        _, first = np.unique(found[0], return_index=True)  # sorted, and of doubled rows the first
        return found[:, first]


def _where(table: images.Table, condition: sql.Composable) -> sql.Composed:
    return sql.SQL("{} where {}").format(table.source, condition)
