"""The options by which only some rows of a database are copied, and what is told of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehearse.datasets.subset import Asked, Plan
    from rehearse.engines.postgres.copying import Source

_SHARE = re.compile(r"(?:(?P<table>.+)=)?\s*(?P<percent>\d+(?:\.\d+)?)\s*%", re.DOTALL)
_OPTIONS = (
    click.option(
        "--where", multiple=True, metavar="'TABLE: CONDITION'", help="Copy these rows, and what hangs on them."
    ),
    click.option(
        "--share", "shares", multiple=True, metavar="[TABLE=]5%", help="Copy a share of the rows, by their key's hash."
    ),
    click.option(
        "--children",
        default="all",
        show_default=True,
        metavar="all|none|TABLE,…",
        help="Whose rows come along with their parents; parents always come along with their children.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(-(2**63), 2**63 - 1),
        default=0,
        show_default=True,
        help="Of --share: another number, other rows.",
    ),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a table is copied; `of_rows` and `estimated_bytes` are as the server's statistics have it."""

    table: str
    rows: int
    of_rows: int
    estimated_bytes: int
    why: str


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def asked(where: Sequence[str], shares: Sequence[str], children: str) -> Asked | None:
    """Return what the options say, None where all rows are wanted."""
    from rehearse.datasets.subset import Asked  # noqa: PLC0415
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    by_table = _shares(shares)
    if not where and not by_table:
        if children != "all":
            raise ScenarioMistake("--children: without --where or --share all rows are copied; say one of them too")
        return None
    listed = frozenset(one.strip() for one in children.split(",") if one.strip())
    whole = by_table.pop("", None)
    return Asked(
        where=_conditions(where),
        shares=by_table,
        share=whole,
        children={"all": None, "none": frozenset[str]()}.get(children.strip(), listed),
    )


def _conditions(where: Sequence[str]) -> dict[str, tuple[str, ...]]:
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    found: dict[str, tuple[str, ...]] = {}
    for text in where:
        table, colon, condition = (one.strip() for one in text.partition(":"))
        if not (table and colon and condition):
            raise ScenarioMistake(
                f"--where {text!r}: write a table, a colon and a condition: \"customers: region = 'EU'\""
            )
        found[table] = (*found.get(table, ()), condition)
    return found


def _shares(shares: Sequence[str]) -> dict[str, float]:
    """Return shares from 0 to 1 by table, that for all under no name."""
    from rehearse.errors import ScenarioMistake  # noqa: PLC0415

    found: dict[str, float] = {}
    for text in shares:
        read = _SHARE.fullmatch(text.strip())
        if read is None or float(read["percent"]) > 100:
            raise ScenarioMistake(f"--share {text!r}: write 5% or customers=5%, from 0% to 100%")
        table = (read["table"] or "").strip()
        if table in found:
            raise ScenarioMistake(f"--share {text!r}: there are two shares of {table or 'all tables'}; say one")
        found[table] = float(read["percent"]) / 100
    return found


def chosen(source: Source, wanted: Asked, seed: int, *, quiet: bool) -> tuple[Source, list[Size]]:
    """Find the rows that are to be copied; return the source without the others, and how much there is of each table.

    Nothing is written anywhere. Raises ScenarioMistake for names and conditions that the source does not know.
    """
    from rehearse.datasets import closure, subset  # noqa: PLC0415
    from rehearse.engines.postgres import subset as places  # noqa: PLC0415

    lying_in = places.relations(source)
    rows = places.row_counts(source, lying_in)
    plan = subset.plan(source.structure, wanted, rows, partial(places.is_small, source))
    places.refuse_conditions(source, wanted.where)
    with _looking(rows, quiet=quiet) as looked_at:
        reads = places.Places(
            source, lying_in, plan.columns, closure.blocks_holding, rows=rows, seed=seed, looked_at=looked_at
        )
        found = closure.chosen(plan, reads, rows)
    part = {name: places.Chosen(lying_in[name], found[name]) for name in found if not _is_whole(plan, name)}
    counts = {name: len(one) for name, one in found.items()}
    sizes = [
        Size(name, counts[name], of, _bytes(counts[name], of, sum(one.size_bytes for one in lying_in[name])), why)
        for name in sorted(found)
        for of, why in [(max(rows.get(name, 0), counts[name]), _why(plan, name, counts[name]))]
    ]
    return dataclasses.replace(source, rows=counts, chosen=part), sizes


def _is_whole(plan: Plan, table: str) -> bool:
    first = plan.firsts.get(table)
    return first is not None and not first.conditions and first.share >= 1


def _why(plan: Plan, table: str, rows: int) -> str:
    first = plan.firsts.get(table)
    if first is not None:
        return first.why
    return "goes with others" if rows else "nothing chosen leads here"


def _bytes(rows: int, of_rows: int, size_bytes: int) -> int:
    return round(size_bytes * rows / of_rows) if of_rows else 0


@contextmanager
def _looking(rows: Mapping[str, int], *, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """Show what is being read: a table's bar begins when it is first looked at."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn  # noqa: PLC0415

    columns = TextColumn("looking for rows: {task.description}"), BarColumn(), MofNCompleteColumn()
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:

        def looked_at(table: str, count: int) -> None:
            if table not in tasks:
                tasks[table] = progress.add_task(table, total=rows.get(table))
            progress.advance(tasks[table], count)

        yield looked_at


def described(sizes: Sequence[Size]) -> list[dict[str, object]]:
    """Return the sizes as JSON has them."""
    return [dataclasses.asdict(one) for one in sizes]


def heads_and_rows(sizes: Sequence[Size]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the sizes as a table of texts, their sum last."""
    from rehearse.units import human_count, human_size  # noqa: PLC0415

    all_rows, all_bytes = sum(one.rows for one in sizes), sum(one.estimated_bytes for one in sizes)
    total = Size("all", all_rows, sum(one.of_rows for one in sizes), all_bytes, "")
    rows: list[tuple[str, ...]] = [
        (
            one.table,
            one.why,
            f"{100 * one.rows / one.of_rows:.1f}%" if one.of_rows else "",
            human_count(one.rows),
            human_count(one.of_rows),
            human_size(one.estimated_bytes),
        )
        for one in [*sizes, total]
    ]
    return ("table", "why", "share", "rows", "of about", "estimated size"), rows
