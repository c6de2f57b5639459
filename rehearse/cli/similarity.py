"""`rehearse similarity SOURCE_URL COPY_URL`: how near a generated or anonymized database is to its source."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.datasets.alike import Similarity, TableSimilarity
    from rehearse.engines.postgres.physical import DiskSimilarity
    from rehearse.engines.postgres.plan_shapes import PlanSimilarity
    from rehearse.profiles import ForeignKey
    from rehearse.profiles.contents import Contents

_PLANS = 10  # that differ, shown; all stand in the JSON
_HEADS = ("table", "rows", "of", "size", "similar", "least similar column", "new rows")


@click.command("similarity")
@click.argument("source_url")
@click.argument("copy_url")
@click.option("--queries", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Compare their plans.")
@click.option("--scale", type=float, default=1.0, show_default=True, help="Share of the source's rows in the copy.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was measured as JSON.")
def command(source_url: str, copy_url: str, *, queries: Path | None, scale: float, as_json: bool) -> None:
    """Say how near a copy of a PostgreSQL database is to its source, from 0 to 1.

    Both are only read. Compared are the values of each column, pairs of columns, children a parent, sizes on disk, how
    near rows come to rows of the source, and the plans of the queries in a file (SQL with literal values; none is run).
    """
    if not 0 < scale < math.inf:
        raise click.UsageError(f"--scale {scale}: write the share of the source's rows, for example 0.05")
    source, copy = Named(source_url, "SOURCE_URL"), Named(copy_url, "COPY_URL")
    found = compared(source, copy, scale=scale, queries=_read(queries) if queries else {})
    click.echo(json.dumps(as_plain(found), indent=2)) if as_json else told(found)


@dataclass(frozen=True, slots=True)
class Named:
    """A database of the user's that is only read; `where` says in errors which one it is."""

    url: str
    where: str

    def connect(self, **options: Any) -> Any:
        """Connect, in autocommit."""
        from rehearse.engines.postgres import given  # noqa: PLC0415

        return given.connect(self.url, self.where, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """All that is known about how near a copy is: its contents, how it lies on disk, its plans by where they stand."""

    contents: Similarity
    disk: tuple[DiskSimilarity, ...]
    plans: Mapping[str, PlanSimilarity]


def compared(
    source: Named,
    copy: Named,
    *,
    scale: float = 1.0,
    queries: Mapping[str, str] | None = None,
    keys: Mapping[str, Sequence[ForeignKey]] | None = None,
) -> Likeness:
    """Compare two databases; `queries` are {place: SQL}, `keys` references that the schema does not declare."""
    from rehearse.datasets import alike  # noqa: PLC0415
    from rehearse.engines.postgres import physical, plan_shapes  # noqa: PLC0415
    from rehearse.engines.postgres.alike import contents  # noqa: PLC0415

    asked = dict(queries or {})
    plans = plan_shapes.plans(source, copy, list(asked.values()), scale=scale) if asked else ()
    mine, theirs = contents(source, keys=keys), contents(copy, keys=keys)
    _refuse_strangers(mine, theirs, source, copy)
    scales = {
        name: alike.scale_of(mine.tables[name], theirs.tables[name], scale)
        for name in mine.tables.keys() & theirs.tables
    }
    return Likeness(
        contents=alike.compare(mine, theirs, scale=scale),
        disk=physical.compare(physical.on_disk(source), physical.on_disk(copy), scales),
        plans=dict(zip(asked, plans, strict=True)),
    )


def as_plain(found: Likeness) -> dict[str, Any]:
    """Return what was measured as plain values for JSON; what was not is null."""
    from dataclasses import asdict  # noqa: PLC0415

    return {
        **asdict(found.contents),
        "disk": [asdict(one) for one in found.disk],
        "plans": {place: asdict(plan) for place, plan in found.plans.items()},
    }


def told(found: Likeness) -> None:
    """Print a table of the tables, and a line each for the whole, the plans and what was not measured."""
    seen = found.contents
    sizes = {one.table.name: one.table.ratio for one in found.disk}
    _print_table([_HEADS, *(_row(table, sizes.get(table.table)) for table in seen.tables)])
    click.echo(
        f"overall {_share(seen.overall)}; columns' shapes {_share(seen.shapes)}, pairs {_share(seen.pairs)}, "
        f"children a parent {_share(seen.fan_outs_score)}"
    )
    if seen.worst:
        click.echo(f"least similar: {seen.worst} with {_share(seen.worst_score)}")
    for line in (*_plan_lines(found.plans), *seen.missing, *_gap_lines(seen.gaps or {})):
        click.echo(line)


def _read(path: Path) -> dict[str, str]:
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415
    from rehearse.tools._split import statements  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScenarioMistake(f"--queries {path}: no text in UTF-8; save it as one") from None
    found = {f"{one.place} ({place})": one.sql for place, one in enumerate(statements(text, str(path)), start=1)}
    if not found:
        raise ScenarioMistake(f"--queries {path}: there is no statement in it; write SQL that ends with ;")
    return found


def _refuse_strangers(mine: Contents, theirs: Contents, source: Named, copy: Named) -> None:
    """Refuse two databases that have no table in common and could both be read."""
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    if not mine.gaps and not theirs.gaps and not mine.tables.keys() & theirs.tables.keys():
        raise ScenarioMistake(
            f"{source.where} and {copy.where}: the two databases have no table in common; name a copy of the source"
        )


def _row(table: TableSimilarity, size: float | None) -> tuple[str, ...]:
    from rehearse.units import human_count  # noqa: PLC0415

    least = next((one for one in table.columns if one.column == table.worst), None)
    return (
        table.table,
        human_count(table.copy_rows),
        human_count(table.source_rows),
        "–" if size is None else f"× {size:.2f}",
        _share(table.score),
        f"{least.column} {_share(least.score)}" if least else "–",
        _share(table.new_rows),
    )


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    left = {0, 5}  # names are read from the left, figures from the right
    for row in rows:
        cells = (
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())


def _plan_lines(plans: Mapping[str, PlanSimilarity]) -> Iterator[str]:
    if not plans:
        return
    differing = {place: one for place, one in plans.items() if one.alike is False}
    yield f"plans: {sum(one.alike is True for one in plans.values())} of {len(plans)} alike"
    for place, one in list(differing.items())[:_PLANS]:
        yield f"  ≠ {place}\n      source: {one.source}\n      copy:   {one.copy}"
    if len(differing) > _PLANS:
        yield f"  … and {len(differing) - _PLANS} more with --json"
    yield from (f"  ? {place}: not measured: {one.error}" for place, one in plans.items() if one.error)


def _gap_lines(gaps: Mapping[str, str]) -> Iterator[str]:
    yield from (f"not measured: {what}: {why}" for what, why in gaps.items())


def _share(value: float | None) -> str:
    """Return a share as a percentage; 100 % only where nothing is missing."""
    if value is None:
        return "–"
    return "100 %" if value >= 1 else f"{math.floor(value * 1000) / 10:.1f} %"
