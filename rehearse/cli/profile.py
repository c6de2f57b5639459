"""`rehearse profile URL`: the statistical shape of a database, by default without reading a row."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.profiles import Profile
    from rehearse.profiles.describing import Remark
    from rehearse.profiles.statistics import Query


@click.command("profile")
@click.argument("source", metavar="URL|FILE")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the profile here, not to stdout.")
@click.option(
    "--aggregates", is_flag=True, help="Count, too: children a parent, nulls, different values. Reads tables."
)
@click.option(
    "--sample",
    type=click.IntRange(min=1000),
    metavar="ROWS",
    help="Count as --aggregates does, and look at up to so many rows of each table, too.",
)
@click.option(
    "--floor", type=click.IntRange(min=2), default=50, show_default=True, help="Rows that share a told value."
)
@click.option(
    "--public", multiple=True, metavar="TABLE.COLUMN", help="A column whose values may be told; * and ? match."
)
@click.option("--schema", type=click.Path(path_type=Path), help="The tables' SQL file, noted in the profile.")
@click.option("--timeout", default="60s", show_default=True, help="Longest that one counting statement may take.")
@click.option("--check", is_flag=True, help="Read a profile FILE and say what a reviewer should look at.")
@click.option("--show-sql", is_flag=True, help="Print each statement, what it cost, and the rows it read, to stderr.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a summary as JSON (with --out), or the review (with --check)."
)
def command(  # noqa: PLR0917
    source: str,
    out: Path | None,
    sample: int | None,
    floor: int,
    public: tuple[str, ...],
    schema: Path | None,
    timeout: str,
    *,
    aggregates: bool,
    check: bool,
    show_sql: bool,
    as_json: bool,
) -> int:
    r"""Describe a database in statistics, as a file that people can review.

    By default the catalogs alone are read, in one read-only transaction with short timeouts: no row, and no lock that
    anybody feels. --aggregates counts, and --sample looks at rows. Values are told only where --floor rows share one
    and nothing about the column is personal; all else is described by its shape.

    \b
    rehearse profile postgresql://reader@replica/shop --out data_profiles/shop.toml
    rehearse profile postgresql://reader@replica/shop --sample 20000 --out data_profiles/shop.toml
    rehearse profile mysql://reader@replica/shop --sample 20000 --out data_profiles/shop.toml
    rehearse profile data_profiles/shop.toml --check
    """
    from rehearse import units  # noqa: PLC0415

    if check:
        return _review(source, as_json=as_json)
    try:
        timeout_ms = units.duration_ns(timeout) // 1_000_000
    except ValueError as error:
        raise click.UsageError(f"--timeout: {error}") from None
    if timeout_ms < 1:
        raise click.UsageError("--timeout: at least 1ms; a statement without a limit has no place on a live database")
    from rehearse import registry  # noqa: PLC0415
    from rehearse.profiles.privacy import Gate  # noqa: PLC0415

    engine = registry.engine_of(source)
    profile, remarks, asked = registry.part("engine", engine, "profiling").profile(
        registry.part("engine", engine, "given").Given(source, "URL"),
        tier="sample" if sample else "aggregates" if aggregates else "catalogs",
        rows=sample or 0,
        gate=Gate(floor=floor, public=public),
        name=out.stem if out else "profile",
        schema=_relative(schema, out),
        timeout_ms=timeout_ms,
    )
    _write(profile, remarks, out, as_json=as_json)
    if show_sql:
        _show(asked)
    return 0


def _relative(schema: Path | None, out: Path | None) -> str | None:
    """Return the schema's path as the profile's file will name it."""
    if schema is None:
        return None
    return os.path.relpath(schema.resolve(), (out or Path("profile.toml")).resolve().parent)


def _write(profile: Profile, remarks: Sequence[Remark], out: Path | None, *, as_json: bool) -> None:
    from rehearse.profiles.writing import toml  # noqa: PLC0415

    text = toml(profile, remarks)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    if as_json and out is not None:
        click.echo(json.dumps(_summary(profile, remarks, out), indent=2))
        return
    _tell(profile, remarks, out)


def _summary(profile: Profile, remarks: Sequence[Remark], out: Path) -> dict[str, Any]:
    source = profile.source
    assert source is not None
    return {
        "file": str(out),
        "server": source.server,
        "tier": source.tier,
        "tables": {name: {"rows": one.rows, "columns": len(one.columns)} for name, one in profile.tables.items()},
        "statements": source.statements,
        "seconds": source.seconds,
        "rows_read": source.rows_read,
        "unseen": [{"where": one.where, "says": one.says} for one in remarks if one.kind == "unseen"],
        "look": [{"where": one.where, "says": one.says} for one in remarks if one.kind == "look"],
        "masked": [{"where": one.where, "says": one.says} for one in remarks if one.kind == "note"],
    }


def _tell(profile: Profile, remarks: Sequence[Remark], out: Path | None) -> None:
    from rehearse.units import human_count  # noqa: PLC0415

    source = profile.source
    assert source is not None
    rows = sum(table.rows for table in profile.tables.values())
    lines = [
        f"{len(profile.tables)} tables, {human_count(rows)} rows, from {source.server}: {source.statements} statements "
        f"in {source.seconds:.2f} s, {human_count(source.rows_read)} rows read"
    ]
    unseen = [one for one in remarks if one.kind == "unseen"]
    lines += [f"not seen: {one.where + ' ' if one.where else ''}{one.says}" for one in unseen[:20]]
    if len(unseen) > 20:
        lines.append(f"not seen: {len(unseen) - 20} more, which stand as comments in the profile")
    told = sum(one.kind == "look" for one in remarks)
    if told:
        lines.append(f"{told} columns hold literal values; rehearse profile {out or 'FILE'} --check lists them")
    if out:
        lines.append(str(out))
    for line in lines:
        click.echo(line, err=True)


def _show(asked: Sequence[Query]) -> None:
    for one in asked:
        click.echo(f"-- {one.what}: {one.took_s * 1000:.1f} ms, {one.rows_read} rows of tables read", err=True)
        click.echo(f"{one.sql};", err=True)


def _review(path: str, *, as_json: bool) -> int:
    """Print what a reviewer should look at; 1 where something personal stands in the profile."""
    from rehearse.profiles.review import review  # noqa: PLC0415
    from rehearse.reading import profile as profiles  # noqa: PLC0415

    found = review(profiles.find(path, key="FILE"))
    if as_json:
        rows = [{"where": one.where, "kind": one.kind, "says": one.says, "values": one.values} for one in found]
        click.echo(json.dumps({"look": rows}, indent=2))
    else:
        for one in found:
            mark = "PERSONAL  " if one.kind == "personal" else ""
            click.echo(f"{one.where}: {mark}{one.says}: {', '.join(one.values)}")
        if not found:
            click.echo("no literal value stands in this profile", file=sys.stderr)
    return 1 if any(one.kind == "personal" for one in found) else 0
