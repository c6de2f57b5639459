"""One table before and after, compared: what differs, and which writes left another trace than they should.

How rows are asked for is the engine's; see `_table_rows.Rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from rehearse.engines import _numbered, _writes
from rehearse.engines._expected import Judged, Readings, Write, judge, texts
from rehearse.engines._hidden import Others
from rehearse.engines._numbered import Numbers
from rehearse.engines._table_rows import Pairing, Rows
from rehearse.engines._tallies import NOTHING, SOME, Strangers, Tally
from rehearse.engines._traces import Verified, nulls_filled
from rehearse.events import Outcome
from rehearse.model import ColumnDifference, Example, TableComparison, TableState

if TYPE_CHECKING:
    import pandas

_BATCH = 200_000  # rows whose columns are compared at a time
_KEYS = 5_000  # written rows that are fetched at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A table on both sides, what is known of it, and how much of what differs is shown."""

    rows: Rows
    before: TableState
    after: TableState
    limit: int
    known: frozenset[tuple[int, str]] = frozenset()  # writes (call, key) that were lost before
    others: Others = field(default_factory=Others)  # triggers that may have written here on behalf of calls

    @property
    def pairing(self) -> Pairing:
        """What both sides share."""
        return self.rows.pairing

    def compare(self, frame: pandas.DataFrame | None) -> TableComparison:
        """Return what differs, and which writes left another trace than they should."""
        writes = _writes.of_table(frame, self.pairing.key)
        tally, reasons = Tally(), list(_unmeasured(self.pairing, writes))
        verified = self._verify(writes, tally)
        told = verified.lost()
        strangers = self._untouched(verified, tally)
        missing, unexpected, lost, phantoms = self._counted(writes, reasons, strangers=strangers, verified=verified)
        columns, unmeasured = tuple(self._columns(tally, writes, reasons)), self._hidden(tally, writes)
        gone = tuple(sorted(self.pairing.older.columns.keys() - self.pairing.newer.columns.keys()))
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
            examples_missing=self._gone(verified, strangers) if missing else (),
            examples_unexpected=self._come(verified, strangers, writes) if unexpected else (),
            columns=columns,
            columns_gone=gone,
            values_gone=self.rows.values_gone(gone, sorted(verified.deleted)),
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
        written = texts((one for some in keyed.values() for one in some), self._judged())
        readings = self.rows.readings(written)
        keys = list(keyed)
        for start in range(0, len(keys), _KEYS):
            batch = keys[start : start + _KEYS]
            olds, news = self.rows.by_key(batch)
            for key in batch:
                self._row(
                    key, keyed[key], olds.get(key), news.get(key), readings=readings, verified=verified, tally=tally
                )
        return verified

    def _readable(self, keyed: Mapping[_writes.Key, list[Write]]) -> dict[_writes.Key, list[Write]]:
        """Return the writes by key; texts that the server holds for one key ('007' and '7', 'a' and 'A') are one."""
        known = self.rows.known(keyed)
        found: dict[_writes.Key, list[Write]] = {}
        for key, some in keyed.items():
            if key in known:
                found.setdefault(known[key], []).extend(some)
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
        readings: Readings,
        verified: Verified,
        tally: Tally,
    ) -> None:
        verified.numbers.update(one[0] for one in (old, new) if one)
        before, after = old[1] if old else None, new[1] if new else None
        found: Judged = judge(writes, before, after, columns=self._judged(), readings=readings)
        verified.wrong.extend(found.wrong)
        verified.keys.extend([_key_text(self.pairing, key)] * len(found.wrong))
        if old and new is None and not found.is_missing:
            verified.deleted.add(old[0])
        verified.missing.extend([_key_text(self.pairing, key)] * found.is_missing)
        verified.unexpected.extend([_key_text(self.pairing, key)] * found.is_unexpected)
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

    def _untouched(self, verified: Verified, tally: Tally) -> Strangers | None:
        """Return the rows that one side lacks, None where no column is shared; tally the values that differ."""
        if not self.pairing.columns:
            return None
        if not self.pairing.key:
            return self._strangers()
        if self.pairing.has_equal_sums(self.before, self.after):
            return Strangers()
        found = Strangers()
        touched = np.array(sorted(verified.numbers), dtype=np.int64)
        for part in self._parts():
            rows = _numbered.difference(*self.rows.read(part))
            missing, unexpected, changed = (
                some[~np.isin(some, touched)] for some in (rows.missing, rows.unexpected, rows.changed)
            )
            found.add(missing, unexpected)
            self._changed_columns(changed, tally)
        return found

    def _strangers(self) -> Strangers:
        """Return the rows without a key that one side lacks."""
        found = Strangers()
        for part in self._parts():
            found.add(*_numbered.multiset(*self.rows.read(part)))
        return found

    def _parts(self) -> Sequence[Any]:
        return self.rows.parts(max(self.before.rows, self.after.rows))

    def _changed_columns(self, numbers: Numbers, tally: Tally) -> None:
        """Count, in rows that differ, the values of each column that do."""
        names = [
            name for name in self.pairing.columns if not self.pairing.has_equal_column(name, self.before, self.after)
        ]
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            old, new = self.rows.cells(batch, names)
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

    def _show(self, numbers: Numbers, names: Iterable[str], tally: Tally) -> None:
        old, new = self.rows.shown(numbers)
        for number in sorted(old.keys() & new.keys()):
            key = _row_text(self.pairing, old[number])
            for name in names:
                was, now = old[number][name], new[number][name]
                if was != now:
                    tally.show(name, Example(key=key, before=was, after=now), self.limit)

    def _gone(self, verified: Verified, strangers: Strangers | None) -> tuple[str, ...]:
        """Return the keys of rows that are gone, without a key their content."""
        numbers = strangers.some_gone[: self.limit] if strangers else NOTHING
        rows = self.rows.older_rows(numbers, limit=self.limit)
        return self._told(verified.missing, (rows[number] for number in sorted(rows)))

    def _come(self, verified: Verified, strangers: Strangers | None, writes: _writes.Writes) -> tuple[str, ...]:
        """Return the keys of rows that nobody made, without a key their content; insertions without a key made some."""
        numbers = strangers.some_come if strangers else NOTHING
        rows = self.rows.newer_rows(numbers, limit=SOME)
        did = [one for outcome in (Outcome.OK, Outcome.UNKNOWN) for one in writes.unkeyed_inserts(outcome)]
        readings = self.rows.readings(texts(did, self.pairing.columns))
        nobodys = (rows[one] for one in sorted(rows) if not _holds_any(rows[one], did, readings))
        return self._told(verified.unexpected, nobodys)

    def _told(self, keys: Iterable[str], rows: Iterable[Mapping[str, str | None]]) -> tuple[str, ...]:
        return tuple(islice((*keys, *(_row_text(self.pairing, row) for row in rows)), self.limit))

    # --- what writes without a key explain

    def _counted(
        self, writes: _writes.Writes, reasons: list[str], *, strangers: Strangers | None, verified: Verified
    ) -> tuple[int | None, int | None, int, int]:
        """Return rows missing and unexpected, and the writes without a key that are lost or phantoms."""
        if strangers is None:
            return None, None, 0, 0
        gone, come = strangers.gone, strangers.come
        sure, open_ = (writes.unkeyed_inserts(outcome) for outcome in (Outcome.OK, Outcome.UNKNOWN))
        missing: int | None = gone + len(verified.missing)
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
        phantoms = min(left, self._refused(writes, strangers.some_come)) if left else 0
        return missing, left - phantoms + len(verified.unexpected), lost, phantoms

    def _refused(self, writes: _writes.Writes, strangers: Numbers) -> int:
        """Return how many of the rows that nobody made hold the values of an insertion that was refused."""
        refused = writes.unkeyed_inserts(Outcome.FAILED)
        if not refused or not len(strangers):
            return 0
        did = [*writes.unkeyed_inserts(Outcome.OK), *writes.unkeyed_inserts(Outcome.UNKNOWN)]
        readings = self.rows.readings(texts([*refused, *did], self.pairing.columns))
        rows = self.rows.newer_rows(strangers, limit=SOME)
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
    if not pairing.columns:
        yield "no column is shared, so only the numbers of rows were compared"
    elif not pairing.key:
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


def _holds_any(row: Mapping[str, str | None], writes: Iterable[Write], readings: Readings) -> bool:
    return any(
        all(
            row.get(name) is None if text is None else row.get(name) in readings.get((name, text), ())
            for name, text in one.values.items()
            if name in row
        )
        for one in writes
    )


def _row_text(pairing: Pairing, row: Mapping[str, str | None]) -> str:
    """Return a row's key in words, or in parentheses all of it where it has none."""
    if pairing.key:
        return _key_text(pairing, tuple(str(row[name]) for name in pairing.key))
    whole = ", ".join(f"{name} = {'NULL' if text is None else text}" for name, text in row.items())
    return f"({whole})"


def _key_text(pairing: Pairing, key: _writes.Key) -> str:
    if len(key) == 1:
        return key[0]
    return ", ".join(f"{name} = {text}" for name, text in zip(pairing.key, key, strict=True))
