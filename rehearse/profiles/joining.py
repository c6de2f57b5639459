"""What was learned of how columns go together, put into a table's shapes: as far as its values may be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rehearse.profiles.learning import PLACE, Joined
from rehearse.profiles.privacy import moment
from rehearse.profiles.profile import Joint, NullBy, Table
from rehearse.profiles.shapes import After, Bool, Choice, Copy, Given, Histogram, Parent, Serial, Shape

_BY_CHANCE = 0.15  # correlation of a choice with another column, below which its shares are met exactly instead
_UNTOLD = 0.3  # share of the rows that may have a value which too few share


def joined(table: Table, learned: Joined) -> Table:
    """Return the table with the shapes of its columns made to go together; what a shape does not tell is left out."""
    columns = {name: _ordered(shape, learned.orders.get(name)) for name, shape in table.columns.items()}
    columns = {name: _along(shape, name, learned) for name, shape in columns.items()}
    columns |= _copies(columns, learned)
    columns |= _after(columns, learned)
    columns |= _sliced(columns, learned)
    columns |= _given(columns, learned)
    return replace(
        table, columns=columns, order=learned.order, joint=_joint(columns, learned), nulls=_nulls(columns, learned)
    )


def _along(shape: Shape, name: str, learned: Joined) -> Shape:
    """Return the shape with its correlation with the order in which rows came, where that is not their places'."""
    if learned.order >= 1.0:
        return shape
    if isinstance(shape, Serial):
        return replace(shape, order="rows")
    if isinstance(shape, Choice) and shape.each:  # a short list's keys, in the order in which they were counted up
        return replace(shape, correlation=1.0)
    if isinstance(shape, Histogram | Choice | Parent):
        return replace(shape, correlation=learned.along.get(name, 0.0))
    return shape


def told(shape: Shape | None) -> set[str]:
    """Return the values that a shape tells; those of another column may go by them."""
    match shape:
        case Choice():
            return {str(value) for value in shape.of}
        case Bool():
            return {"false", "true"}
        case Histogram():
            return set(shape.common)
        case Given():
            return set().union(*(told(one) for one in (*shape.cases.values(), shape.otherwise)))
        case _:
            return set()


def _ordered(shape: Shape, order: tuple[str, ...] | None) -> Shape:
    """Return a choice whose values stand in the order of their scores; those that the sample lacks come last."""
    if order is None or not isinstance(shape, Choice) or not isinstance(shape.of, dict):
        return shape
    places = {value: at for at, value in enumerate(order)}
    values = sorted(shape.of, key=lambda value: places.get(value, len(places)))
    return replace(shape, of={value: shape.of[value] for value in values})


def _copies(columns: Mapping[str, Shape], learned: Joined) -> dict[str, Shape]:
    return {
        name: Copy(of=of, null=columns[name].null)
        for name, of in learned.copies.items()
        if isinstance(columns.get(name), Histogram) and isinstance(columns.get(of), Histogram)
    }


def _after(columns: Mapping[str, Shape], learned: Joined) -> dict[str, Shape]:
    return {
        name: After(
            of=of,
            delays=list(delay.seconds),
            parts=list(delay.parts),
            until=moment(round(learned.last_us / 60e6) * 60e6) if delay.parts and learned.last_us else None,
            open=True,
            common=shape.common,
            null=shape.null,
        )
        for name, (of, delay) in learned.after.items()
        if isinstance(shape := columns.get(name), Histogram) and of in columns
    }


def _sliced(columns: Mapping[str, Shape], learned: Joined) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for name, slices in learned.slices.items():
        shape = columns.get(name)
        if not isinstance(shape, Choice) or not isinstance(shape.of, dict):
            continue
        parts = [(upto, _weights(shape, row)) for upto, row in slices]
        if all(weights is not None for _, weights in parts):
            kept = [(upto, weights) for upto, weights in parts if weights is not None]
            found[name] = replace(shape, slices=_weighed(kept, shape.of), correlation=0.0)
    return found


def _weighed(
    slices: Sequence[tuple[float, Mapping[str, float]]], whole: Mapping[str, float]
) -> list[tuple[float, dict[str, float]]]:
    """Return slices whose values have in all the shares that they have in the whole table, which more rows tell of."""
    widths = np.diff([0.0, *(upto for upto, _ in slices)])
    found = {
        value: float(sum(width * row.get(value, 0.0) for width, (_, row) in zip(widths, slices, strict=True)))
        for value in whole
    }
    factors = {value: whole[value] / found[value] if found[value] > 0 else 1.0 for value in whole}
    return [(upto, {value: round(share * factors[value], 6) for value, share in row.items()}) for upto, row in slices]


def _given(columns: Mapping[str, Shape], learned: Joined) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for name, (of, shares) in learned.given.items():
        shape, known = columns.get(name), told(columns.get(of))
        cases = {
            value: one for value, row in shares.items() if value in known and (one := _case(shape, row)) is not None
        }
        if shape is not None and cases:
            found[name] = Given(of=of, cases=cases, otherwise=replace(shape, null=None), null=shape.null)
    return found


def _case(shape: Shape | None, shares: Mapping[str, float]) -> Shape | None:
    if isinstance(shape, Bool):
        return Bool(true=shares.get("true", 0.0))
    weights = _weights(shape, shares) if shape is not None else None
    return None if weights is None else Choice(of=weights)


def _weights(shape: Shape, shares: Mapping[str, float]) -> dict[str, float] | None:
    """Return the shares of values that a shape tells; None where too few of the rows have one of them.

    What too few rows share is shared out among the values that are not told here, as they are in the whole table.
    """
    known = told(shape)
    kept = {value: share for value, share in shares.items() if value in known}
    left, others = 1.0 - sum(kept.values()), sorted(known - set(kept))
    if not kept or left > _UNTOLD:
        return None
    if others and left > 0.0:
        whole = (
            dict(shape.of) if isinstance(shape, Choice) and isinstance(shape.of, dict) else dict.fromkeys(others, 1.0)
        )
        total = sum(whole.get(value, 0.0) for value in others) or 1.0
        kept |= {value: round(left * whole.get(value, 0.0) / total, 6) for value in others}
    return kept


def _joint(columns: Mapping[str, Shape], learned: Joined) -> Joint | None:
    """Return the correlations of those columns that are still drawn by a share of their own.

    With the row's place they are what the server says, which has looked at more rows; a column that goes with its place
    alone needs no more than that.
    """
    names = [name for name in learned.columns if name == PLACE or _is_drawn(columns.get(name))]
    whole = {(one, other): _correlation(learned, columns, one, other) for one in names for other in names}
    kept = [
        one
        for one in names
        if any(abs(whole[one, other]) > _least(columns.get(one)) for other in names if other not in (one, PLACE))
    ]
    if not kept or kept == [PLACE]:
        return None
    kept = [PLACE, *(name for name in kept if name != PLACE)]
    rows = [[whole[one, other] for other in kept[: at + 1]] for at, one in enumerate(kept)]
    return Joint(columns=kept, correlations=rows)


def _least(shape: Shape | None) -> float:
    """Return the correlation with another column above which a column goes with it; of a choice, whose shares count."""
    return _BY_CHANCE if isinstance(shape, Choice) else 0.0


def _correlation(learned: Joined, columns: Mapping[str, Shape], one: str, other: str) -> float:
    if one == other:
        return 1.0
    if PLACE in (one, other):
        shape = columns[other if one == PLACE else one]
        if isinstance(shape, Histogram):
            return shape.correlation
    low, high = sorted((learned.columns.index(one), learned.columns.index(other)))
    return learned.correlations[high][low]


def _is_drawn(shape: Shape | None) -> bool:
    return isinstance(shape, Histogram | Choice | Bool)


def _nulls(columns: Mapping[str, Shape], learned: Joined) -> dict[str, NullBy]:
    found = {}
    for name, (of, shares) in learned.nulls.items():
        shape = columns.get(name)
        known = told(columns.get(of)) | ({"null"} if "*" not in shares else {"null", "*"})
        kept = {value: share for value, share in shares.items() if value in known}
        if shape is not None and shape.null and of in columns and len(kept) > 1:
            found[name] = NullBy(of=of, shares=kept, otherwise=shape.null)
    return found
