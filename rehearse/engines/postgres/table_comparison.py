"""One table before and after, compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg import Connection, sql

from rehearse.engines import _writes
from rehearse.engines._expected import Judged, Write, judge, texts
from rehearse.engines.postgres import cells, streams
from rehearse.engines.postgres.hidden import Others
from rehearse.engines.postgres.pairing import Pairing
from rehearse.engines.postgres.traces import Verified, nulls_filled
from rehearse.events import Outcome
from rehearse.model import ColumnDifference, Example, TableComparison, TableState

if TYPE_CHECKING:
    import pandas

_SLICE = 2_000_000  # rows in memory at a time: larger tables are streamed in several passes, by number modulo
_BATCH = 200_000  # rows whose columns are compared at a time
_KEYS = 5_000  # written rows that are fetched at a time
_NOTHING: streams.Numbers = np.empty(0, dtype=np.int64)
_UNEXPECTED = 2_000  # rows that nobody made which are looked at for refused values


@dataclass(slots=True)
class Tally:
    """What is found, column by column, while a table is compared."""

    changed: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def add(self, column: str, *, changed: int, lost: int, filled: int) -> None:
        """Count differing values of a column: in all, of them those that are NULL now, and those that were NULL."""
        self.changed[column] = self.changed.get(column, 0) + changed
        self.lost[column] = self.lost.get(column, 0) + lost
        self.filled[column] = self.filled.get(column, 0) + filled

    def show(self, column: str, example: Example, limit: int) -> None:
        """Keep an example while there is room."""
        kept = self.examples.setdefault(column, [])
        if len(kept) < limit:
            kept.append(example)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A table on both sides, and the connections to read it by."""

    old: Connection[Any]
    new: Connection[Any]
    pairing: Pairing
    before: TableState
    after: TableState
    limit: int
    known: frozenset[tuple[int, str]] = frozenset()  # writes (call, key) that were lost before
    others: Others = field(default_factory=Others)  # triggers that may have written here on behalf of calls

    def compare(self, frame: pandas.DataFrame | None) -> TableComparison:
        """Return what differs, and which writes left another trace than they should."""
        writes = _writes.of_table(frame, self.pairing.key)
        tally, reasons = Tally(), list(_unmeasured(self.pairing, writes))
        verified = self._verify(writes, tally)
        told = verified.lost()
        missing, unexpected, lost, phantoms = self._untouched(writes, verified, tally, reasons)
        columns, unmeasured = tuple(self._columns(tally, writes, reasons)), self._hidden(tally, writes)
        if self.others.only_add:
            if unexpected:
                reasons.append(f"{unexpected:,} rows came that {self._by} may have added for the calls")
            unexpected = 0
        elif self.others.triggers and (missing or unexpected or columns):
            reasons.append(f"rows and values differ that {self._by} may have written for the calls: not counted")
            missing, unexpected, columns, unmeasured = None, None, (), sorted(tally.changed)
        return TableComparison(
            table=self.before.table,
            rows_before=self.before.rows,
            rows_after=self.after.rows,
            rows_missing=missing,
            rows_unexpected=unexpected,
            columns=columns,
            columns_gone=tuple(sorted(self.pairing.older.columns.keys() - self.pairing.newer.columns.keys())),
            columns_new=tuple(sorted(self.pairing.newer.columns.keys() - self.pairing.older.columns.keys())),
            columns_unmeasured=tuple(unmeasured),
            writes_checked=sum(map(len, writes.keyed.values())) + len(writes.unkeyed_inserts(Outcome.OK)),
            writes_untold=len(writes.untold()),
            wrong_writes=tuple(islice(verified.wrong_writes(self.before.table, self.known), self.limit)),
            lost_writes=len(told) + lost,
            lost=told,
            nulls_filled=nulls_filled(told),
            phantom_writes=verified.count("phantom") + phantoms,
            unmeasured=tuple(reasons),
        )

    @property
    def _by(self) -> str:
        return ", ".join(self.others.triggers)

    # --- rows that calls wrote

    def _verify(self, writes: _writes.Writes, tally: Tally) -> Verified:
        verified = Verified()
        keyed = self._readable(writes.keyed)
        readings = cells.readings(
            self.old, self.pairing, texts((one for some in keyed.values() for one in some), self._judged())
        )
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
        """Return the writes by their keys as the server writes them: '007' and '7' are one integer key."""
        forms = [
            cells.readable(self.old, self.pairing, name, (key[place] for key in keyed))
            for place, name in enumerate(self.pairing.key)
        ]
        found: dict[_writes.Key, list[Write]] = {}
        for key, some in keyed.items():
            if all(text in form for text, form in zip(key, forms, strict=True)):
                found.setdefault(tuple(form[text] for text, form in zip(key, forms, strict=True)), []).extend(some)
        return found

    def _judged(self) -> tuple[str, ...]:
        """Return the columns whose cells a write determines; generated ones follow from others."""
        both = (self.pairing.older.columns, self.pairing.newer.columns)
        return tuple(
            name
            for name in self.pairing.columns
            if name not in self.pairing.key and not any(side[name].is_generated for side in both)
        )

    def _row(
        self,
        key: _writes.Key,
        writes: list[Write],
        old: tuple[int, dict[str, str | None]] | None,
        new: tuple[int, dict[str, str | None]] | None,
        *,
        readings: cells.Readings,
        verified: Verified,
        tally: Tally,
    ) -> None:
        verified.numbers.update(one[0] for one in (old, new) if one)
        before, after = old[1] if old else None, new[1] if new else None
        found: Judged = judge(writes, before, after, columns=self._judged(), readings=readings)
        verified.wrong.extend(found.wrong)
        verified.keys.extend([_key_text(self.pairing, key)] * len(found.wrong))
        verified.missing += found.is_missing
        verified.unexpected += found.is_unexpected
        for name in found.changed:
            was, now = (before or {}).get(name), (after or {}).get(name)
            tally.add(
                name,
                changed=1,
                lost=int(now is None and was is not None),
                filled=int(was is None and now is not None),
            )
            tally.show(name, Example(key=_key_text(self.pairing, key), before=was, after=now), self.limit)

    # --- rows that no call named

    def _untouched(
        self, writes: _writes.Writes, verified: Verified, tally: Tally, reasons: list[str]
    ) -> tuple[int | None, int | None, int, int]:
        """Return rows missing and unexpected, and the writes without a key that are lost or phantoms."""
        if not self.pairing.columns:
            return None, None, 0, 0
        if not self.pairing.key:
            old, new = (streams.read(*self._stream(side), rows=state.rows) for side, state in self._sides())
            gone, come = streams.multiset(old, new)
            return self._counted(gone, come, writes, reasons, strangers=_NOTHING, verified=verified)
        if self.pairing.has_equal_sums(self.before, self.after):
            return self._counted(0, 0, writes, reasons, strangers=_NOTHING, verified=verified)
        lost, strange = 0, [_NOTHING]
        touched = np.array(sorted(verified.numbers), dtype=np.int64)
        passes = max(1, -(-max(self.before.rows, self.after.rows) // _SLICE))
        for part in range(passes):
            rows = self._difference(part, passes)
            lost += int((~np.isin(rows.missing, touched)).sum())
            strange.append(rows.unexpected[~np.isin(rows.unexpected, touched)])
            self._changed_columns(rows.changed[~np.isin(rows.changed, touched)], tally)
        strangers = np.sort(np.concatenate(strange))
        return self._counted(lost, len(strangers), writes, reasons, strangers=strangers, verified=verified)

    def _sides(self) -> Iterator[tuple[Any, TableState]]:
        yield (self.old, self.pairing.older), self.before
        yield (self.new, self.pairing.newer), self.after

    def _stream(self, side: tuple[Connection[Any], Any]) -> tuple[Connection[Any], sql.Composed, int]:
        connection, table = side
        query = sql.SQL("select {}, 0::int8 from {}").format(self.pairing.number(table), table.source)
        return connection, query, 2

    def _difference(self, part: int, passes: int) -> streams.Rows:
        found = []
        for (connection, table), state in self._sides():
            number = self.pairing.number(table)
            query = sql.SQL("select {}, {} from {}").format(number, self.pairing.row(table), table.source)
            if passes > 1:
                query += sql.SQL(" where abs({} % {}) = {}").format(number, sql.Literal(passes), sql.Literal(part))
            found.append(streams.read(connection, query, 2, rows=state.rows // passes))
        return streams.difference(*found)

    def _changed_columns(self, numbers: streams.Numbers, tally: Tally) -> None:
        """Count, in rows that differ, the values of each column that do."""
        names = [
            name for name in self.pairing.columns if not self.pairing.has_equal_column(name, self.before, self.after)
        ]
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            old, new = (self._cells(side, batch, names) for side, _ in self._sides())
            shown: set[int] = set()
            for place, name in enumerate(names, start=1):
                is_changed = old[place] != new[place]
                if is_changed.any():
                    tally.add(
                        name,
                        changed=int(is_changed.sum()),
                        lost=int((is_changed & (new[place] == 0)).sum()),
                        filled=int((is_changed & (old[place] == 0)).sum()),
                    )
                    room = self.limit - len(tally.examples.get(name, []))
                    shown.update(old[0, is_changed][: max(room, 0)].tolist())
            self._show(np.array(sorted(shown), dtype=np.int64), names, tally)

    def _cells(self, side: Any, numbers: streams.Numbers, names: list[str]) -> streams.Numbers:
        connection, table = side
        number = self.pairing.number(table)
        asked = sql.SQL(", ").join([number, *(self.pairing.cell(table, name) for name in names)])
        query = sql.SQL("select {} from {} where {}").format(asked, table.source, streams.chosen(number, numbers))
        found = streams.read(connection, query, len(names) + 1, rows=len(numbers))
        found = found[:, np.isin(found[0], numbers)]
        _, first = np.unique(found[0], return_index=True)  # sorted, and of doubled rows the first
        return found[:, first]

    def _show(self, numbers: streams.Numbers, names: Iterable[str], tally: Tally) -> None:
        old, new = (
            cells.by_number(connection, self.pairing, table, numbers, limit=max(len(numbers), 1))
            for (connection, table), _ in self._sides()
        )
        for number in sorted(old.keys() & new.keys()):
            key = _key_text(self.pairing, tuple(str(old[number][name]) for name in self.pairing.key))
            for name in names:
                was, now = old[number][name], new[number][name]
                if was != now:
                    tally.show(name, Example(key=key, before=was, after=now), self.limit)

    # --- what writes without a key explain

    def _counted(
        self,
        gone: int,
        come: int,
        writes: _writes.Writes,
        reasons: list[str],
        *,
        strangers: streams.Numbers,
        verified: Verified,
    ) -> tuple[int | None, int | None, int, int]:
        sure, open_ = (writes.unkeyed_inserts(outcome) for outcome in (Outcome.OK, Outcome.UNKNOWN))
        missing: int | None = gone + verified.missing
        if not self.pairing.key and (gone or come) and writes.may_hide_rows_changed:
            reasons.append(f"{gone:,} rows are gone and {come:,} came, and calls may have changed rows without a key")
            return None, None, 0, 0
        if gone and writes.may_hide_rows_gone:
            missing = None
            reasons.append(f"{gone:,} rows are gone, and calls may have deleted rows without telling which")
        if come and writes.may_hide_rows_come:
            reasons.append(f"{come:,} rows came, and calls may have made rows without telling which")
            return missing, None, 0, 0
        lost = 0 if writes.may_hide_rows_gone else max(0, len(sure) - come)
        left = max(0, come - len(sure) - len(open_))
        phantoms = min(left, self._refused(writes, strangers)) if left else 0
        return missing, left - phantoms + verified.unexpected, lost, phantoms

    def _refused(self, writes: _writes.Writes, strangers: streams.Numbers) -> int:
        """Return how many of the rows that nobody made hold the values of an insertion that was refused."""
        refused = writes.unkeyed_inserts(Outcome.FAILED)
        if not refused or not len(strangers):
            return 0
        did = [*writes.unkeyed_inserts(Outcome.OK), *writes.unkeyed_inserts(Outcome.UNKNOWN)]
        readings = cells.readings(self.old, self.pairing, texts([*refused, *did], self.pairing.columns))
        rows = cells.by_number(self.new, self.pairing, self.pairing.newer, strangers, limit=_UNEXPECTED)
        return sum(_holds_any(row, refused, readings) and not _holds_any(row, did, readings) for row in rows.values())

    def _hidden(self, tally: Tally, writes: _writes.Writes) -> list[str]:
        """Return the columns that differ and that a write without a key may have changed."""
        hidden = writes.hidden_columns()
        return [name for name in sorted(tally.changed) if hidden is None or name in hidden]

    def _columns(self, tally: Tally, writes: _writes.Writes, reasons: list[str]) -> Iterator[ColumnDifference]:
        """Yield the columns that differ, but for those that a write without a key may have changed."""
        hidden = self._hidden(tally, writes)
        for name in sorted(tally.changed):
            if name in hidden:
                count = tally.changed[name]
                reasons.append(f"{count:,} values of {name} differ, and calls wrote it without telling in which rows")
            else:
                yield ColumnDifference(
                    column=name,
                    values_changed=tally.changed[name],
                    values_lost=tally.lost[name],
                    values_filled=tally.filled[name],
                    examples=tuple(tally.examples.get(name, ())),
                )


def alone(
    name: str, before: TableState | None, after: TableState | None, frame: pandas.DataFrame | None
) -> TableComparison:
    """Return the comparison of a table that only one side has: its rows are counted, and writes to it not verified."""
    written = 0 if frame is None else len(frame)
    reasons = [f"the table is there only {'before' if after is None else 'after'}, so its rows were not compared"]
    if written:
        reasons.append(f"{written:,} writes to it were not verified")
    return TableComparison(
        table=name,
        rows_before=None if before is None else before.rows,
        rows_after=None if after is None else after.rows,
        rows_missing=None,
        rows_unexpected=None,
        lost=(),
        unmeasured=tuple(reasons),
    )


def _unmeasured(pairing: Pairing, writes: _writes.Writes) -> Iterator[str]:
    """Yield in words what cannot be compared."""
    if not pairing.key:
        yield "no key is shared, so a changed row counts as one missing and one unexpected"
    gone = pairing.older.columns.keys() | pairing.newer.columns.keys()
    gone -= set(pairing.columns)
    everyone = [one for some in writes.keyed.values() for one in some] + writes.unkeyed
    for name in sorted(gone):
        count = sum(name in one.values or name in one.deltas for one in everyone if one.outcome == Outcome.OK)
        if count:
            yield f"{count:,} writes to column {name}, which only one side has, were not verified"
    hidden = [one for one in writes.unkeyed if one.outcome == Outcome.OK and one.kind != "insert"]
    if hidden:
        yield f"{len(hidden):,} updates or deletions did not tell their rows and were not verified"


def _holds_any(row: Mapping[str, str | None], writes: Iterable[Write], readings: cells.Readings) -> bool:
    return any(
        all(
            row.get(name) is None if text is None else row.get(name) in readings.get((name, text), ())
            for name, text in one.values.items()
            if name in row
        )
        for one in writes
    )


def _key_text(pairing: Pairing, key: _writes.Key) -> str:
    if len(key) == 1:
        return key[0]
    return ", ".join(f"{name} = {text}" for name, text in zip(pairing.key, key, strict=True))
