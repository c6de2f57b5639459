"""Turns what the sending processes hand over into facts: calls that ended, and rows that they wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from rehearse.events import Outcome, RowWritten
from rehearse.workload.arrivals import Schedule, place
from rehearse.workload.draws import Calls
from rehearse.workload.ledger import Ledger, Source, Write
from rehearse.workload.mix import PreparedCall
from rehearse.workload.wire import OUTCOMES, RECORD_TYPE

_OUTCOMES = np.array([one.value for one in OUTCOMES], dtype=object)
_COLUMNS = [one.name for one in fields(RowWritten)]

Records = NDArray[Any]
Rows = list[list[str]]
Returned = Mapping[tuple[int, int], Rows]  # (call's number, statement) -> the key columns of each row
Errors = Mapping[int, tuple[str | None, str | None]]


def records(content: bytes) -> Records:
    """Return the calls in a frame."""
    return np.frombuffer(content, dtype=RECORD_TYPE)


def calls_frame(found: Records, names: Sequence[str], errors: Errors) -> pandas.DataFrame:
    """Return calls as the columns of `CallEnded`."""
    missed = found["sent"] < 0
    codes, texts = _lookup(found["error"], errors)
    return pandas.DataFrame(
        {
            "at_ns": found["due"],
            "call": np.array(names, dtype=object)[found["kind"]],
            "session": found["session"].astype(np.int64),
            "sent_ns": pandas.array(np.where(missed, 0, found["sent"]), dtype="Int64").copy(),
            "done_ns": found["done"],
            "outcome": _OUTCOMES[found["outcome"]],
            "code": codes,
            "message": texts,
            "number": found["number"],
            "picked_ns": pandas.array(found["picked"], dtype="Int64"),
            "tries": found["tries"].astype(np.int64),
        }
    ).assign(sent_ns=lambda frame: frame["sent_ns"].mask(missed))


def _lookup(numbers: NDArray[Any], errors: Errors) -> tuple[NDArray[Any], NDArray[Any]]:
    kinds, places = np.unique(numbers, return_inverse=True)
    found = [errors.get(int(kind), (None, None)) for kind in kinds]
    codes = np.array([code for code, _ in found] or [None], dtype=object)
    texts = np.array([text for _, text in found] or [None], dtype=object)
    return codes[places], texts[places]


@dataclass(slots=True)
class Writes:
    """Finds the rows that calls of one phase wrote: their values are drawn again, as the sending process drew them."""

    calls: Sequence[PreparedCall]
    schedule: Schedule
    drawn: Calls
    wall_us: int

    def frame(self, found: Records, returned: Returned) -> pandas.DataFrame:
        """Return the writes of some calls as the columns of `RowWritten`."""
        rows = [row for call, values in self._values(found) for row in self._rows(call, values, returned)]
        return pandas.DataFrame(rows, columns=_COLUMNS)

    def _values(self, found: Records) -> Iterator[tuple[Any, list[list[bytes | None]]]]:
        writing = np.array([any(one.writes for one in call.ledgers) for call in self.calls])
        sent = found[writing[found["kind"]] & (found["sent"] >= 0)]
        blocks, places = place(sent["number"])
        for block in np.unique(blocks):
            here = blocks == block
            values = self.drawn.values(self.schedule.block(int(block)), places[here], self.wall_us, sent["kind"][here])
            yield from zip(sent[here], values, strict=True)

    def _rows(self, call: Any, values: list[list[bytes | None]], returned: Returned) -> Iterator[tuple[Any, ...]]:
        outcome = OUTCOMES[call["outcome"]]
        number, sent, done, touched = (int(call[name]) for name in ("number", "sent", "done", "touched"))
        for at, ledger in enumerate(self.calls[call["kind"]].ledgers[: int(call["reached"])]):
            if outcome is Outcome.OK and not touched >> min(at, 63) & 1:
                continue  # it was answered, and no row matched
            keys = returned.get((number, at)) if outcome is Outcome.OK else None
            for write, key, values_known in _each(ledger, values[at], keys):
                given = values[at] if values_known else None
                yield (sent, done, number, outcome.value, write.table, write.kind, key, *_content(write, given))


def _each(
    ledger: Ledger, values: Sequence[bytes | None], keys: Rows | None
) -> Iterator[tuple[Write, str | None, bool]]:
    """Yield each row written, with its key as JSON, and whether its values are those that the call gave."""
    told = [one for one in ledger.writes if one.returned]
    for write in ledger.writes:
        if write.key:
            yield write, _json((column, _text(source, values)) for column, source in write.key), True
        elif not write.returned or keys is None:
            yield write, None, True
    if keys is None or not told:
        return
    in_order = told[0].row is None or len(keys) == len(told)
    for at, key in enumerate(keys):
        write = told[0] if told[0].row is None else told[min(at, len(told) - 1)]
        yield write, _json(zip(write.key_columns, key, strict=True)), in_order


def _content(write: Write, values: Sequence[bytes | None] | None) -> tuple[str, str, str]:
    """Return `values`, `unclear` and `deltas` as JSON; without `values` every column that was written is unclear."""
    if values is None:
        columns = {column for column, *_ in [*write.values, *write.deltas]} | set(write.unclear)
        return "{}", json.dumps(sorted(columns)), "{}"
    given = _json((column, _text(source, values)) for column, source in write.values)
    deltas = _json((column, _signed(_text(source, values), sign)) for column, source, sign in write.deltas)
    return given, json.dumps(list(write.unclear)), deltas


def _text(source: Source, values: Sequence[bytes | None]) -> str | None:
    kind, what = source
    if kind == "text" or not isinstance(what, int):
        return None if what is None else str(what)
    value = values[what]
    return None if value is None else value.decode()


def _signed(amount: str | None, sign: int) -> str | None:
    if amount is None or sign > 0:
        return amount
    return amount[1:] if amount.startswith("-") else f"-{amount}"


def _json(pairs: Iterable[tuple[str, str | None]]) -> str:
    return json.dumps(dict(pairs))
