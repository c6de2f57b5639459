"""One table before and after, compared: the judgement is every engine's, here stands how rows are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rehearse.engines import _writes
from rehearse.engines._expected import Write, texts
from rehearse.engines.mysql import cells, images
from rehearse.engines.postgres import table_comparison as common
from rehearse.engines.postgres.tallies import NOTHING, SOME, Strangers, Tally
from rehearse.engines.postgres.traces import Verified
from rehearse.events import Outcome
from rehearse.model import Example

_SLICE = 4_000_000  # rows of a side in memory at a time
_KEYS = 5_000  # written rows that are fetched at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(common.Work):
    """A table on both sides, and the connections to read it by."""

    old: Any
    new: Any
    pairing: Any

    def _values_gone(self, names: tuple[str, ...], verified: Verified) -> dict[str, int]:
        return cells.counts(self.old, self.pairing, self.pairing.older, names, without=sorted(verified.deleted))

    def _verify(self, writes: _writes.Writes, tally: Tally) -> Verified:
        verified = Verified()
        keyed = self._readable(writes.keyed)
        written = texts((one for some in keyed.values() for one in some), self._judged())
        readings = cells.readings(self.old, self.pairing, written)
        keys = list(keyed)
        for start in range(0, len(keys), _KEYS):
            batch = keys[start : start + _KEYS]
            olds = cells.by_key(self.old, self.pairing, self.pairing.older, batch)
            news = cells.by_key(self.new, self.pairing, self.pairing.newer, batch)
            for key in batch:
                self._row(
                    key, keyed[key], olds.get(key), news.get(key), readings=readings, verified=verified, tally=tally
                )
        return verified

    def _readable(self, keyed: Mapping[_writes.Key, list[Write]]) -> dict[_writes.Key, list[Write]]:
        """Return the writes by key; texts that the server holds for one key ('007' and '7', 'a' and 'A') are one."""
        forms = [
            cells.readable(self.old, self.pairing, name, (key[place] for key in keyed))
            for place, name in enumerate(self.pairing.key)
        ]
        found: dict[_writes.Key, tuple[_writes.Key, list[Write]]] = {}
        for key, some in keyed.items():
            if all(text in form for text, form in zip(key, forms, strict=True)):
                one = tuple(form[text] for text, form in zip(key, forms, strict=True))
                found.setdefault(one, (key, []))[1].extend(some)
        return dict(found.values())

    def _parts(self) -> Sequence[Any]:
        """Return what is to be read at a time: which of how many parts, by number."""
        count = 1 + max(self.before.rows, self.after.rows) // _SLICE
        return [(at, count) for at in range(count)]

    def _read(self, part: Any) -> list[cells.Numbers]:
        with ThreadPoolExecutor(2) as both:
            return list(both.map(partial(self._packed, part=part), self._sides()))

    def _packed(self, side: Any, *, part: tuple[int, int]) -> cells.Numbers:
        connection, table = side
        asked = [self.pairing.number(table)]
        if self.pairing.key:  # else the number is the row's hash
            asked.append(self.pairing.row(table))
        at, count = part
        condition = f" WHERE CONV(RIGHT({asked[0]}, 8), 16, 10) % {count} = {at}" if count > 1 else ""
        return cells.packed(connection, asked, f"{table.source}{condition}")

    def _cells(self, side: Any, numbers: cells.Numbers, names: list[str]) -> cells.Numbers:
        connection, table = side
        asked = [self.pairing.number(table), *(self.pairing.cell(table, name) for name in names)]
        condition = self.pairing.chosen(table, numbers.tolist())
        found = cells.packed(connection, asked, f"{table.source} WHERE {condition}")
        found = found[:, np.isin(found[0], numbers)]
        _, first = np.unique(found[0], return_index=True)  # sorted, and of doubled rows the first
        return found[:, first]

    def _show(self, numbers: cells.Numbers, names: Any, tally: Tally) -> None:
        sides: Any = self._sides()
        old, new = (
            cells.by_number(connection, self.pairing, table, numbers, limit=max(len(numbers), 1))
            for connection, table in sides
        )
        for number in sorted(old.keys() & new.keys()):
            key = common._row_text(self.pairing, old[number])
            for name in names:
                was, now = old[number][name], new[number][name]
                if was != now:
                    tally.show(name, Example(key=key, before=was, after=now), self.limit)

    def _gone(self, verified: Verified, strangers: Strangers | None) -> tuple[str, ...]:
        numbers = strangers.some_gone[: self.limit] if strangers else NOTHING
        found = cells.by_number(self.old, self.pairing, self.pairing.older, numbers, limit=self.limit)
        return self._told(verified.missing, (found[number] for number in sorted(found)))

    def _come(self, verified: Verified, strangers: Strangers | None, writes: _writes.Writes) -> tuple[str, ...]:
        numbers = strangers.some_come if strangers else NOTHING
        found = self._newer_rows(numbers)
        did = [one for outcome in (Outcome.OK, Outcome.UNKNOWN) for one in writes.unkeyed_inserts(outcome)]
        readings = cells.readings(self.old, self.pairing, texts(did, self.pairing.columns))
        nobodys = (found[one] for one in sorted(found) if not common._holds_any(found[one], did, readings))
        return self._told(verified.unexpected, nobodys)

    def _refused(self, writes: _writes.Writes, strangers: cells.Numbers) -> int:
        refused = writes.unkeyed_inserts(Outcome.FAILED)
        if not refused or not len(strangers):
            return 0
        did = [*writes.unkeyed_inserts(Outcome.OK), *writes.unkeyed_inserts(Outcome.UNKNOWN)]
        readings = cells.readings(self.old, self.pairing, texts([*refused, *did], self.pairing.columns))
        return sum(
            common._holds_any(row, refused, readings) and not common._holds_any(row, did, readings)
            for row in self._newer_rows(strangers).values()
        )

    def _newer_rows(self, numbers: cells.Numbers) -> dict[int, cells.Cells]:
        newer: images.Table = self.pairing.newer
        return cells.by_number(self.new, self.pairing, newer, numbers, limit=SOME)
