"""Cells of single rows as text, fetched by key, and written texts in the same form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import Connection, sql

from rehearse.engines._numbered import Numbers
from rehearse.engines.postgres import images, streams
from rehearse.engines.postgres.pairing import Pairing

Key = tuple[str, ...]
Readings = Mapping[tuple[str, str], frozenset[str]]
Found = dict[Key, tuple[int, dict[str, str | None]]]  # key -> the row's number, and its cells


def by_key(connection: Connection[Any], pairing: Pairing, side: images.Table, keys: Sequence[Key]) -> Found:
    """Return the rows of these keys that are there; keys are texts in the form of `readable`."""
    places = range(len(pairing.key))
    given = [sql.Identifier(f"key {place}") for place in places]
    source = sql.SQL("unnest({}) as w({}) join {} on {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text[]").format(sql.Literal([key[place] for key in keys])) for place in places),
        sql.SQL(", ").join(given),
        sql.SQL("{} as t").format(side.source),
        sql.SQL(" and ").join(
            sql.SQL("t.{} = w.{}::{}").format(sql.Identifier(name), given[place], sql.SQL(side.columns[name].cast))
            for place, name in enumerate(pairing.key)
        ),
    )
    query = sql.SQL("select {} from {}").format(
        sql.SQL(", ").join([*(sql.SQL("w.{}").format(one) for one in given), *_content(pairing, side)]), source
    )
    rows = connection.execute(query)
    width = len(pairing.key)
    return {row[:width]: (row[width], dict(zip(pairing.columns, row[width + 1 :], strict=True))) for row in rows}


def by_number(
    connection: Connection[Any],
    pairing: Pairing,
    side: images.Table,
    numbers: Numbers,
    *,
    limit: int,
    width: int | None = None,
) -> dict[int, dict[str, str | None]]:
    """Return the cells of rows with these numbers, cut to `width` characters if one is given.

    It is a scan of the table where the key is no integer.
    """
    if not len(numbers):
        return {}
    query = sql.SQL("select {} from {} where {} limit {}").format(
        sql.SQL(", ").join(_content(pairing, side, width)),
        side.source,
        streams.chosen(pairing.place(side), numbers[:limit]),
        sql.Literal(8 * limit),
    )
    wanted = set(numbers[:limit].tolist())
    rows = connection.execute(query)
    return {row[0]: dict(zip(pairing.columns, row[1:], strict=True)) for row in rows if row[0] in wanted}


def counts(
    connection: Connection[Any], pairing: Pairing, side: images.Table, names: Sequence[str], *, without: Numbers
) -> dict[str, int]:
    """Return how many values, NULLs left out, these columns hold in all rows but those of these numbers (sorted)."""
    if not names:
        return {}
    asked = sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(sql.SQL("count({})").format(sql.Identifier(name)) for name in names), side.source
    )
    if len(without):
        listed = sql.Literal(without.tolist())
        asked += sql.SQL(" where not {} = any({}::int8[])").format(pairing.number(side), listed)
    found = connection.execute(asked).fetchone()
    return dict(zip(names, found or (), strict=True))


def _content(pairing: Pairing, side: images.Table, width: int | None = None) -> Iterator[sql.Composable]:
    cut = "{}" if width is None else f"left({{}}, {width})"
    yield pairing.number(side)
    yield from (sql.SQL(cut).format(pairing.text(side, name)) for name in pairing.columns)


def readings(
    connection: Connection[Any], pairing: Pairing, texts: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], frozenset[str]]:
    """Return how each written (column, text) reads as a cell, in the older and in the newer type; empty: it cannot."""
    by_column: dict[str, set[str]] = {}
    for name, text in texts:
        by_column.setdefault(name, set()).add(text)
    found: dict[tuple[str, str], frozenset[str]] = {}
    for name, given in by_column.items():
        columns = (pairing.older.columns[name], pairing.newer.columns[name])
        form = images.value_form(*columns)
        forms = [_read(connection, form, column, sorted(given)) for column in columns]
        found |= {(name, text): frozenset(one[text] for one in forms if text in one) for text in given}
    return found


def readable(connection: Connection[Any], pairing: Pairing, name: str, texts: Iterable[str]) -> Mapping[str, str]:
    """Return a key column's written texts as the server would write them; those that it cannot read are left out."""
    return _read(connection, "({})::text", pairing.older.columns[name], sorted(set(texts)))


def _read(connection: Connection[Any], form: str, column: images.Column, texts: Sequence[str]) -> dict[str, str]:
    """Read texts as a type; a batch with an unreadable one is halved until it is found (14 and 15 cannot ask first)."""
    if not texts:
        return {}
    cast = sql.SQL("x::{}").format(sql.SQL(column.cast))
    query = sql.SQL("select x, {} from unnest({}::text[]) x").format(
        sql.SQL(form).format(cast), sql.Literal(list(texts))
    )
    try:
        with connection.transaction():
            return dict(connection.execute(query).fetchall())
    except psycopg.Error:
        if len(texts) == 1:
            return {}
    half = len(texts) // 2
    return _read(connection, form, column, texts[:half]) | _read(connection, form, column, texts[half:])
