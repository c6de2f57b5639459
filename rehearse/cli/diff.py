"""`rehearse diff FIRST_URL SECOND_URL`: schema and data differences between two databases."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rehearse.model import Comparison, PropertyDifference, TableComparison

_SHOWN = 200  # properties; all stand in the JSON
_WIDTH, _BEFORE = 120, 30  # of a shown text, and how much of what two long ones share


@click.command("diff")
@click.argument("first_url")
@click.argument("second_url")
@click.option("--schema-only", is_flag=True, help="Read no row.")
@click.option("--data-only", is_flag=True, help="Compare rows alone.")
@click.option("--tables", multiple=True, metavar="NAME", help="Only these tables ('orders', 'app.*'); may be repeated.")
@click.option("--examples", type=click.IntRange(0, 1000), default=3, show_default=True, help="Values shown a column.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Connections to each database; else half the cores, up to 4.")
@click.option("--sql", "show_sql", is_flag=True, help="Show what makes the second as the first, where that is certain.")
@click.option("--json", "as_json", is_flag=True, help="Print all that differs as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing; the exit code tells.")
def command(
    first_url: str,
    second_url: str,
    *,
    schema_only: bool,
    data_only: bool,
    tables: Sequence[str],
    examples: int,
    jobs: int | None,
    show_sql: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    r"""Compare two databases of PostgreSQL, MariaDB or MySQL: schema by meaning, data down to row and column.

    Both are only read, each in one snapshot, which keeps vacuum or purge from removing what dies meanwhile; a table is
    locked against DDL while it is read, and nothing is waited for longer than 2 seconds. They may be of different
    servers and versions. Values are shown as examples; --examples 0 shows none.

    \b
    rehearse diff postgresql://me@staging/shop postgresql://me@copy/shop
    rehearse diff mysql://me@staging/shop mysql://me@copy/shop
    rehearse diff URL URL --data-only --tables orders --json

    Exit codes: 0 nothing differs, 1 something does, 3 nothing does, but not all could be compared.
    """
    from dataclasses import replace  # noqa: PLC0415

    from rehearse import registry  # noqa: PLC0415
    from rehearse.engines._asked import Asked  # noqa: PLC0415

    if schema_only and data_only:
        raise click.UsageError("--schema-only and --data-only: choose one of them, or neither for both")
    asked = Asked(schema=not data_only, data=not schema_only, tables=tables, examples=examples)
    asked = replace(asked, jobs=jobs) if jobs else asked
    engine, other = registry.engine_of(first_url), registry.engine_of(second_url)
    if engine != other:
        raise click.UsageError("the two URLs are of different kinds of servers; diff compares two of one kind")
    given = registry.part("engine", engine, "given").Given
    difference = registry.part("engine", engine, "diff").difference
    found: Comparison = difference(
        given(first_url, "FIRST_URL"),
        given(second_url, "SECOND_URL"),
        asked,
        _telling(is_quiet=quiet or as_json),
    )
    if as_json:
        click.echo(json.dumps(_plain(found), indent=2))
    elif not quiet:
        for line in _lines(found, show_sql=show_sql):
            click.echo(line)
    return _exit(found)


def _telling(*, is_quiet: bool) -> Callable[[str], None]:
    """Return what shows on a terminal which table is being read."""

    def told(what: str) -> None:
        if not is_quiet and sys.stderr.isatty():
            click.echo(f"\r\033[Kreading {what}", nl=False, err=True)

    return told


def _plain(found: Comparison) -> dict[str, object]:
    from dataclasses import asdict  # noqa: PLC0415

    return {
        "differs": _differs(found),
        "schema": [asdict(one) for one in found.schema],
        "physical": [asdict(one) for one in found.physical],
        "tables": [asdict(one) | {"differs": _table_differs(one)} for one in found.tables],
    }


def _exit(found: Comparison) -> int:
    if _differs(found):
        return 1
    return 3 if any(map(_is_untold, found.tables)) else 0


def _differs(found: Comparison) -> bool:
    return bool(found.schema or _felt(found)) or any(map(_table_differs, found.tables))


def _felt(found: Comparison) -> list[PropertyDifference]:
    """Return what differs on disk and is felt all the same: the order of columns."""
    return [one for one in found.physical if one.severity in {"breaks", "behaviour"}]


def _is_untold(table: TableComparison) -> bool:
    """Say whether a table was not compared, or not all of it."""
    return table.rows_missing is None or table.rows_unexpected is None or bool(table.columns_unmeasured)


def _has_other_count(table: TableComparison) -> bool:
    counts = (table.rows_before, table.rows_after)
    return None not in counts and counts[0] != counts[1]


def _table_differs(table: TableComparison) -> bool:
    counts = (table.rows_missing, table.rows_unexpected, *(one.values_changed for one in table.columns))
    return _is_alone(table) or _has_other_count(table) or any(counts) or bool(table.columns_gone or table.columns_new)


def _is_alone(table: TableComparison) -> bool:
    return (table.rows_before is None) != (table.rows_after is None)


def _lines(found: Comparison, *, show_sql: bool) -> Iterator[str]:
    from rehearse.units import counted  # noqa: PLC0415

    for one in found.schema[:_SHOWN]:
        yield f"≠ {_property(one)}"
        if one.mend and show_sql:
            yield f"    {one.mend}"
    if len(found.schema) > _SHOWN:
        yield f"… and {len(found.schema) - _SHOWN} more with --json"
    yield from (f"≠ {_property(one)}" for one in _felt(found))
    for table in found.tables:
        if _table_differs(table):
            yield from _table(table)
    for table in found.tables:
        if _is_untold(table) and not _is_alone(table):
            yield from (f"? {table.table}: {reason}" for reason in table.unmeasured)
    same = sum(not _table_differs(one) and not _is_untold(one) for one in found.tables)
    parts = [f"{counted(len(found.schema), 'difference')} of the schema"]
    parts += [f"{counted(same, 'table')} of {len(found.tables)} with the same rows"] if found.tables else []
    mark = "✗" if _differs(found) else "?" if any(map(_is_untold, found.tables)) else "✓"
    yield f"{mark} {', '.join(parts)}"


def _property(one: PropertyDifference) -> str:
    if one.property == "exists":
        return f"{one.object}: only in the {'second' if one.before is None else 'first'} ({one.severity})"
    before, after = _apart(one.before, one.after)
    sides = (_short(side) if side is not None else "not there" for side in (before, after))
    return f"{one.object}: {one.property} {' → '.join(sides)} ({one.severity})"


def _apart(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Return two long texts from a little before the place where they part."""
    if before is None or after is None or max(len(before), len(after)) <= _WIDTH:
        return before, after
    pairs = zip(before, after, strict=False)
    shared = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(before), len(after)))
    start = shared - _BEFORE
    return (before, after) if start <= 0 else (f"…{before[start:]}", f"…{after[start:]}")


def _table(table: TableComparison) -> Iterator[str]:
    from rehearse.units import counted  # noqa: PLC0415

    if _is_alone(table):
        word, rows = ("first", table.rows_before) if table.rows_after is None else ("second", table.rows_after)
        yield f"≠ table {table.table}: only in the {word}, with {counted(rows or 0, 'row')}"
        return
    if table.rows_missing is None and _has_other_count(table):
        first = counted(table.rows_before or 0, "row")
        yield f"≠ {table.table}: {first} in the first, {table.rows_after} in the second"
    for rows, keys, word in (
        (table.rows_missing, table.examples_missing, "first"),
        (table.rows_unexpected, table.examples_unexpected, "second"),
    ):
        if rows:
            yield f"≠ {table.table}: {counted(rows, 'row')} only in the {word}"
            yield from (f"    {_short(key) if key.startswith('(') else f'key {_short(key)}'}" for key in keys)
    for names, word in ((table.columns_gone, "first"), (table.columns_new, "second")):
        if names:
            yield f"≠ {table.table}: {', '.join(names)} only in the {word}"
    for column in table.columns:
        differ = "differs" if column.values_changed == 1 else "differ"
        yield f"≠ {table.table}.{column.column}: {counted(column.values_changed, 'value')} {differ}"
        for one in column.examples:
            before, after = _apart(one.before, one.after)
            yield f"    key {_short(one.key)}: {_cell(before)} → {_cell(after)}"


def _cell(value: str | None) -> str:
    if value is None:
        return "NULL"
    return repr(value) if len(value) <= _WIDTH else f"{value[: _WIDTH - 1]!r}…"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _WIDTH else f"{words[: _WIDTH - 1]}…"
