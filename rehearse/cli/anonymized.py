"""What is told of an anonymized copy: what was done, what was left out, what to look at, and what was kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rehearse.cli import subset

if TYPE_CHECKING:
    from rehearse.datasets.masking import Spot, Treatment
    from rehearse.datasets.masks import Masks, Tally
    from rehearse.engines.postgres.schema_copy import Schema
    from rehearse.engines.postgres.schema_texts import Look
    from rehearse.profiles import Structure


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A copy that was made. `known` are patterns of texts that tell of nobody; `schema` is None if none was copied."""

    masks: Masks
    structure: Structure
    rows: int
    took_s: float
    sizes: Sequence[subset.Size]
    repeatable: bool
    schema: Schema | None
    empty_views: tuple[str, ...]
    known: tuple[str, ...]

    @property
    def leaks(self) -> dict[Spot, int]:
        """How many values of the source were found in the copy, by column."""
        return {spot: tally.leaks for spot, tally in self.masks.tallies.items() if tally.leaks}


def tell_plan(treated: Mapping[Spot, Treatment], sizes: Sequence[subset.Size], *, as_json: bool) -> None:
    """Print what would be done to each column, and how much would be copied."""
    if as_json:
        columns = [
            {"table": table, "column": column, "rule": one.rule.word, "why": one.why}
            for (table, column), one in treated.items()
        ]
        tables = {"tables": subset.described(sizes)} if sizes else {}
        click.echo(json.dumps({**tables, "columns": columns}, indent=2))
        return
    if sizes:
        table(*subset.heads_and_rows(sizes))
    table(
        ("column", "rule", "why"),
        [(f"{table}.{column}", one.rule.word, one.why) for (table, column), one in treated.items()],
    )


def tell(done: Done, *, as_json: bool) -> int:
    """Print what was done; return 1 where a value of the source was found in the copy, 3 where texts are to be seen."""
    looks = _looks(done)
    if as_json:
        click.echo(json.dumps(_all(done, looks), indent=2))
    else:
        heads = ("column", "rule", "why", "rows", "different before", "after", "seen again")
        table(heads, [_row(spot, tally) for spot, tally in done.masks.tallies.items()])
        for line in _lines(done, looks):
            click.echo(line)
    for (name, column), count in done.leaks.items():
        click.echo(f"rehearse: {name}.{column}: {count} values of the source are in the copy", err=True)
    return 1 if done.leaks else 3 if looks else 0


def _all(done: Done, looks: Sequence[Look]) -> dict[str, object]:
    told: dict[str, object] = {
        "columns": [_described(spot, tally) for spot, tally in done.masks.tallies.items()],
        "rows": done.rows,
        "took_s": round(done.took_s, 3),
        "repeatable": done.repeatable,
        "verify": done.masks.verify,
        "left_out": list(done.schema.left_out) if done.schema else [],
        "comments_left_out": done.schema.comments_left_out if done.schema else 0,
        "empty_views": list(done.empty_views),
        "look": [
            {"where": one.where, "kind": one.kind, "text": None if one.kind == "secret" else one.text} for one in looks
        ],
        "kept": _kept(done),
    }
    return told | ({"tables": subset.described(done.sizes)} if done.sizes else {})


def _lines(done: Done, looks: Sequence[Look]) -> Iterator[str]:
    from rehearse.units import human_count  # noqa: PLC0415

    yield f"{human_count(done.rows)} rows in {done.took_s:.1f} s"
    yield _verified(done.masks)
    if any(tally.sightings and tally.sightings.seen_again() for tally in done.masks.tallies.values()):
        yield (
            "seen again: a pseudonym that is somebody else's value in the source, as it must be where there are few "
            "(birth dates, for one, stay in their year, and names are known names): nobody is found by it"
        )
    if not done.repeatable:
        yield "the key was random and is gone: another copy will have other pseudonyms (see --key-file)"
    if done.schema and done.schema.left_out:
        yield f"left out, as it leads to other servers: {', '.join(done.schema.left_out)}"
    if done.schema and done.schema.comments_left_out:
        yield f"left out, as they may tell of people: {done.schema.comments_left_out} comments"
    yield from (f"left empty: materialized view {one}" for one in done.empty_views)
    yield from _kept_in_words(_kept(done))
    if any(tally.treatment.rule.form == "email" for tally in done.masks.tallies.values()):
        yield "mail addresses keep their last part and, of public providers, their domain"
    if looks:
        yield "look: these texts of the schema are in the copy as they are, and may tell of people:"
        yield from (f"  {one.where}: {one.kind} {one.shown}".rstrip() for one in looks)
        yield (
            "  if they tell of nobody, say so: --rules FILE with [schema] keep = [the texts, with * and ? as in a "
            "shell]; until then the exit code is 3: could not tell"
        )


def _looks(done: Done) -> list[Look]:
    """Return the texts of the schema, and of lists of values, that may tell of people."""
    from fnmatch import fnmatchcase  # noqa: PLC0415

    from rehearse.datasets.findings import told_by_lists  # noqa: PLC0415
    from rehearse.engines.postgres.schema_texts import Look  # noqa: PLC0415

    treated = {spot: tally.treatment for spot, tally in done.masks.tallies.items()}
    found = list(done.schema.looks) if done.schema else []
    seen = {one.text for one in found}
    for (name, column), kind, text in told_by_lists(done.structure, treated):
        if text not in seen and not any(text == one or fnmatchcase(text, one) for one in done.known):
            found.append(Look(f"column {name}.{column}", kind, text))
    return found


def _kept(done: Done) -> dict[str, list[str]]:
    """Return the columns by which a row may be found again: keys and moments that are as they were."""
    kept = {
        spot
        for spot, tally in done.masks.tallies.items()
        if tally.treatment.rule.keeps and tally.treatment.why != "computed"
    }
    columns = {
        (one.name, name): column for one in done.structure.tables.values() for name, column in one.columns.items()
    }
    keys = {(one.name, name) for one in done.structure.tables.values() for key in one.keys for name in key}
    moments = {spot for spot in kept if columns[spot].type.kind in ("date", "timestamp")}
    return {
        "keys": [".".join(spot) for spot in sorted(kept & keys)],
        "times": [".".join(spot) for spot in sorted(moments)],
    }


def _kept_in_words(kept: Mapping[str, Sequence[str]]) -> Iterator[str]:
    names = ("keys", "keys"), ("times", "dates and times")
    parts = [f"{words} ({', '.join(_some(kept[name]))})" for name, words in names if kept[name]]
    if parts:
        yield (
            f"kept as they are: {' and '.join(parts)}: who holds the source, or knows a row's number or its moment, "
            "finds that row again" + ("; --shift-times DAYS moves the times" if kept["times"] else "")
        )


def _some(names: Sequence[str]) -> list[str]:
    return [*names[:3], *([f"{len(names) - 3} more"] if len(names) > 3 else [])]


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


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows under their heads: three columns of words, the others of numbers."""
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    for row in (heads, *rows):
        cells = (
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())
