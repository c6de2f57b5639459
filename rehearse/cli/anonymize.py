"""`rehearse anonymize URL`: a copy of a real database in which nobody can be found again."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from rehearse.cli import subset

if TYPE_CHECKING:
    import pyarrow
    from rich.progress import Progress, TaskID

    from rehearse.datasets.masking import Found, Spot, Treatment
    from rehearse.datasets.masks import Masks, Tally, Verify
    from rehearse.engines.postgres.copying import Copied, Source
    from rehearse.events import Event
    from rehearse.profiles import Structure

_SAMPLE_ROWS = 2000
_KEY_BYTES = 16  # the fewest that cannot be guessed


@click.command("anonymize")
@click.argument("url")
@click.option("--into", metavar="URL", help="An empty PostgreSQL database; without tables, the schema is copied too.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write Parquet files here instead.")
@click.option("--rules", type=click.Path(path_type=Path, dir_okay=False), help="TOML: what is done to which column.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The secret that pseudonyms hang on; or in REHEARSE_KEY. Without one, a random key is used once.",
)
@subset.options
@click.option("--workers", type=click.IntRange(1, 64), help="Tables copied at once.  [default: one a processor]")
@click.option(
    "--verify",
    type=click.Choice(["sample", "full"]),
    default="sample",
    show_default=True,
    help="Look for the source's values in the copy: for some 50,000 different ones of each column, or for all, which "
    "needs 24 bytes of memory for each. Either way every value is compared with its own pseudonym, where none may "
    "stay as it is.",
)
@click.option("--no-verify", "unverified", is_flag=True, help="Look for none.")
@click.option("--plan", is_flag=True, help="Only say what would be done to each column; write nothing.")
@click.option(
    "--yes-this-is-disposable", "disposable", is_flag=True, help="Fill empty tables though others of --into hold rows."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done to each column as JSON.")
def command(  # noqa: PLR0917
    url: str,
    into: str | None,
    out: Path | None,
    rules: Path | None,
    key_file: Path | None,
    workers: int | None,
    verify: Literal["sample", "full"],
    *,
    unverified: bool,
    plan: bool,
    disposable: bool,
    as_json: bool,
    where: tuple[str, ...],
    shares: tuple[str, ...],
    children: str,
    seed: int,
) -> int:
    r"""Copy a real PostgreSQL database so that nobody in it can be found again.

    URL is only read, in one snapshot. Names, mail addresses, numbers and the like become others of the same form, the
    same wherever they occur, so that joins, unique columns and lengths survive. A text of which nothing is known is
    masked too. What is done to a column may be said in a file of rules:

    \b
    [columns]
    "customers.email" = "email"
    "customers.profile.address.city" = "address"   # a place in a document
    "orders.placed_at" = "shift 30d"
    "products.title" = "keep"

    Rules: keep, null, text, number, "shift 30d", "round 2" (digits that count), "round month", "round year", email,
    phone, name, address, iban, card, ip, national id, free text, birth date, user name, url, secret, location.

    With --where or --share only some rows are copied, and no foreign key is broken: parents always come along, and
    children with the rows that were asked for. --share 5% takes a share of the tables with which one can start, and
    those that no foreign key leads to whole up to 10,000 rows; --plan says how much it would be of each table. (There
    is no copy of some rows without masking: a real database's rows belong nowhere else.)

    \b
    --where "customers: region = 'EU'" --children orders,order_items
    --share customers=5% --share audit.log=0%
    """
    from rehearse.engines.postgres import copying  # noqa: PLC0415

    if not plan and (into is None) == (out is None):
        raise click.UsageError("name one of --into URL and --out DIR")
    key = _key(key_file)
    asked = _rules(rules)
    wanted = subset.asked(where, shares, children)
    with copying.opened(url, "URL") as source:
        treated = _treated(source, asked)
        sizes: Sequence[subset.Size] = ()
        if wanted:
            source, sizes = subset.chosen(source, wanted, seed, quiet=as_json)  # noqa: PLW2901
        if plan:
            _tell_plan(treated, sizes, as_json=as_json)
            return 0
        from rehearse.datasets.masks import Masks  # noqa: PLC0415

        looking: Verify = "none" if unverified else verify
        masks = Masks(key or secrets.token_bytes(32), source.structure, treated, verify=looking)
        tables = [copying.Copied(source, name, masks.batch, _arrays(source, name, treated)) for name in _names(source)]
        started = time.monotonic()
        if sizes and not as_json:
            _table(*subset.heads_and_rows(sizes))
        with _counted(tables, quiet=as_json) as counted, _threads_alternating():
            if into:
                _fill(source, into, counted, workers, disposable=disposable)
            elif out:
                _write(source.structure, counted, out)
    return _tell(masks, tables, time.monotonic() - started, sizes, as_json=as_json, repeatable=key is not None)


@contextmanager
def _threads_alternating() -> Iterator[None]:
    """Let threads take turns often: what reads rows would make what masks them wait 5 ms for each of its many calls.

    With another thread busy in Python a batch took 52 µs a row, and takes 8 so.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _key(file: Path | None) -> bytes | None:
    """Return the user's key, None where there is none."""
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    text = file.read_bytes().strip() if file else os.environ.get("REHEARSE_KEY", "").encode()
    where = f"--key-file {file}" if file else "REHEARSE_KEY"
    if (file or text) and len(text) < _KEY_BYTES:
        raise ScenarioMistake(
            f"{where}: a key of {len(text)} bytes can be guessed; make one: python -c 'import secrets; "
            "print(secrets.token_hex(32))'"
        )
    return text or None


def _rules(file: Path | None) -> dict[str, str]:
    from rehearse.errors import ScenarioMistake, near_miss  # noqa: PLC0415

    if file is None:
        return {}
    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioMistake(f"{file}: {error}") from None
    for name in read:
        if name != "columns":
            raise ScenarioMistake(f"{file}: {name}: no such key{near_miss(name, ['columns'])}")
    return dict(_flat(file, read.get("columns", {}), ""))


def _flat(file: Path, tree: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield names and rules, whether a name is quoted whole or its parts are TOML's own tables."""
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield from _flat(file, inner, f"{path}.{name}" if path else name)
    elif isinstance(tree, str):
        yield path, tree
    else:
        raise ScenarioMistake(f"{file}: columns.{path}: {tree!r} is no rule; write a text such as 'email' or 'keep'")


def _names(source: Source) -> list[str]:
    return [table.name for table in source.structure.parents_first()]


def _treated(source: Source, rules: Mapping[str, str]) -> dict[Spot, Treatment]:
    """Look at a sample of every table, and decide what is done to each column."""
    from rehearse.datasets import masking  # noqa: PLC0415

    # A rule that cannot be is said before anything is read.
    masking.resolve(source.structure, rules)
    found: dict[Spot, Found] = {}
    for name in source.structure.tables:
        found |= _findings(source, name)
    return masking.treatments(source.structure, found, rules, partitioned_by=source.partitioned_by)


def _findings(source: Source, name: str) -> dict[Spot, Found]:
    from rehearse.datasets import findings  # noqa: PLC0415

    table = source.structure.tables[name]
    looked_at = [one for one in table.columns.values() if one.type.kind in ("text", "json", "array")]
    if not looked_at:
        return {}
    arrays = frozenset(one.name for one in looked_at if one.type.kind == "array")
    sample = source.sample(name, [one.name for one in looked_at], arrays, _SAMPLE_ROWS)
    if sample is None:
        return {}
    return {
        (name, one.name): findings.found(
            one, sample.column(one.name).combine_chunks(), partial(source.fewest_rows, name, one.name)
        )
        for one in looked_at
    }


def _arrays(source: Source, name: str, treated: Mapping[Spot, Treatment]) -> frozenset[str]:
    """Return the arrays of a table whose elements are masked."""
    columns = source.structure.tables[name].columns.values()
    masked = (one for one in columns if one.type.kind == "array" and not treated[name, one.name].rule.keeps)
    return frozenset(one.name for one in masked)


def _fill(source: Source, into: str, tables: Sequence[_Counted], workers: int | None, *, disposable: bool) -> None:
    """Fill an empty database: its schema first, where it has no tables."""
    from rehearse.engines.postgres import copying, given  # noqa: PLC0415
    from rehearse.engines.postgres.load import load  # noqa: PLC0415
    from rehearse.engines.postgres.structure import structure  # noqa: PLC0415

    copying.refuse_itself(source, into, "--into")
    target = _Target(into)
    if not disposable:
        with target.connect() as connection:
            given.refuse_rows(
                connection, "--into", "name an empty one, or say --yes-this-is-disposable if nobody will miss it"
            )
    if not copying.has_tables(into, "--into"):
        copying.copy_schema(source, into, "--into")
    copying.refuse_other_tables(source, structure(target), "--into")
    target.refuse_full([one.table for one in tables])
    load(target, tables, _Silent(), streams=workers)
    copying.refill_views(source, into, "--into")


@dataclass(frozen=True, slots=True)
class _Target:
    """A database of the user's, of which only empty tables are filled."""

    url: str

    def connect(self, **options: Any) -> Any:
        from rehearse.engines.postgres import given  # noqa: PLC0415

        return given.connect(self.url, "--into", **options)

    def refuse_full(self, tables: Sequence[str]) -> None:
        from rehearse.engines.postgres import given  # noqa: PLC0415
        from rehearse.errors import NotDisposable  # noqa: PLC0415

        with self.connect() as connection:
            for table in tables:
                schema, _, name = table.rpartition(".")
                if given.has_rows(connection, schema or "public", name):
                    raise NotDisposable(f"--into: table {table} holds rows, and only empty tables are filled")


class _Silent:
    """A journal that nobody reads."""

    def write(self, event: Event, /) -> None:
        """Keep nothing: the tables tell themselves how many rows they had."""

    def write_frame(self, kind: type[Event], frame: Any, /) -> None:
        """Take no dense facts: loading writes none."""


def _write(structure: Structure, tables: Sequence[_Counted], folder: Path) -> None:
    """Write a Parquet file a table; texts but for whole numbers and floats."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from rehearse.datasets.arrow import arrow_type  # noqa: PLC0415
    from rehearse.errors import NotDisposable  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        path = folder / f"{table.table}.parquet"
        if path.exists():
            raise NotDisposable(f"--out: {path} is there already; name another folder, or remove it")
        columns = structure.tables[table.table].columns.values()
        schema = pa.schema(
            [
                (one.name, arrow_type(one.type) if one.type.kind in ("integer", "float") else pa.string())
                for one in columns
                if not one.computed
            ]
        )
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for chunk in table.chunks():
                writer.write_batch(chunk.cast(schema))


@dataclass(frozen=True, slots=True)
class _Counted:
    """A table whose chunks move a progress bar."""

    inner: Copied
    progress: Progress
    task: TaskID
    is_text: Literal[True] = True

    @property
    def table(self) -> str:
        return self.inner.table

    @property
    def rows(self) -> int:
        return self.inner.rows

    def chunks(self) -> Iterator[pyarrow.RecordBatch]:
        for chunk in self.inner.chunks():
            yield chunk
            self.progress.advance(self.task, len(chunk))


@contextmanager
def _counted(tables: Sequence[Copied], *, quiet: bool) -> Iterator[Sequence[_Counted]]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        width = max((len(one.table) for one in tables), default=0)
        tasks = [progress.add_task(one.table.ljust(width), total=one.rows or None) for one in tables]
        yield [_Counted(one, progress, task) for one, task in zip(tables, tasks, strict=True)]


def _tell_plan(treated: Mapping[Spot, Treatment], sizes: Sequence[subset.Size], *, as_json: bool) -> None:
    if as_json:
        columns = [
            {"table": table, "column": column, "rule": one.rule.word, "why": one.why}
            for (table, column), one in treated.items()
        ]
        tables = {"tables": subset.described(sizes)} if sizes else {}
        click.echo(json.dumps({**tables, "columns": columns}, indent=2))
        return
    if sizes:
        _table(*subset.heads_and_rows(sizes))
    _table(
        ("column", "rule", "why"),
        [(f"{table}.{column}", one.rule.word, one.why) for (table, column), one in treated.items()],
    )


def _tell(
    masks: Masks,
    tables: Sequence[Copied],
    took_s: float,
    sizes: Sequence[subset.Size],
    *,
    as_json: bool,
    repeatable: bool,
) -> int:
    """Print what was done, and return 1 where a value of the source was found in the copy."""
    from rehearse.units import human_count  # noqa: PLC0415

    rows = sum(one.rows for one in tables)
    leaks = {spot: tally.leaks for spot, tally in masks.tallies.items() if tally.leaks}
    if as_json:
        columns = [_described(spot, tally) for spot, tally in masks.tallies.items()]
        told = {
            "columns": columns,
            "rows": rows,
            "took_s": round(took_s, 3),
            "repeatable": repeatable,
            "verify": masks.verify,
        }
        told |= {"tables": subset.described(sizes)} if sizes else {}
        click.echo(json.dumps(told, indent=2))
    else:
        heads = ("column", "rule", "why", "rows", "different before", "after", "seen again")
        _table(heads, [_row(spot, tally) for spot, tally in masks.tallies.items()])
        click.echo(f"{human_count(rows)} rows in {took_s:.1f} s")
        click.echo(_verified(masks))
        if not repeatable:
            click.echo("the key was random and is gone: another copy will have other pseudonyms (see --key-file)")
    for (table, column), count in leaks.items():
        click.echo(f"rehearse: {table}.{column}: {count} values of the source are in the copy", err=True)
    return 1 if leaks else 0


def _verified(masks: Masks) -> str:
    """Say what was verified."""
    if masks.verify == "none":
        return "not verified: nobody looked for values of the source in the copy"
    least = min((tally.sightings.share for tally in masks.tallies.values() if tally.sightings), default=1.0)
    share = "all" if least >= 1.0 else f"{least:.2g} or more"
    more = "" if least >= 1.0 else "; --verify full looks for all"
    return (
        f"verified: every masked value against its own pseudonym, where none may stay; {share} of each column's "
        f"different values looked for in all of the copy{more}"
    )


def _described(spot: Spot, tally: Tally) -> dict[str, object]:
    seen = tally.sightings
    return {
        "table": spot[0],
        "column": spot[1],
        "rule": tally.treatment.rule.word,
        "why": tally.treatment.why,
        "rows": tally.rows,
        "nulls": tally.nulls,
        "different_before": seen.different(0) if seen else None,
        "different_after": seen.different(1) if seen else None,
        "seen_again": seen.seen_again() if seen else None,
        "leaks": tally.leaks if seen else None,
        "looked_at": seen.share if seen else None,
    }


def _row(spot: Spot, tally: Tally) -> tuple[str, ...]:
    from rehearse.units import human_count  # noqa: PLC0415

    seen = tally.sightings
    counts = (seen.different(0), seen.different(1), seen.seen_again()) if seen else (None, None, None)
    words = (f"{spot[0]}.{spot[1]}", tally.treatment.rule.word, tally.treatment.why, human_count(tally.rows))
    return *words, *("" if one is None else human_count(one) for one in counts)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    for row in (heads, *rows):
        cells = (
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())
