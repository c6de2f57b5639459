"""Columns whose values would be drawn from each other in a circle, and so from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rehearse.datasets.plan import TablePlan
from rehearse.datasets.repair import sources
from rehearse.profiles.shapes import After, Copy, Parent

Place = tuple[str, str]  # table and column


def circles(tables: Mapping[str, TablePlan]) -> Iterator[str]:
    """Yield a complaint for each circle, at the first of its columns."""
    done: set[Place] = set()
    for table in tables.values():
        for column in table.shapes:
            circle = _circle((table.name, column), tables, done)
            if circle:
                named = " → ".join(f"{table}.{column}" for table, column in circle)
                table_name, name = circle[0]
                yield (
                    f"tables.{table_name}.columns.{name}: its values come from themselves ({named}); give one of these "
                    "columns a shape of its own, such as kind = 'serial'"
                )


def _circle(start: Place, tables: Mapping[str, TablePlan], done: set[Place]) -> list[Place]:
    """Return the columns of a circle that is met from here, or nothing; what was looked at is `done`."""
    path: list[Place] = []
    coming: list[tuple[Place, Iterator[Place]]] = [(start, iter([start]))]
    while coming:
        place = next(coming[-1][1], None)
        if place is None:
            coming.pop()
            if path:
                done.add(path.pop())
        elif place in path:
            circle = path[path.index(place) :]
            done.update(path)
            return [*circle, place]
        elif place not in done:
            path.append(place)
            coming.append((place, _drawn_from(place, tables)))
    return []


def _drawn_from(place: Place, tables: Mapping[str, TablePlan]) -> Iterator[Place]:
    """Yield the columns that a column's values are drawn from: of its row, and of its parents."""
    table, column = tables.get(place[0]), place[1]
    if table is None or column not in table.shapes:
        return
    shape = table.shapes[column]
    yield from ((table.name, name) for name in sources(shape) if name in table.shapes)
    if column in table.nulls_by:
        yield table.name, table.nulls_by[column].of
    if isinstance(shape, Parent) and column in table.references:
        reference = table.references[column]
        yield reference.parent, reference.parent_columns[reference.columns.index(column)]
    if isinstance(shape, After | Copy):
        first, _, second = shape.of.partition(".")
        if second and first in table.references:
            yield table.references[first].parent, second
