"""What the rows that calls wrote show: which writes are lost or phantoms, and what a backfill of NULLs explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rehearse.engines._expected import Wrong
from rehearse.model import LostWrite, NullsFilled, WrongWrite


@dataclass(slots=True)
class Verified:
    """What the written rows of a table show."""

    wrong: list[Wrong] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)  # of `wrong`, in step
    numbers: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)  # of `numbers`, rows that calls deleted
    missing: list[str] = field(default_factory=list)  # keys of rows that are gone, and that nobody made
    unexpected: list[str] = field(default_factory=list)

    def wrong_writes(self, table: str, known: Container[tuple[int, str]] = ()) -> Iterator[WrongWrite]:
        """Yield the wrong writes in the order in which they were sent, those (call, key) that are known last."""
        pairs = zip(self.keys, self.wrong, strict=True)
        ranked = sorted(pairs, key=lambda pair: ((pair[1].write.number, pair[0]) in known, pair[1].write.sent_ns))
        for key, one in ranked:
            yield WrongWrite(
                kind=one.kind,
                table=table,
                key=key,
                column=one.column,
                written=one.written,
                found=one.found,
                call=one.write.call,
                at_ns=one.write.sent_ns,
            )

    def count(self, kind: str) -> int:
        """Return how many writes of rows are wrong; one that lost two columns of a row counts once."""
        return len(self._by_write(kind))

    def lost(self) -> tuple[LostWrite, ...]:
        """Return the lost writes, and which of them a backfill of NULLs explains, in the order of their calls."""
        return tuple(
            LostWrite(number=number, key=key, filled=_filled(cells))
            for (number, key), cells in sorted(self._by_write("lost").items())
        )

    def _by_write(self, kind: str) -> dict[tuple[int, str], list[Wrong]]:
        found: dict[tuple[int, str], list[Wrong]] = {}
        for key, one in zip(self.keys, self.wrong, strict=True):
            if one.kind == kind:
                found.setdefault((one.write.number, key), []).append(one)
        return found


def nulls_filled(lost: Iterable[LostWrite]) -> tuple[NullsFilled, ...]:
    """Return the lost writes of which nothing is wrong but that a NULL they wrote holds a value now."""
    counts = Counter(one.filled for one in lost if one.filled)
    return tuple(NullsFilled(columns=columns, writes=writes) for columns, writes in sorted(counts.items()))


def _filled(cells: Sequence[Wrong]) -> tuple[str, ...]:
    """Return the columns that were set to NULL and hold a value now, if nothing else is wrong."""
    if any(one.column is None or one.written is not None or one.found is None for one in cells):
        return ()
    return tuple(sorted(str(one.column) for one in cells))
