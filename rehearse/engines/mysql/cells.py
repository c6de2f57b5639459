"""Numbers and cells of rows: in bulk as packed numbers, singly as text, and written texts in the same form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pymysql

from rehearse.engines._numbered import Numbers
from rehearse.engines.mysql import images
from rehearse.engines.mysql.client import Connection, execute, named, rows
from rehearse.engines.mysql.pairing import Pairing
from rehearse.errors import ServerFailed

Key = tuple[str, ...]
Cells = dict[str, str | None]
_NUMBERS = ("decimal", "double", "float", "bit", *sorted(images.INTEGERS))
_TRUTHS = {"true": "1", "false": "0"}
_WORDS = "rehearse words"  # a temporary table of our own connection
_NUMBER = "rehearse n"  # its columns have names that are nobody's


class _Unreadable(Exception):
    """A text that a strict server does not take for a value of the type."""


def packed(connection: Connection, hexadecimal: Sequence[str], rows_of: str) -> Numbers:
    """Return numbers, each given as SQL for 16 digits, of rows ("table WHERE …"): 8 bytes each on the way.

    All in one order, which is nobody's choice. The server gives a packet of each column, so of some millions at most.
    """
    asked = ", ".join(f"GROUP_CONCAT(UNHEX({one}) SEPARATOR '')" for one in hexadecimal)
    ((count, *found),) = rows(connection, f"SELECT COUNT(*), {asked} FROM {rows_of}")
    columns = [one.encode() if isinstance(one, str) else one or b"" for one in found]
    if any(len(one) != 8 * count for one in columns):
        raise ServerFailed(
            f"of {rows_of.partition(' WHERE ')[0]} the server gave fewer rows than it counted: its max_allowed_packet "
            "is too small, or a value is longer than that; set it to 1G"
        )
    return np.array([np.frombuffer(one, dtype=">i8") for one in columns], dtype=np.int64)


def by_key(
    connection: Connection, pairing: Pairing, side: images.Table, keys: Sequence[Key]
) -> dict[Key, tuple[int, Cells]]:
    """Return number and cells of the rows of these keys that are there, as the server itself compares keys."""
    columns = [side.columns[name] for name in pairing.key]
    _put_words(connection, columns, list(enumerate(keys)))
    matched = " AND ".join(f"w.{_word(place)} = t.{named(name)}" for place, name in enumerate(pairing.key))
    asked = f"w.{named(_NUMBER)}, {pairing.selected(side)}"
    found = rows(connection, f"SELECT {asked} FROM {named(_WORDS)} w JOIN {side.source} t ON {matched}")
    return {keys[row[0]]: (_signed(row[1]), dict(zip(pairing.columns, row[2:], strict=True))) for row in found}


def by_number(
    connection: Connection, pairing: Pairing, side: images.Table, numbers: Numbers, *, limit: int
) -> dict[int, Cells]:
    """Return the cells of rows with these numbers; a scan of the table where the key is no integer."""
    wanted = numbers[:limit].tolist()
    if not wanted:
        return {}
    query = f"SELECT {pairing.selected(side)} FROM {side.source} WHERE {pairing.chosen(side, wanted)} LIMIT {8 * limit}"
    return {_signed(row[0]): dict(zip(pairing.columns, row[1:], strict=True)) for row in rows(connection, query)}


def counts(
    connection: Connection, pairing: Pairing, side: images.Table, names: Sequence[str], *, without: Sequence[int]
) -> dict[str, int]:
    """Return how many values, NULLs left out, these columns hold in all rows but those of these numbers."""
    if not names:
        return {}
    asked = ", ".join(f"COUNT({named(name)})" for name in names)
    condition = f" WHERE NOT ({pairing.chosen(side, without)})" if without else ""
    ((*found,),) = rows(connection, f"SELECT {asked} FROM {side.source}{condition}")
    return {name: int(count) for name, count in zip(names, found, strict=True)}


def readings(
    connection: Connection, pairing: Pairing, texts: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], frozenset[str]]:
    """Return how each written (column, text) reads as a cell, in the older and in the newer type; empty: it cannot."""
    by_column: dict[str, set[str]] = {}
    for name, text in texts:
        by_column.setdefault(name, set()).add(text)
    found: dict[tuple[str, str], frozenset[str]] = {}
    for name, given in by_column.items():
        forms = []
        for side in pairing.sides:
            column = side.columns[name]
            form = pairing.text(side, name).replace(named(name), _word(0))
            forms.append(_read(connection, column, form, sorted(given)))
        found |= {(name, text): frozenset(one[text] for one in forms if text in one) for text in given}
    return found


def readable(connection: Connection, pairing: Pairing, name: str, texts: Iterable[str]) -> Mapping[str, str]:
    """Return a key column's written texts in a form in which keys that the server holds for equal are equal.

    Texts that it cannot read are left out.
    """
    column = pairing.older.columns[name]
    form = column.text.replace(named(name), _word(0))
    if column.collation:
        form = f"HEX(WEIGHT_STRING({_word(0)}))"
    return _read(connection, column, form, sorted(set(texts)))


def _read(connection: Connection, column: images.Column, form: str, texts: Sequence[str]) -> dict[str, str]:
    """Read texts as a type; a batch with an unreadable one is halved until it is found."""
    if not texts:
        return {}
    try:
        _put_words(connection, [column], [(number, (text,)) for number, text in enumerate(texts)])
        found = rows(connection, f"SELECT {named(_NUMBER)}, {form} FROM {named(_WORDS)}")
        return {texts[number]: str(read) for number, read in found}
    except _Unreadable:
        if len(texts) == 1:
            return {}
    half = len(texts) // 2
    return _read(connection, column, form, texts[:half]) | _read(connection, column, form, texts[half:])


def _put_words(connection: Connection, columns: Sequence[images.Column], words: Sequence[tuple[int, Key]]) -> None:
    """Fill a temporary table with texts as the columns' types, refusing what a strict server would refuse."""
    declared = ", ".join(f"{_word(place)} {column.declaration} NULL" for place, column in enumerate(columns))
    execute(connection, f"DROP TEMPORARY TABLE IF EXISTS {named(_WORDS)}")
    execute(connection, f"CREATE TEMPORARY TABLE {named(_WORDS)} ({named(_NUMBER)} INT PRIMARY KEY, {declared})")
    marks = ", ".join(["%s"] * (1 + len(columns)))
    content = [
        (number, *(_as_read(column, text) for column, text in zip(columns, key, strict=True))) for number, key in words
    ]
    mode = rows(connection, "SELECT @@sql_mode")[0][0]
    execute(connection, "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'")
    try:
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {named(_WORDS)} VALUES ({marks})", content)
    except pymysql.err.MySQLError as error:
        raise _Unreadable(str(error)) from error
    finally:
        if connection.open:
            execute(connection, "SET SESSION sql_mode = %s", (mode,))


def _word(place: int) -> str:
    return named(f"rehearse x{place}")


def _as_read(column: images.Column, text: str) -> str:
    return _TRUTHS.get(text.lower(), text) if column.base in _NUMBERS else text


def _signed(hexadecimal: str) -> int:
    number = int(hexadecimal, 16)
    return number - 2**64 if number >= 2**63 else number
