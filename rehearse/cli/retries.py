"""`rehearse retries RECORDING`: which lock_timeout a migration should have, from who held its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.measures.lock_policy import Foreseen
    from rehearse.model import Recording


_BOTH = ("reads", "writes")


@click.command("retries")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="NAME",
    help="This table only; by default those that the migration closed.",
)
@click.option("--attempts", type=click.IntRange(min=1), default=60, show_default=True, help="At most so many attempts.")
@click.option("--pause", default="500ms", show_default=True, metavar="TIME", help="Between two attempts.")
@click.option(
    "--backoff",
    type=click.FloatRange(min=1, max=10),
    default=1.2,
    show_default=True,
    help="Each pause is so many times the one before.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    recording: Path, tables: tuple[str, ...], attempts: int, pause: str, backoff: float, *, as_json: bool
) -> None:
    """Say what a lock_timeout with retries comes to under the traffic of RECORDING (a report's folder).

    For each time-out: the share of attempts that get the lock, how many and how long it takes, and what calls wait
    meanwhile. It is reckoned from who held the table in the baseline, long transactions of workload.company included;
    where that is not known it says so.
    """
    from rehearse import units  # noqa: PLC0415
    from rehearse.errors import Mistake, NotMeasured  # noqa: PLC0415
    from rehearse.measures.lock_policy import grid, holds, recommended  # noqa: PLC0415
    from rehearse.recording import folder  # noqa: PLC0415

    try:
        policy = {"attempts": attempts, "pause_ns": units.duration_ns(pause), "backoff": backoff}
    except ValueError as error:
        raise Mistake(f"--pause: {error}") from None
    found = folder.load(recording)
    answers: list[dict[str, Any]] = []
    closed = _closed(found)
    for table in tables:
        _check_table(found, table)
    for table in tables or closed:
        try:
            foreseen = grid(holds(found, table, closed.get(table, _BOTH)), policy)
        except NotMeasured as unknown:
            answers.append({"table": table, "unknown": str(unknown)})
            continue
        best = recommended(foreseen, blocked_ns=found.scenario.budget.blocked)
        rows = [_row(one) | {"recommended": one is best} for one in foreseen]
        answers.append({"table": table, "unknown": None, "policies": rows})
    if not answers:
        raise Mistake(f"{recording}: the migration closed no table to anyone; name one by --table")
    if as_json:
        click.echo(json.dumps(answers, ensure_ascii=False, indent=2))
        return
    for answer in answers:
        _tell(answer)


def _closed(recording: Recording) -> dict[str, tuple[str, ...]]:
    """Return the tables that the migration's locks closed, and to what: a lock that lets readers in waits for none."""
    from rehearse.events import LockTaken  # noqa: PLC0415

    found: dict[str, set[str]] = {}
    for one in recording.history.of(LockTaken):
        if "writes" in one.stops:
            found.setdefault(one.table, set()).update(one.stops)
    return {table: tuple(sorted(stops)) for table, stops in found.items()}


def _check_table(recording: Recording, table: str) -> None:
    from rehearse.errors import Mistake, near_miss  # noqa: PLC0415

    known = {name for one in recording.snapshots.values() for name in one.tables}
    if known and table not in known:
        raise Mistake(f"--table {table}: the recording knows no such table{near_miss(table, known)}")


def _row(one: Foreseen) -> dict[str, Any]:
    return {
        "lock_timeout_ms": one.policy.lock_timeout_ns / 1e6,
        "share": round(one.share, 4),
        "gets": round(one.gets, 4),
        "attempts": round(one.attempts, 2),
        "took_s": round(one.took_ns / 1e9, 3),
        "queued": round(one.queued, 1),
        "queued_s": round(one.queued_ns / 1e9, 3),
        "stall_ms": round(one.stall_ns / 1e6, 1),
    }


def _tell(answer: dict[str, Any]) -> None:
    click.echo(f"{answer['table']}:")
    if answer["unknown"]:
        click.echo(f"  not known: {answer['unknown']}")
        return
    click.echo("  lock_timeout  attempts that  had in   attempts  time until  calls    waits of    longest")
    click.echo("                get the lock   the end  expected  it is had   queued   all calls   stall")
    for one in answer["policies"]:
        cells = (
            f"{one['lock_timeout_ms']:>9,.0f} ms",
            f"{one['share']:>11.0%}",
            f"{one['gets']:>7.0%}",
            f"{one['attempts']:>8.1f}",
            f"{one['took_s']:>8.2f} s",
            f"{one['queued']:>6.1f}",
            f"{one['queued_s']:>8.2f} s",
            f"{one['stall_ms']:>6.0f} ms",
            "<- least harm" if one["recommended"] else "",
        )
        click.echo(f"  {'  '.join(cells)}".rstrip())
    if not any(one["recommended"] for one in answer["policies"]):
        click.echo("  none of them gets the lock in nearly all cases within the budget: find out who holds it so long")
