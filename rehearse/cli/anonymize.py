"""`rehearse anonymize URL`: a copy of a real database, with pseudonyms for what tells of people."""

from __future__ import annotations

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

from rehearse.cli import anonymized, subset

if TYPE_CHECKING:
    import pyarrow
    from rich.progress import Progress, TaskID

    from rehearse.datasets.masking import Found, Spot, Treatment
    from rehearse.datasets.masks import Verify
    from rehearse.engines.postgres.copying import Copied, Source
    from rehearse.engines.postgres.schema_copy import Schema
    from rehearse.errors import RehearseError, ServerFailed
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
@click.option(
    "--shift-times",
    "shift_days",
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    help="Move all dates and timestamps that would be kept by the same secret 1 to DAYS days; differences stay.",
)
@click.option(
    "--timeout", default="60s", show_default=True, help="Longest that URL may count the values of one column."
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
    shift_days: int | None,
    timeout: str,
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
    r"""Copy a real PostgreSQL database with pseudonyms for what tells of people.

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
    mailbox (a mail address whose domain stays), phone, name, address, iban, card, ip, national id, free text, birth
    date, user name, url, secret, location.

    The schema is copied as it is, but for what leads to other servers (foreign tables and their servers, with their
    passwords) and for comments that may tell of people. Defaults, conditions, enums and functions may tell of them,
    too: such texts are listed, and the exit code is 3 until they are said to tell of nobody, or are gone:

    \b
    [schema]
    keep = ["Europe/*", "info@example.org"]

    Kept are keys that are numbers, other numbers, and dates and times (see --shift-times): who holds the source, or
    knows a row's number or moment, finds that row again.

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
    with copying.opened(url, "URL", counting_ms=_timeout_ms(timeout)) as source:
        treated = _treated(source, asked.columns, shift_days)
        sizes: Sequence[subset.Size] = ()
        if wanted:
            source, sizes = subset.chosen(source, wanted, seed, quiet=as_json)  # noqa: PLW2901
        if plan:
            anonymized.tell_plan(treated, sizes, as_json=as_json)
            return 0
        from rehearse.datasets.masks import Masks  # noqa: PLC0415

        looking: Verify = "none" if unverified else verify
        masks = Masks(key or secrets.token_bytes(32), source.structure, treated, verify=looking)
        tables = [copying.Copied(source, name, masks.batch, _arrays(source, name, treated)) for name in _names(source)]
        started = time.monotonic()
        if sizes and not as_json:
            anonymized.table(*subset.heads_and_rows(sizes))
        schema, empty_views = None, list[str]()
        with _counted(tables, quiet=as_json) as counted, _threads_alternating():
            if into:
                schema, empty_views = _fill(source, into, counted, workers, asked.schema, disposable=disposable)
            elif out:
                _write(source.structure, counted, out)
    done = anonymized.Done(
        masks=masks,
        structure=source.structure,
        rows=sum(one.rows for one in tables),
        took_s=time.monotonic() - started,
        sizes=sizes,
        repeatable=key is not None,
        schema=schema,
        empty_views=tuple(empty_views),
        known=asked.schema,
    )
    return anonymized.tell(done, as_json=as_json)


def _timeout_ms(text: str) -> int:
    from rehearse import units  # noqa: PLC0415

    try:
        found = units.duration_ns(text) // 1_000_000
    except ValueError as error:
        raise click.UsageError(f"--timeout: {error}") from None
    if found < 1:
        raise click.UsageError("--timeout: at least 1ms; a statement without a limit has no place on a live database")
    return found


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a file of rules says: the rule of each column, and patterns of texts of the schema that tell of nobody."""

    columns: Mapping[str, str]
    schema: tuple[str, ...] = ()


def _rules(file: Path | None) -> _Asked:
    from rehearse.errors import ScenarioMistake, near_miss  # noqa: PLC0415

    if file is None:
        return _Asked({})
    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioMistake(f"{file}: {error}") from None
    for name in read:
        if name not in ("columns", "schema"):
            raise ScenarioMistake(f"{file}: {name}: no such key{near_miss(name, ['columns', 'schema'])}")
    return _Asked(dict(_flat(file, read.get("columns", {}), "")), _known(file, read.get("schema", {})))


def _known(file: Path, schema: Any) -> tuple[str, ...]:
    from rehearse.errors import ScenarioMistake, near_miss  # noqa: PLC0415

    for name in schema if isinstance(schema, dict) else ["schema"]:
        if name != "keep":
            raise ScenarioMistake(f"{file}: schema.{name}: no such key{near_miss(name, ['keep'])}")
    known = schema.get("keep", [])
    if not isinstance(known, list) or not all(isinstance(one, str) for one in known):
        raise ScenarioMistake(f'{file}: schema.keep = {known!r}: write a list of texts, such as ["Europe/*"]')
    return tuple(known)


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
    """Return the tables whose rows hold anything."""
    from rehearse.engines.postgres.copying import columns_of  # noqa: PLC0415

    return [table.name for table in source.structure.parents_first() if columns_of(table)]


def _treated(source: Source, rules: Mapping[str, str], shift_days: int | None) -> dict[Spot, Treatment]:
    """Look at a sample of every table, and decide what is done to each column."""
    from rehearse.datasets import masking  # noqa: PLC0415

    # A rule that cannot be is said before anything is read.
    masking.resolve(source.structure, rules)
    found: dict[Spot, Found] = {}
    for name in source.structure.tables:
        found |= _findings(source, name)
    return masking.treatments(
        source.structure, found, rules, partitioned_by=source.partitioned_by, shift_days=shift_days
    )


def _findings(source: Source, name: str) -> dict[Spot, Found]:
    from rehearse.datasets import findings  # noqa: PLC0415

    table = source.structure.tables[name]
    kinds = ("text", "json", "array", "integer", "numeric")
    looked_at = [one for one in table.columns.values() if one.type.kind in kinds and not one.computed]
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


def _fill(
    source: Source,
    into: str,
    tables: Sequence[_Counted],
    workers: int | None,
    known: Sequence[str],
    *,
    disposable: bool,
) -> tuple[Schema | None, list[str]]:
    """Fill an empty database, its schema first where it has no tables; return that, and which views stay empty."""
    from rehearse.engines.postgres import copying, given, schema_copy  # noqa: PLC0415
    from rehearse.engines.postgres.load import load  # noqa: PLC0415
    from rehearse.engines.postgres.structure import structure  # noqa: PLC0415
    from rehearse.errors import ServerFailed  # noqa: PLC0415

    copying.refuse_itself(source, into, "--into")
    target, schema = _Target(into), None
    if not disposable:
        with target.connect() as connection:
            given.refuse_rows(
                connection, "--into", "name an empty one, or say --yes-this-is-disposable if nobody will miss it"
            )
    if not copying.has_tables(into, "--into"):
        schema = schema_copy.schema_of(source, known)
        schema_copy.make(schema, into, "--into")
    copying.refuse_other_tables(source, structure(target), "--into")
    target.refuse_full([one.table for one in tables])
    try:
        load(target, tables, _Silent(), streams=workers)
    except ServerFailed as error:
        raise _in_words_of_rules(error, target) from None
    return schema, schema_copy.refill_views(source, into, "--into")


def _in_words_of_rules(error: ServerFailed, target: _Target) -> RehearseError:
    """Return what to do where the server takes no pseudonyms; loading speaks of profiles, and there is none here.

    What the server says of the row is left out: values that are kept may be in it.
    """
    import psycopg  # noqa: PLC0415

    from rehearse.engines.postgres.copying import columns_in  # noqa: PLC0415
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    cause = error.__cause__
    if not isinstance(cause, psycopg.errors.IntegrityError | psycopg.errors.DataError):
        return error
    diag = cause.diag
    with target.connect() as connection:
        columns = columns_in(connection, diag.schema_name, diag.table_name, diag.constraint_name, diag.column_name)
    table = diag.table_name if diag.schema_name in (None, "public") else f"{diag.schema_name}.{diag.table_name}"
    names = [f"{table}.{column}" for column in columns]
    where = " and ".join(names) or str(error).partition(":")[0]
    return ScenarioMistake(
        f"--into: {where}: the server refuses the pseudonyms: {diag.message_primary or str(cause).strip()}; say what "
        f'is done instead: --rules FILE with [columns] "{names[0] if names else "table.column"}" = a rule whose values '
        'the table takes, such as "mailbox" (a mail address whose domain stays), "text", "null", or "keep" if it tells '
        "of nobody"
    )


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
        from rehearse.model.names import split  # noqa: PLC0415

        with self.connect() as connection:
            for table in tables:
                schema, name = split(table)
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
