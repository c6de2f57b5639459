"""`rehearse lint FILE...`: static hazards of migration SQL, without a server."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.cli.lint_files import Asked, Linted
    from rehearse.hazards import Hazard

_ENGINES = ("postgres", "mysql", "mariadb")
_LIKE = {"postgres": "16", "mysql": "8.0", "mariadb": "10.11"}
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_WIDTH = 110


@click.command("lint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--engine",
    metavar="NAME[:VERSION]",
    help="postgres (the default of files), mysql or mariadb; a scenario says its own.",
)
@click.option("--schema", type=click.Path(exists=True, path_type=Path), help="The schema that the change starts from.")
@click.option("--profile", metavar="PROFILE", help="A data profile: how many rows tables have.")
@click.option(
    "--transaction",
    type=click.Choice(["file", "statement", "none"]),
    default="file",
    show_default=True,
    help="How your tool runs a file that does not say so itself.",
)
@click.option("--disable", multiple=True, metavar="CODE", help="Leave out a rule; may be repeated.")
@click.option("--back", is_flag=True, help="Judge the ways back of files and folders too.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print it as SARIF 2.1.0, for code scanning.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out notes, which fail nothing.")
def command(
    files: Sequence[Path],
    *,
    engine: str | None,
    schema: Path | None,
    profile: str | None,
    transaction: str,
    disable: Sequence[str],
    back: bool,
    as_json: bool,
    as_sarif: bool,
    quiet: bool,
) -> int:
    r"""Say which statements of a migration would be an outage, fail, break running code or lose data.

    FILES are SQL files (- reads what a tool prints), folders of migrations (dbmate, goose, golang-migrate, diesel,
    Prisma, Flyway, Liquibase, Drizzle, MyBatis, Play), or scenarios, whose both ways are judged with their own engine,
    schema and profile. With --schema and --profile it is judged by what is known: the types that columns have,
    indexes, the rows of tables. Without them it must reckon with the worst.

    `-- rehearse:ignore CODE why` above a statement passes over a hazard. `rehearse explain CODE` says more of one.

    \b
    rehearse lint migrations/0042_status.sql --schema schema.sql
    rehearse lint migrations/ --engine mysql:8.0 --sarif
    alembic upgrade head --sql | rehearse lint -
    rehearse lint scenarios/set_not_null/bad.toml

    Exit codes: 0 no hazard (notes apart), 1 a hazard, 3 none, but not all could be seen (a DO block).
    """
    from rehearse.cli.lint_files import linted  # noqa: PLC0415

    if as_json and as_sarif:
        raise click.UsageError("--json and --sarif are two forms of the same: take one")
    asked = _asked(engine, schema, profile, transaction, disable, is_back=back)
    found = [one for file in files for one in linted(file, asked)]
    if as_sarif:
        from rehearse.cli import lint_sarif  # noqa: PLC0415

        click.echo(lint_sarif.text(found))
    elif as_json:
        click.echo(json.dumps(_plain(found), ensure_ascii=False, indent=2))
    else:
        for line in _lines(found, is_quiet=quiet):
            click.echo(line)
    return _code(found)


def _asked(
    engine: str | None,
    schema: Path | None,
    profile: str | None,
    transaction: str,
    disable: Sequence[str],
    *,
    is_back: bool,
) -> Asked:
    from rehearse import hazards  # noqa: PLC0415
    from rehearse.cli.lint_files import Asked, profiled  # noqa: PLC0415
    from rehearse.errors import Mistake, near_miss  # noqa: PLC0415

    name, _, version = (engine or Asked().engine).partition(":")
    if name not in _ENGINES:
        raise Mistake(f"--engine {engine}: hazards are known of {', '.join(_ENGINES)}{near_miss(name, _ENGINES)}")
    if version and not _VERSION.fullmatch(version):
        raise Mistake(f"--engine {engine}: {version!r} is no version; write it as {name}:{_LIKE[name]}")
    asked = Asked(
        told=engine,
        engine=name,
        version=version or None,
        schema=schema,
        transaction=transaction,
        disabled=frozenset(hazards.by_code(code).code for code in disable),
        back=is_back,
    )
    return profiled(asked, profile) if profile else asked


def _code(found: Sequence[Linted]) -> int:
    hazards = [hazard for one in found for hazard in one.hazards]
    if any(hazard.fails for hazard in hazards):
        return 1
    return 3 if any(hazard.severity == "unseen" for hazard in hazards) else 0


def _plain(found: Sequence[Linted]) -> dict[str, Any]:
    return {
        "failed": _code(found) == 1,
        "statements": sum(one.statements for one in found),
        "hazards": [_hazard(hazard) for one in found for hazard in one.hazards],
    }


def _hazard(one: Hazard) -> dict[str, Any]:
    file, _, line = one.place.rpartition(":")
    return {
        "code": one.rule.code,
        "name": one.rule.name,
        "severity": one.severity,
        "file": file,
        "line": int(line) if line.isdigit() else None,
        "sql": one.sql,
        "says": one.says,
        "harm": one.rule.harm,
        "remedy": one.rule.remedy,
        "rewrite": one.rewrite,
        "locks": [{"table": lock.table, "mode": lock.mode, "stops": list(lock.stops)} for lock in one.claim.locks],
        "rewrites": list(one.claim.rewrites),
        "reads_whole": list(one.claim.scans),
        "algorithm": one.claim.algorithm or None,
        "proof": one.rule.proof,
    }


def _lines(found: Sequence[Linted], *, is_quiet: bool) -> Iterator[str]:
    from rehearse.units import counted  # noqa: PLC0415

    hazards = [hazard for one in found for hazard in one.hazards]
    for hazard in hazards:
        if not (is_quiet and hazard.severity == "note"):
            yield from _told(hazard)
    failing = sum(hazard.fails for hazard in hazards)
    unseen = sum(hazard.severity == "unseen" for hazard in hazards)
    notes = len(hazards) - failing - unseen
    mark = {0: "✓", 1: "✗", 3: "?"}[_code(found)]
    parts = [counted(failing, "hazard"), counted(notes, "note")]
    parts += [f"{counted(unseen, 'statement')} not seen into"] if unseen else []
    whole = f"{counted(sum(one.statements for one in found), 'statement')} of {counted(len(found), 'migration')}"
    yield f"{mark} {', '.join(parts)} in {whole}"


def _told(one: Hazard) -> Iterator[str]:
    yield f"{one.place}: {one.rule.code} {one.severity}: {one.says}"
    sql = " ".join(one.sql.split())
    yield f"    {sql if len(sql) <= _WIDTH else sql[: _WIDTH - 1] + '…'}"
    if one.severity == "note":
        return
    why = [f"{lock.mode} on {lock.table} stops {' and '.join(lock.stops)}" for lock in one.claim.locks if lock.stops]
    yield from _wrapped(". ".join([*why, one.rule.harm]), "why")
    yield from _wrapped(one.rule.remedy, "do")
    if one.rewrite:
        yield from (f"        {line}" for line in one.rewrite.splitlines())


def _wrapped(text: str, lead: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"    {lead + ':':4} ", subsequent_indent=" " * 9)
