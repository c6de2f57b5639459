"""How near a generated database comes to its source: columns, pairs, fan-outs, plans and counts, at each tier.

    python -m tests.bench.roundtrip [--json FILE]

The sources are not of our design: django-oscar's webshop, filled with two million rows, and pgbench's own tables. Each
is profiled, generated again at scale 1 into the same schema, analyzed, and held against the source; beside it stand a
fork of the source (the control) and rows of which only the number is known.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehearse.datasets import alike as likeness
from rehearse.engines.postgres.alike import contents
from rehearse.engines.postgres.database import PostgresDatabase
from tests.bench import queries, sources

_LEAST = 0.85  # that a column's similarity should have
_MANY = 1000  # rows of a table whose values may be told by shares at all


def figures(source: PostgresDatabase, copy: PostgresDatabase) -> dict[str, Any]:
    """Return what the copy comes to against its source."""
    found = likeness.compare(contents(source), contents(copy))
    columns = [
        (one.score, f"{table.table}.{one.column}", one, table.source_rows)
        for table in found.tables
        for one in table.columns
        if one.score is not None
    ]
    numeric = [one.score for table in found.tables for one in table.pairs if one.measure != "contingency"]
    fans = [1.0 - one.score for one in found.fan_outs if one.score is not None]
    return {
        "columns": found.overall,
        "shapes": found.shapes,
        "pairs": found.pairs,
        "quality": (found.shapes + found.pairs) / 2 if found.shapes and found.pairs else None,  # as SDMetrics has it
        "correlations": statistics.mean(numeric) if numeric else None,
        "fan_out": statistics.mean(fans) if fans else None,
        "fan_out_worst": max(fans, default=None),
        "below": sum(score < _LEAST for score, _, _, rows in columns if rows >= _MANY),
        "of": sum(rows >= _MANY for _, _, _, rows in columns),
        "worst": [
            f"{name} {score:.2f} (shape {_short(one.shape)} nulls {_short(one.nulls)} distinct {_short(one.distinct)})"
            for score, name, one, rows in sorted(columns, key=lambda one: one[0])
            if score < _LEAST and rows >= _MANY
        ],
        "gaps": found.gaps,
    }


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def main() -> None:
    """Build the sources, generate them again at each tier, and print what came out."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--json", type=Path)
    asked.add_argument("--only", default="", help="sources whose name has this word")
    given = asked.parse_args()
    results: dict[str, dict[str, Any]] = {}
    with sources.bench_server() as server:
        for name, build in {"oscar": sources.oscar, "pgbench": sources.pgbench}.items():
            if given.only in name:
                results |= _measured(build(server))
    print("\n".join(_told(results)))
    if given.json:
        given.json.write_text(json.dumps(results, indent=2, default=str), encoding="utf-8")


def _measured(source: PostgresDatabase) -> dict[str, dict[str, Any]]:
    copies = sources.copies(source)
    copies |= {f"from a profile, {tier}": sources.generated(source, tier) for tier in ("catalogs", "aggregates")}
    found = {}
    for name, copy in copies.items():
        one = figures(source, copy)
        if source.name == "oscar":
            told = queries.compare(source, copy)
            one |= {"plans": told.same_plans, "told": list(queries.told(name, told))}
        found[f"{source.name}: {name}"] = one
    return found


def _told(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, one in results.items():
        keys = ("columns", "shapes", "pairs", "quality", "correlations", "fan_out", "fan_out_worst")
        yield f"{name}: {', '.join(f'{key} {one[key]:.3f}' for key in keys if one.get(key) is not None)}"
        yield f"    {one['below']} of {one['of']} columns of tables with {_MANY} rows and more are below {_LEAST}"
        yield from (f"    {line}" for line in (*one["worst"], *one.get("told", ())))


if __name__ == "__main__":
    main()
