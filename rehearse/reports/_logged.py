"""How much log the statements of a phase wrote: one rule, for a report's values and for those of its JSON."""

from __future__ import annotations

from collections.abc import Sequence

Logs = tuple[float | None, float | None]  # write-ahead log, binary log


def logged(statements: Sequence[Logs], left_out: int) -> float | None:
    """Return the bytes of write-ahead log, or else of binary log; None where one was not measured or is left out."""
    each = [binlog if wal is None else wal for wal, binlog in statements]
    known = [one for one in each if one is not None]
    return sum(known) if known and len(known) == len(each) and not left_out else None
