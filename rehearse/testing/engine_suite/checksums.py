"""A checksum differs wherever rows do, also where what is summed carelessly would cancel out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from unittest import SkipTest

from rehearse.model import TableState
from rehearse.protocols import Role, Server
from rehearse.testing.engine_suite.subject import Subject, fresh

_ROWS = 64
_BLOCK = 8

Row = tuple[int, int, str, str | None]
"""A key, a number, a text, and a text that may be missing."""
_BASE: Sequence[Row] = [
    (1, 1000, "x0", "y"),
    (2, 2000, "some", ""),
    *((n, n * 1001, f"word {n}", f"note {n % 5}") for n in range(3, _ROWS + 1)),
]
_VALUES = [value for _, value, *_ in _BASE]


def _numbers(values: Sequence[int]) -> Sequence[Row]:
    return [(key, value, *rest) for (key, _, *rest), value in zip(_BASE, values, strict=True)]  # type: ignore[misc]


def _flipped(mask: int, rows: int) -> Sequence[Row]:
    return _numbers([value ^ mask if place < rows else value for place, (_, value, *_) in enumerate(_BASE)])


def _by_place(place: Callable[[int], int]) -> Sequence[int]:
    """Return the values, each from another row of as many whole blocks as there are."""
    return [_VALUES[place(n)] for n in range(_ROWS)]


DAMAGES: MappingProxyType[str, Sequence[Row]] = MappingProxyType(
    {
        "two rows have each other's value": _numbers([_VALUES[1], _VALUES[0], *_VALUES[2:]]),
        "all neighbours have each other's value": _numbers(_by_place(lambda n: n ^ 1)),
        "values are rotated in blocks": _numbers(_by_place(lambda n: n // _BLOCK * _BLOCK + (n + 1) % _BLOCK)),
        "a bit is flipped in two rows": _flipped(1 << 4, 2),
        "a bit is flipped in an even number of rows": _flipped(1 << 20, _ROWS - 2),
        "one is more by what another is less": _numbers([_VALUES[0] + 7, _VALUES[1] - 7, *_VALUES[2:]]),
        "a letter moved to the next column": [(1, 1000, "x", "0y"), *_BASE[1:]],
        "an empty text is missing": [_BASE[0], (2, 2000, "some", None), *_BASE[2:]],
        "two columns have each other's text": [(1, 1000, "y", "x0"), *_BASE[1:]],
        "a row is there twice and another is not": [*_BASE[:-1], (_ROWS + 1, *_BASE[-2][1:])],
        "rows have each other's key": [(2, *_BASE[0][1:]), (1, *_BASE[1][1:]), *_BASE[2:]],
        "a blank is at a text's end": [_BASE[0], (2, 2000, "some ", ""), *_BASE[2:]],
        "a letter is of the other case": [_BASE[0], (2, 2000, "Some", ""), *_BASE[2:]],
    }
)


def its_checksums_tell_rows_apart(subject: Subject, server: Server) -> None:
    """See that every damage gives another checksum than the rows had, and than every other damage."""
    with _rows(subject, server) as (fill, state):
        found = {"nothing was done": state()}
        for what, rows in DAMAGES.items():
            fill(rows)
            found[what] = state()
    for what, one in found.items():
        alike = [other for other in found if other != what and found[other].checksum == one.checksum]
        assert not alike, f"{what!r} has the same checksum as {alike}"
        assert one.checksum is not None


def its_checksums_know_no_order(subject: Subject, server: Server) -> None:
    """See that the same rows, written in another order, have the same checksums, and their columns too."""
    with _rows(subject, server) as (fill, state):
        before = state()
        fill([])
        empty = state()
        fill(_BASE[::-1])
        assert state().is_like(before)
        assert not empty.is_like(before)


def its_columns_tell_which_of_them_changed(subject: Subject, server: Server) -> None:
    """See that a column's checksum changes with its own values and with no other's."""
    with _rows(subject, server) as (fill, state):
        before = state().columns
        if set(before.values()) == {None}:
            raise SkipTest("this engine has no checksums of single columns")
        fill(DAMAGES["two rows have each other's value"])
        after = state().columns
        assert [name for name in before if before[name] != after[name]] == ["n"]


PROMISES = (its_checksums_tell_rows_apart, its_checksums_know_no_order, its_columns_tell_which_of_them_changed)


@contextmanager
def _rows(
    subject: Subject, server: Server
) -> Iterator[tuple[Callable[[Sequence[Row]], None], Callable[[], TableState]]]:
    """Make a table with the rows; give what writes it anew and what reads its state."""
    with fresh(server, "sums") as database:
        url = database.url(Role.MIGRATION)

        def fill(rows: Sequence[Row]) -> None:
            values = ", ".join(f"({key}, {n}, {_quoted(a)}, {_quoted(b)})" for key, n, a, b in rows)
            subject.ask(url, "delete from sums", *([f"insert into sums values {values}"] if rows else []))

        subject.ask(url, "create table sums (id int primary key, n bigint, a varchar(20), b varchar(20))")
        fill(_BASE)
        yield fill, lambda: database.snapshot("start").tables["sums"]


def _quoted(text: str | None) -> str:
    return "null" if text is None else f"'{text}'"
