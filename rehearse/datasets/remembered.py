"""What stands for the values of a column, remembered from chunk to chunk as long as they are few."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

_MOST = 1 << 15  # values that are remembered; to find one among them costs less than to mask it

Deed = Callable[[pa.Array], pa.Array]
Pairs = tuple[pa.Array, pa.Array]
_NONE = pa.array([], pa.string())


class Remembered:
    """The values of one column so far, and what a deed that hangs on the value alone made of them; not for threads."""

    def __init__(self) -> None:
        """Begin with no value."""
        self._values = self._made = _NONE
        self._are_few = True

    def of(self, values: pa.Array, deed: Deed) -> tuple[pa.Array, Pairs]:
        """Return what the deed makes of texts, nulls staying, and the pairs of old and new that are met first.

        Where values are many the deed is done on all of them, and the pairs are all rows without nulls.
        """
        if not self._are_few:
            return _all(values, deed)
        places = pc.index_in(values, self._values)
        if places.null_count == values.null_count:
            return self._made.take(places), (_NONE, _NONE)
        first = values.filter(pc.and_(places.is_null(), values.is_valid())).unique()
        if len(self._values) + len(first) > _MOST:
            self._are_few = False
            self._values = self._made = _NONE
            return _all(values, deed)
        made = deed(first)
        self._values, self._made = pa.concat_arrays([self._values, first]), pa.concat_arrays([self._made, made])
        return self._made.take(pc.index_in(values, self._values)), valid_pairs(first, made)


def _all(values: pa.Array, deed: Deed) -> tuple[pa.Array, Pairs]:
    made = deed(values)
    return made, valid_pairs(values, made)


def valid_pairs(values: pa.Array, made: pa.Array) -> Pairs:
    """Return old and new values row for row, without those of which one is null."""
    if not values.null_count and not made.null_count:
        return values, made
    both = pc.and_(values.is_valid(), made.is_valid())
    return values.filter(both), made.filter(both)
