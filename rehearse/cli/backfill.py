"""`rehearse backfill URL`: one UPDATE or INSERT … SELECT in batches by key. It writes to production."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.backfill import Backfill, Outlook, Result
    from rehearse.backfill.connections import Connections


@click.command("backfill")
@click.argument("url")
@click.option("--table", metavar="NAME", help="The table to UPDATE, as SQL has it, with --set and --where.")
@click.option("--set", "assignments", metavar="SQL", help="Its SET: \"full_name = first_name || ' ' || last_name\".")
@click.option("--where", metavar="SQL", help='What tells rows that are not done yet: "full_name IS NULL".')
@click.option("--sql", metavar="SQL", help="Or the whole UPDATE, or INSERT … SELECT.")
@click.option("--key", metavar="COLUMNS", help="A unique key, 'tenant,id'; else the primary key.")
@click.option("--batch", default="1000", show_default=True, metavar="KEYS", help="How many the first batch spans.")
@click.option(
    "--batch-time",
    default="100ms",
    show_default=True,
    metavar="TIME",
    help="What a batch should take; 'off': all alike.",
)
@click.option("--pause", default="0ms", show_default=True, metavar="TIME", help="Rest after each batch.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Ranges of keys at once.")
@click.option("--probe", "probes", multiple=True, metavar="SQL", help="Wait while its number is above --probe-max.")
@click.option("--probe-max", "ceilings", multiple=True, type=float, help="One for each --probe, in their order.")
@click.option("--latency", metavar="SQL", help="Slow down while the p99 of this query's time is above --latency-max.")
@click.option("--latency-max", metavar="TIME", help="Such as 20ms.")
@click.option("--max-lag", metavar="TIME", help="Wait while a replica is further behind.")
@click.option(
    "--replica",
    "replicas",
    multiple=True,
    metavar="URL",
    help="Ask this one for its lag; a PostgreSQL server knows its own.",
)
@click.option("--verify", metavar="SQL", help="A condition that no row may meet at the end; else the --where.")
@click.option(
    "--once", is_flag=True, help="The statement is not idempotent: the table of states alone tells what is done."
)
@click.option(
    "--lock-timeout",
    default="1s",
    show_default=True,
    metavar="TIME",
    help="Longest wait of a batch for a lock; then it is rolled back and tried again, smaller.",
)
@click.option(
    "--statement-timeout", default="30s", show_default=True, metavar="TIME", help="Longest time of a batch; the same."
)
@click.option(
    "--attempts", default=50, show_default=True, type=click.IntRange(1), help="How often one batch is tried in a row."
)
@click.option(
    "--state",
    default="rehearse_backfill",
    show_default=True,
    metavar="NAME",
    help="The table in which it notes where it has come to.",
)
@click.option("--keep-state", is_flag=True, help="Leave that table at the end.")
@click.option(
    "--resume/--restart", default=True, help="Go on where a run before this one ended (the default), or begin anew."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, with the plan of a batch; nothing is written.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what it came to as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def command(
    url: str,
    *,
    resume: bool,
    keep_state: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> int:
    r"""Run one UPDATE, or one INSERT … SELECT, over a large table while it is in use.

    THIS WRITES TO THE DATABASE THAT THE URL NAMES. It goes by key, each batch in a transaction of its own, sized so
    that it takes --batch-time; a batch that waits for a lock, or meets a deadlock, is rolled back and tried again,
    smaller. Where it has come to stands in a table beside the one that is filled, written in the same transaction:
    after a kill, the same command goes on there, and no row is done twice. At the end all keys are looked at once more,
    for rows that came meanwhile, and it ends well only if no row is left.

    The password comes from PGPASSWORD or .pgpass, on MySQL from MYSQL_PWD. Ctrl-C ends it after the batch under way, a
    second one at once.

    \b
    rehearse backfill postgresql://me@db/shop --table customers \
        --set "full_name = first_name || ' ' || last_name" --where "full_name IS NULL" --max-lag 2s
    rehearse backfill mysql://me@db/shop --sql "INSERT IGNORE INTO archive SELECT * FROM orders WHERE year < 2020"

    Exit codes: 0 done, and right; 1 rows are left that are not right; 3 the server refused it; 130 interrupted.
    """
    from rehearse.backfill import connections, look  # noqa: PLC0415
    from rehearse.cli import masked  # noqa: PLC0415

    task = _task(options)
    found = look(url, task, restart=not resume)
    if not as_json or dry_run:
        _tell(found, dry_run=dry_run, as_json=as_json)
    if dry_run:
        return 0
    if masked(url) != url:
        click.echo("warning  the password in the URL stands in this machine's list of processes", err=True)
    _ask(url, yes=yes)
    result = _run(url, task, connections(url, task), restart=not resume, keep_state=keep_state, quiet=quiet or as_json)
    if as_json:
        click.echo(json.dumps(_plain(found, result), indent=2))
    else:
        _conclude(result)
    return 130 if result.is_stopped else int(bool(result.left))


def _task(options: dict[str, Any]) -> Backfill:
    from rehearse import units  # noqa: PLC0415
    from rehearse.backfill import Backfill, Ceiling  # noqa: PLC0415

    probes, ceilings = options["probes"], options["ceilings"]
    if len(probes) != len(ceilings):
        raise click.UsageError("each --probe needs its --probe-max")
    if (options["latency"] is None) != (options["latency_max"] is None):
        raise click.UsageError("--latency and --latency-max go together")

    def time_ns(name: str) -> int:
        return _amount(name, options[name], units.duration_ns)

    return Backfill(
        statement=_statement(options["sql"], options["table"], options["assignments"], options["where"]),
        key=tuple(one.strip() for one in (options["key"] or "").split(",") if one.strip()),
        batch=_amount("batch", options["batch"], units.rows),
        batch_time_ns=None if options["batch_time"] == "off" else time_ns("batch_time"),
        pause_ns=time_ns("pause"),
        workers=options["workers"],
        once=options["once"],
        verify=options["verify"],
        lock_timeout_ns=time_ns("lock_timeout"),
        statement_timeout_ns=time_ns("statement_timeout"),
        attempts=options["attempts"],
        ceilings=tuple(Ceiling(query=query, most=most) for query, most in zip(probes, ceilings, strict=True)),
        max_lag_ns=None if options["max_lag"] is None else time_ns("max_lag"),
        replicas=options["replicas"],
        latency=None
        if options["latency"] is None
        else Ceiling(query=options["latency"], most=time_ns("latency_max") / units.NS_PER_MS),
        state=options["state"],
    )


def _amount(name: str, text: str, read: Callable[[str], int]) -> int:
    try:
        return read(text)
    except ValueError as error:
        raise click.UsageError(f"--{name.replace('_', '-')}: {error}") from None


def _statement(sql: str | None, table: str | None, assignments: str | None, where: str | None) -> str:
    from rehearse.backfill import update  # noqa: PLC0415

    if sql is not None and (table or assignments or where):
        raise click.UsageError("--sql is the whole statement: leave out --table, --set and --where")
    if sql is not None:
        return sql
    if not table or not assignments:
        raise click.UsageError("say what to do: --table, --set and --where, or --sql")
    return update(table, assignments, where)


def _tell(found: Outlook, *, dry_run: bool, as_json: bool) -> None:
    """Say what will be done; a dry run says it to standard output."""
    if as_json:
        click.echo(json.dumps(_outlook(found), indent=2))
        return
    for line in _lines(found, dry_run=dry_run):
        click.echo(line, err=not dry_run)


def _lines(found: Outlook, *, dry_run: bool) -> Iterator[str]:
    from rehearse.units import human_duration  # noqa: PLC0415

    plan, task = found.plan, found.plan.task
    rows = "an unknown number of" if plan.target.rows is None else f"about {plan.target.rows:,}"
    rows += " rows" if found.left is None else f" rows; the planner's guess is that {found.left:,} are left"
    yield f"table    {plan.table}: {rows}, by ({', '.join(f'{one.name} {one.type}' for one in plan.target.key)})"
    size = f"{task.batch:,} keys"
    size += f" at first, then what takes {human_duration(task.batch_time_ns)}" if task.batch_time_ns else ""
    workers = f", {task.workers} workers" if task.workers > 1 else ""
    yield f"batches  {size}{workers}; locks are waited for {human_duration(task.lock_timeout_ns)}"
    yield f"state    {plan.state}: {_state(found)}"
    right = task.verify or (plan.reading.condition if plan.reading.kind == "update" and not task.once else None)
    yield f"right    if no row is left for which {right}" if right else f"right    {_unknown(found)}"
    yield from (f"warning  {one}" for one in found.warnings)
    if dry_run:
        yield from ("", found.statement or "no key is left", "", *found.explained, "")
        yield dedent(plan.dialect.state_table(plan.state)).strip()


def _unknown(found: Outlook) -> str:
    is_told = found.plan.reading.skips_existing and not found.plan.task.once
    return "if a last pass inserts no row" if is_told else "not verified: give --verify"


def _state(found: Outlook) -> str:
    if not found.ranges:
        return "it begins"
    left = sum(not one.is_done for one in found.ranges)
    return (
        f"it goes on: {found.keys:,} keys and {found.rows:,} rows are done, {left} of {len(found.ranges)} ranges left"
    )


def _ask(url: str, *, yes: bool) -> None:
    """Ask before anything is written; without a terminal there is nobody to be asked."""
    from rehearse.cli import masked  # noqa: PLC0415

    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this writes to the database; say --yes where nobody can be asked, or --dry-run first")
    click.confirm(f"Write to {masked(url)}?", abort=True, err=True)


def _run(url: str, task: Backfill, opened: Connections, *, restart: bool, keep_state: bool, quiet: bool) -> Result:
    from rehearse.backfill import Standing, run  # noqa: PLC0415
    from rehearse.cli._backfill_view import shown  # noqa: PLC0415

    stop, standing = threading.Event(), Standing()
    with _stopping(stop, opened), shown(standing, stop, quiet=quiet):
        return run(url, task, restart=restart, keep_state=keep_state, stop=stop, standing=standing, through=opened)


@contextmanager
def _stopping(stop: threading.Event, opened: Connections) -> Iterator[None]:
    """Have the first Ctrl-C or SIGTERM end it after the batch under way, and the second at once."""

    def told(_number: int, _frame: Any) -> None:
        if stop.is_set():
            opened.cut()
            raise KeyboardInterrupt
        stop.set()
        click.echo("rehearse: ends after the batch under way; once more: at once", err=True)

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)


def _conclude(result: Result) -> None:
    from rehearse.units import counted, human_duration  # noqa: PLC0415

    took = human_duration(result.seconds * 1e9)
    refused = f", {counted(result.refused, 'batch', 'batches')} tried again" if result.refused else ""
    click.echo(
        f"{counted(result.rows, 'row')} in {counted(result.batches, 'batch', 'batches')}, {took}{refused}"
        + (f"; {result.before:,} rows before" if result.before else "")
        + (f"; {result.swept:,} of them came meanwhile" if result.swept else "")
    )
    if result.is_stopped:
        click.echo("stopped; the same command goes on from here")
    elif result.left is None:
        click.echo("not verified: nothing says what is right; --verify gives a condition that no row may meet")
    elif result.left:
        keys = "; ".join(", ".join(key) for key in result.examples)
        click.echo(f"NOT RIGHT: {counted(result.left, 'row')} left, such as those with key {keys}")
    else:
        click.echo("verified: no row is left")
        if result.coming:
            click.echo(
                f"rows keep coming that it has to do, {counted(result.coming, 'row')} since the look before: have a "
                "default, a trigger or the application fill them as they are written"
            )


def _outlook(found: Outlook) -> dict[str, Any]:
    return {
        "table": found.plan.table,
        "rows": found.plan.target.rows,
        "rows_left": found.left,
        "key": [one.name for one in found.plan.target.key],
        "state": found.plan.state,
        "keys_done": found.keys,
        "rows_done": found.rows,
        "statement": found.statement,
        "explained": found.explained,
        "warnings": found.warnings,
    }


def _plain(found: Outlook, result: Result) -> dict[str, Any]:
    own: Sequence[str] = ("table", "key", "state", "warnings")
    before = _outlook(found)
    return {name: before[name] for name in own} | asdict(result) | {"is_right": result.is_right}
