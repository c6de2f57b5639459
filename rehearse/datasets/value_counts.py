"""How many different values a table's columns have, where its plan tells without a row being made."""

from __future__ import annotations

from collections.abc import Mapping

from rehearse.datasets.plan import TablePlan
from rehearse.profiles.shapes import Bool, Choice, Histogram, Parent, Pattern, Random, Serial, Shape, Text, Weights


def value_counts(table: TablePlan) -> Mapping[str, float]:
    """Return the number of different values by column, nulls left out.

    Columns that conditions bind are left out too, and those whose number only chance or their parents tell.
    """
    known = {name: _count(table, name, shape) for name, shape in table.shapes.items() if name not in table.ties}
    return {name: count for name, count in known.items() if count is not None}


def _count(table: TablePlan, name: str, shape: Shape) -> float | None:
    filled = table.rows * (1.0 - table.nulls[name])
    if isinstance(shape, Serial) or (isinstance(shape, Text | Pattern) and shape.unique):
        return filled
    if isinstance(shape, Bool):
        return float((shape.true > 0.0) + (shape.true < 1.0))
    if isinstance(shape, Choice):
        return float(len(_drawn(shape.of) | _drawn(shape.recent or {})))
    if isinstance(shape, Histogram | Text | Pattern | Random) and shape.distinct is not None:
        grown = shape.distinct * (table.growth if shape.grows else 1.0)
        return min(filled, grown + (len(shape.common) if isinstance(shape, Histogram) else 0))
    reference = table.references.get(name)
    if isinstance(shape, Parent) and reference is not None and reference.counted and not shape.orphans:
        return table.growth * sum(parents for children, parents in shape.groups if children > 0)
    return None


def _drawn(of: Weights | list[str | int | float | bool]) -> set[str]:
    return {one for one, weight in of.items() if weight > 0} if isinstance(of, dict) else set(map(str, of))
