"""`rehearse data PROFILE`: a dataset from a profile, into a database or into Parquet files."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    import pyarrow
    from rich.progress import Progress, TaskID

    from rehearse.cli.similarity import Likeness
    from rehearse.datasets import GeneratedTable
    from rehearse.datasets.workers import Workers
    from rehearse.events import Event
    from rehearse.profiles import Profile, Structure
    from rehearse.protocols import TableData


@click.command("data")
@click.argument("profile")
@click.option("--scale", type=float, default=1.0, show_default=True, help="Share of the profile's rows.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--into", metavar="URL", help="Fill the empty tables of this database (PostgreSQL, MySQL, MariaDB).")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write Parquet files here.")
@click.option("--schema", type=click.Path(path_type=Path, exists=True), help="The tables' SQL, for --out.")
@click.option("--tables", metavar="T=ROWS,…", default="", help="Rows of single tables: orders=5M,events=0.")
@click.option(
    "--yes-this-is-disposable", "disposable", is_flag=True, help="Fill empty tables though others of --into hold rows."
)
@click.option(
    "--like",
    "--similarity",
    "like",
    metavar="URL",
    help="Say how near what was loaded is to this database, which is only read.",
)
@click.option(
    "--workers",
    metavar="N|tcp://HOST:PORT",
    default="0",
    show_default=True,
    callback=lambda _context, _option, text: _workers(text),
    help="Who makes the rows, the same to the byte: 0 the loading threads, which keep up with one server; N processes, "
    "for wide rows or --out; a Dask scheduler, for many machines (needs rehearse-migrations[cluster]).",
)
@click.option(
    "--statistics",
    type=click.Choice(["production"]),
    help="Have the planner of --into reckon with the profile's rows at scale 1, whatever --scale is: estimates of rows "
    "are production's then, but not the cost of reading pages. PostgreSQL 18 and later; an ANALYZE undoes it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def command(  # noqa: PLR0917
    profile: str,
    scale: float,
    seed: int,
    into: str | None,
    out: Path | None,
    schema: Path | None,
    tables: str,
    *,
    disposable: bool,
    like: str | None,
    statistics: str | None,
    workers: Workers | None,
    as_json: bool,
) -> None:
    """Make a dataset from a profile: a name in data_profiles/, or a path."""
    from rehearse import datasets  # noqa: PLC0415
    from rehearse.reading import profile as profiles  # noqa: PLC0415

    if (into is None) == (out is None):
        raise click.UsageError("name one of --into URL and --out DIR")
    if like and not into:
        raise click.UsageError("--like compares what --into has loaded; name --into URL too")
    if statistics and not into:
        raise click.UsageError("--statistics is for a server's planner; name --into URL too")
    if like:
        _reachable(like)
    if not 0 <= scale < math.inf:
        raise click.UsageError(f"--scale {scale}: write a share of the profile's rows, for example 0.05")
    if into and not disposable:
        _into(into).refuse_rows("name an empty one, or say --yes-this-is-disposable if nobody will miss it")
    if into and statistics:
        _into(into).check_statistics()
    described = profiles.find(profile, key="PROFILE")
    structure = _into(into).structure() if into else _made(described, schema)
    if into and not structure.tables:
        _refuse_no_tables(described, schema, into)
    opened = datasets.open_tables(described, structure, scale=scale, seed=seed, rows=_rows(tables))
    seen, started = _Seen(), time.monotonic()
    with datasets.made_by(workers, opened) as made, _counted(made, quiet=as_json) as counted:
        if into:
            _into(into).load(counted, seen)
        else:
            seen.sizes |= _write(counted, out)
    took_s = time.monotonic() - started
    likeness = _likeness(like, into, opened, scale) if like and into else None
    if into and statistics:
        _into(into).reckon_with(datasets.production(described, structure, seed=seed, rows=_rows(tables)), seen)
    _tell(opened, seen, took_s, likeness, as_json=as_json)


def _refuse_no_tables(profile: Profile, schema: Path | None, into: str) -> NoReturn:
    """Say how to make the tables: a dataset fills them, and never makes one."""
    from rehearse import registry  # noqa: PLC0415
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    if schema is None and profile.schema and profile.file:
        schema = profile.file.parent / profile.schema
    file = "SCHEMA.sql" if schema is None else os.path.relpath(schema)
    client = f"psql URL -f {file}" if registry.engine_of(into) == "postgres" else f"mysql -h HOST DATABASE < {file}"
    raise ScenarioMistake(
        f"--into: this database has no tables, and rows need tables; make them first: {client}, "
        "or run your migrations there"
    )


def _workers(text: str) -> Workers | None:
    from rehearse.datasets import workers  # noqa: PLC0415

    try:
        return workers.named(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _reachable(like: str) -> None:
    """Raise what would be raised after the load, if the database cannot be reached."""
    from rehearse.cli.similarity import Named  # noqa: PLC0415

    Named(like, "--like").connect().close()


def _likeness(like: str, into: str, tables: Sequence[GeneratedTable], scale: float) -> Likeness | None:
    """Return how near what was loaded is to its source; None where nothing was to be loaded."""
    from rehearse.cli.similarity import Named, compared  # noqa: PLC0415
    from rehearse.datasets import to_profile  # noqa: PLC0415

    if not scale or not tables:
        return None
    keys = to_profile.keys(tables[0].plan)
    return compared(Named(like, "--like"), Named(into, "--into"), scale=scale, keys=keys)


def _rows(text: str) -> dict[str, object]:
    from rehearse import units  # noqa: PLC0415

    rows: dict[str, object] = {}
    for one in filter(None, text.split(",")):
        table, _, count = one.partition("=")
        try:
            rows[table.strip()] = units.rows(count)
        except ValueError as error:
            raise click.UsageError(f"--tables {one}: {error}") from None
    return rows


def _into(url: str) -> Any:
    """Return a database of the user's, of which only empty tables are filled."""
    from rehearse import registry  # noqa: PLC0415

    return registry.part("engine", registry.engine_of(url), "given").Given(url, "--into")


class _Seen:
    """A journal that keeps the sizes of the tables and what a reader must know."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.remarks: list[str] = []

    def write(self, event: Event, /) -> None:
        from rehearse.events import Remarked, TableLoaded  # noqa: PLC0415

        if isinstance(event, TableLoaded):
            self.sizes[event.table] = event.size_bytes
        if isinstance(event, Remarked):
            self.remarks.append(event.says)

    def write_frame(self, kind: type[Event], frame: Any, /) -> None:
        """Take no dense facts: loading writes none."""


def _made(profile: Profile, schema: Path | None) -> Structure:
    """Return the structure that a schema file makes, on a server of our own that is gone afterwards."""
    from rehearse.engines.postgres import ENGINE  # noqa: PLC0415
    from rehearse.engines.postgres.structure import structure  # noqa: PLC0415
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415
    from rehearse.model import EngineChoice  # noqa: PLC0415

    if schema is None and profile.schema and profile.file:
        schema = profile.file.parent / profile.schema
    if schema is None or not schema.is_file():
        raise ScenarioMistake(
            f"{profile.file}: schema: the types of the columns are not known; "
            "name the SQL file that makes the tables: --schema FILE"
        )
    with ENGINE.start(EngineChoice(), _Seen()) as server:
        database = server.create("data")
        database.run_file(schema)
        return structure(database)


def _write(tables: Sequence[TableData], folder: Path | None) -> dict[str, int]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for table in tables:
        path, writer = folder / f"{table.table}.parquet", None
        try:
            for chunk in table.chunks():
                writer = writer or pq.ParquetWriter(path, chunk.schema, compression="zstd")
                writer.write_batch(chunk)
        finally:
            if writer:
                writer.close()
        sizes[table.table] = path.stat().st_size if writer else 0
    return sizes


@dataclass(frozen=True, slots=True)
class _Counted:
    """A table whose chunks move a progress bar, in rows and in bytes of Arrow."""

    inner: GeneratedTable
    progress: Progress
    task: TaskID

    @property
    def table(self) -> str:
        return self.inner.table

    @property
    def rows(self) -> int:
        return self.inner.rows

    @property
    def dead(self) -> float:
        return self.inner.dead

    @property
    def visible(self) -> float:
        return self.inner.visible

    def chunks(self) -> Iterable[pyarrow.RecordBatch]:
        from rehearse.units import human_size  # noqa: PLC0415

        made_bytes = 0
        for chunk in self.inner.chunks():
            yield chunk
            made_bytes += chunk.nbytes
            self.progress.update(self.task, advance=len(chunk), size=human_size(made_bytes))

    def sample(self, rows: int) -> pyarrow.RecordBatch:
        return self.inner.sample(rows)


@contextmanager
def _counted(tables: Sequence[GeneratedTable], *, quiet: bool) -> Iterator[Sequence[TableData]]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    counts = "{task.completed:>13,.0f} of {task.total:,.0f} rows", "{task.fields[size]:>10}"
    columns = TextColumn("{task.description}"), BarColumn(), *map(TextColumn, counts), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        width = max((len(one.table) for one in tables), default=0)
        tasks = [progress.add_task(one.table.ljust(width), total=one.rows, size="") for one in tables]
        yield [_Counted(one, progress, task) for one, task in zip(tables, tasks, strict=True)]


def _tell(tables: Sequence[TableData], seen: _Seen, took_s: float, likeness: Likeness | None, *, as_json: bool) -> None:
    from rehearse.cli import similarity  # noqa: PLC0415
    from rehearse.units import human_count, human_size  # noqa: PLC0415

    if as_json:
        made = {one.table: {"rows": one.rows, "bytes": seen.sizes.get(one.table)} for one in tables}
        compared = {"similarity": similarity.as_plain(likeness)} if likeness else {}
        remarks = {"remarks": seen.remarks} if seen.remarks else {}
        click.echo(json.dumps({"tables": made, "took_s": round(took_s, 3), **remarks, **compared}, indent=2))
        return
    width = max((len(one.table) for one in tables), default=0)
    for one in tables:
        click.echo(
            f"{one.table:<{width}}  {human_count(one.rows):>13} rows  {human_size(seen.sizes.get(one.table)):>10}"
        )
    click.echo(f"{human_count(sum(one.rows for one in tables))} rows in {took_s:.1f} s")
    for says in seen.remarks:
        click.echo(says)
    if likeness:
        similarity.told(likeness)
