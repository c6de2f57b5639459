"""`rehearse init [URL]`: a first scenario for the project in this folder."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rehearse.model.names import told
from rehearse.units import counted

if TYPE_CHECKING:
    from rehearse.cli.first_rows import Rows
    from rehearse.tools._projects import Found

# Estimated rows, without reading any. Any version; needs no right beyond CONNECT. Milliseconds.
_TABLES = """
SELECT c.relname, n.nspname, greatest(c.reltuples, 0)::bigint
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 3 DESC, 2, 1
LIMIT 12
"""


@click.command("init")
@click.argument("url", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("rehearse.toml"), show_default=True, help="The file."
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option(
    "--rows/--no-rows",
    default=True,
    show_default=True,
    help="Make the schema on a server of our own, and write a profile with rows for its tables.",
)
def command(url: str | None, out: Path, *, force: bool, rows: bool) -> None:
    """Write a first scenario for the project in this folder: its newest migration, forward and back, under traffic.

    Alembic, Django, dbmate, golang-migrate, goose, diesel, Flyway, knex and Sequelize are recognized. With URL the
    names and estimated rows of its tables are read, in a read-only transaction; no row is read, nothing is written.

    Where the schema before that migration can be made here (SQL files, Alembic), it is, on a disposable server, and
    rows for its tables stand in a profile beside the scenario: on empty tables no lock lasts.
    """
    from rehearse.errors import Mistake  # noqa: PLC0415
    from rehearse.tools._projects import projects  # noqa: PLC0415

    profile = out.with_name(f"{out.stem}.profile.toml")
    for file in (out, profile) if rows else (out,):
        if file.exists() and not force:
            raise Mistake(f"{file} is there already; name another file with --out, or write over it with --force")
    folder = Path.cwd()
    found = list(projects(folder))
    tables = _tables(url) if url else ()
    first = found[0] if found else None
    made = _rows(folder, scenario(folder.name, first, tables), first, dict(tables)) if rows else None
    if made and made.text:
        _write(profile, made.text)
    text = scenario(folder.name, first, tables, profile=profile.name if made and made.text else None)
    _write(out, _moved(text, folder, out))
    for line in _told(out, profile, found, made):
        click.echo(line)


def scenario(
    project: str, found: Found | None, tables: Sequence[tuple[str, int]], *, profile: str | None = None
) -> str:
    """Return a scenario, with comments, that can be read."""
    name = re.sub(r"[^\w.-]+", "-", project).strip("-.") or "first"
    return "\n".join([*_head(name, found), *_data(tables, profile), *_MIGRATION, *_change(found), *_REST]) + "\n"


def _rows(folder: Path, text: str, found: Found | None, estimates: Mapping[str, int]) -> Rows | None:
    """Return rows for the tables that the change starts from; None where the scenario must first be filled in."""
    from rehearse.cli.first_rows import first_rows  # noqa: PLC0415
    from rehearse.reading.scenario import parse  # noqa: PLC0415

    if found is None or found.to_fill_in:
        return None
    return first_rows(parse(tomllib.loads(text), file=folder / "rehearse.toml"), estimates)


def _head(name: str, found: Found | None) -> list[str]:
    what = found.newest or f"the newest migration of {found.place}" if found else "a first rehearsal"
    return [
        "# A rehearsal of one migration: `rehearse run` and this file's name. Paths are relative to this file.",
        f'name = "{name}"',
        f'why  = "{_plain(what)}"',
        "",
    ]


def _data(tables: Sequence[tuple[str, int]], profile: str | None) -> list[str]:
    lines = [
        "[data]",
        "# Without rows nothing is known of how long locks last, and the verdict is unknown. Choose one:",
        *_profile(profile),
        '# load    = ["base.sql"]    # SQL files with your own schema and rows',
        '# dump    = "shop.dump"     # a dump by pg_dump',
    ]
    if tables:
        lines += ["# The largest tables found, by the server's estimate:"]
        lines += [f"#   {_plain(table)}: {rows:,} rows" for table, rows in tables]
    return [*lines, ""]


def _profile(name: str | None) -> list[str]:
    if name is None:
        return [
            '# profile = "shop.toml"     # rows made from the shape of a database …',
            "# scale   = 0.1             # … at this share of its row counts",
        ]
    return [
        f"profile = {_quoted(name)}   # rows made by the columns' types and names: how many stands there …",
        "scale   = 1.0             # … and this share of them is made",
    ]


_MIGRATION = ["[migration]"]


def _change(found: Found | None) -> list[str]:
    if found is None:
        return [
            'tool     = "sql"           # or alembic; or command: any shell command, DATABASE_URL in its environment',
            'schema   = "schema.sql"    # the schema that the change starts from',
            'forward  = "change.up.sql"',
            'back     = "change.down.sql"',
            "",
        ]
    return [f"# {found.made_by}, from {found.place}", *found.migration, *(f"# {one}" for one in found.remarks), ""]


_REST = [
    "[workload]                   # the traffic meanwhile; without calls it is derived from the schema",
    "sessions = 16",
    'rate     = "200/s"',
    'baseline = "5s"              # the same traffic without the migration, to compare with',
    "",
    "# [[workload.calls]]",
    '# name   = "read order"',
    '# sql    = "select * from orders where id = :id"',
    '# values = { id = "orders.id" }',
    "",
    "[budget]                     # what the application can bear",
    'blocked     = "1s"           # longest time that one table is closed to reads or to writes',
    "# slowdown  = 3.0            # p99 while migrating against p99 of the baseline",
    "lost_writes = 0",
    "fidelity    = 1.0            # how much of the start the way back brings back",
]


def _moved(text: str, folder: Path, out: Path) -> str:
    """Return the text with a word on paths where the file does not lie in the project's folder."""
    if out.resolve().parent == folder.resolve():
        return text
    return f"# The paths below are those of {folder}: this file lies elsewhere, so change them.\n{text}"


def _told(out: Path, profile: Path, found: Sequence[Found], made: Rows | None) -> list[str]:
    if not found:
        return [f"wrote {out}; no migrations were recognized here: name the files in [migration], then", *_next(out)]
    first, *others = found
    lines = [f"found {first.made_by} in {first.place}", *(f"note: {one}" for one in first.remarks)]
    lines += [f"also there: {one.made_by} in {one.place}" for one in others]
    if made and made.text:
        lines.append(f"wrote {profile}: rows for {counted(len(made.tables), 'table')}; set them to production's")
        return [*lines, f"wrote {out}; now", *_next(out)]
    if made:
        lines.append(f"note: no rows were made: {made.why_not}")
    return [*lines, f"wrote {out}; give it rows in [data] (without any the verdict is unknown), then", *_next(out)]


def _next(out: Path) -> list[str]:
    return [f"  rehearse run {out}"]


def _tables(url: str) -> list[tuple[str, int]]:
    """Return the largest tables and their estimated rows; the transaction is read-only and ends within 10 s."""
    import psycopg  # noqa: PLC0415

    from rehearse.engines.postgres import given  # noqa: PLC0415
    from rehearse.errors import Mistake  # noqa: PLC0415

    options = "-c default_transaction_read_only=on -c statement_timeout=10s -c lock_timeout=1s"
    ours = {"options": options, "application_name": "rehearse init"}
    try:
        with given.connect(url, "URL", autocommit=False, **ours) as connection:
            rows: list[Any] = connection.execute(_TABLES).fetchall()
    except psycopg.Error as error:
        raise Mistake(f"the tables of the database could not be read: {str(error).strip().splitlines()[0]}") from None
    return [(told(schema, name), rows) for name, schema, rows in rows]


def _quoted(text: str) -> str:
    return f'"{_plain(text)}"'


def _plain(text: str) -> str:
    """Return a text without what would end a comment or a TOML string."""
    return re.sub(r"[\x00-\x1f\x7f\"\\]", " ", text)


def _write(out: Path, text: str) -> None:
    from rehearse.errors import Mistake  # noqa: PLC0415

    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{out} cannot be written: {error.strerror}") from None
