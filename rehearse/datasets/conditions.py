"""What a table's CHECK constraints say, evaluated over columns in Arrow: a row holds where one is true or NULL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from rehearse.datasets import arrow
from rehearse.datasets.expressions import Outside, Rows, Term, Tree, term, truth
from rehearse.datasets.expressions import quantities as qu
from rehearse.datasets.expressions.quantities import Number, Span
from rehearse.datasets.randomness import Bools
from rehearse.profiles import Column, Type

# Whether the left side is to be the greater one (1), the lesser (-1) or the same (0), and by how many steps at least.
_ORDERS: Mapping[type, tuple[int, int]] = {
    exp.LT: (-1, 1),
    exp.LTE: (-1, 0),
    exp.EQ: (0, 0),
    exp.GTE: (1, 0),
    exp.GT: (1, 1),
}
_NOT_PART = (" NOT VALID", " NO INHERIT", " NOT ENFORCED")


@dataclass(frozen=True, slots=True)
class Wish:
    """A value that would settle a comparison: `column` takes what `term` gives, and `by` (-1, 0, 1) steps more.

    `direction` is 1 where the column must be the greater side, -1 the lesser, 0 the same. `other` is set where the
    comparison is of two bare columns, whose values may also change places.
    """

    column: str
    term: Term
    direction: int
    by: int
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One CHECK. `minds_nulls`: whether a value is there is part of what it asks."""

    text: str
    columns: frozenset[str]
    tree: Tree
    minds_nulls: bool
    wishes: tuple[Wish, ...]
    truth: Term

    def holds(self, columns: pa.RecordBatch | Mapping[str, pa.Array]) -> Bools:
        """Say for each row whether the server would take it; `columns` is a batch, or arrays of one length by name."""
        count = len(columns[next(iter(self.columns))])
        rows = Rows(columns)
        found = pc.fill_null(self.truth.value(rows), True)  # noqa: FBT003 - NULL holds
        if isinstance(found, pa.Scalar):
            return np.full(count, found.as_py(), np.bool_)
        held: Bools = found.to_numpy(zero_copy_only=False)
        for broken in rows.broken:
            held = held & ~(np.full(count, broken.as_py()) if isinstance(broken, pa.Scalar) else np.asarray(broken))
        return held


def compiled(check: str, columns: Mapping[str, Column]) -> Condition | None:
    """Return a CHECK, as the server writes it, as a condition over these columns; None where only the server can tell.

    That is so for functions and types that are not known here, and for what a session decides: now(), time zones,
    the order of texts.
    """
    found = _parsed(check)
    if found is None or not found[1] <= columns.keys():
        return None
    return _compiled(check, tuple(columns[name] for name in sorted(found[1])))


@lru_cache(maxsize=4096)
def _compiled(check: str, columns: tuple[Column, ...]) -> Condition | None:
    found = _parsed(check)
    assert found is not None
    tree, names = found
    known = {one.name: one for one in columns}
    try:
        made = truth(term(tree, known))
        condition = Condition(check, names, tree, _minds_nulls(tree), tuple(_wishes(tree, known)), made)
        condition.holds({name: _sample(known[name].type) for name in names})
    except (Outside, pa.ArrowException, AttributeError, KeyError, TypeError, ValueError):
        return None  # not known, or known in words that this version of sqlglot or Arrow gives another form
    return condition


def _sample(kind: Type) -> pa.Array:
    """Return a row without a value, on which a condition is tried: a function may not take what a term gives it."""
    return pa.nulls(1, arrow.arrow_type(kind))


@lru_cache(maxsize=4096)
def _parsed(check: str) -> tuple[Tree, frozenset[str]] | None:
    """Return the tree of a CHECK's text and the columns in it, or None where sqlglot cannot read it."""
    text = check.strip()
    for words in _NOT_PART:
        text = text.removesuffix(words)
    text = text[5:] if text[:5].upper() == "CHECK" else text
    try:
        tree = sqlglot.parse_one(f"SELECT {text}", read="postgres")
    except (SqlglotError, RecursionError):
        return None
    names = frozenset(one.name for one in tree.find_all(exp.Column))
    return (tree.expressions[0], names) if names and len(tree.expressions) == 1 else None


def bare(tree: Tree) -> Tree:
    """Return a tree without the parentheses and casts around it."""
    return bare(tree.this) if isinstance(tree, exp.Paren | exp.Cast) else tree


def _minds_nulls(tree: Tree) -> bool:
    named = (str(one.this).lower() for one in tree.find_all(exp.Anonymous))
    return tree.find(exp.Null, exp.Coalesce) is not None or any(one in ("num_nulls", "num_nonnulls") for one in named)


def _wishes(tree: Tree, columns: Mapping[str, Column]) -> Iterator[Wish]:
    for one in tree.find_all(*_ORDERS):
        sides = one.this, one.expression
        for sign, (mine, theirs) in zip((1, -1), (sides, sides[::-1]), strict=True):
            target = bare(mine)
            if not isinstance(target, exp.Column) or isinstance(bare(theirs), exp.Any | exp.Array | exp.Anonymous):
                continue
            try:
                value = term(theirs, columns)
            except Outside:
                continue
            other = bare(theirs)
            beside = other.name if isinstance(other, exp.Column) else None
            direction, steps = _ORDERS[type(one)]
            yield Wish(target.name, value, sign * direction, sign * direction * steps, beside)


def wished(wish: Wish, columns: Mapping[str, pa.Array], kind: Type) -> pa.Array | None:
    """Return the values of a wish as the column keeps them; None where they are none of its type."""
    value = wish.term.value(Rows(columns))
    try:
        made = _stored(value, wish.term.kind, wish.by, kind)
    except (pa.ArrowException, OverflowError, ValueError):
        return None
    count = len(columns[wish.column])
    return made if made is None or len(made) == count else made.take(pa.array(np.zeros(count, np.int64)))


def _stored(value: Any, given: str, by: int, kind: Type) -> pa.Array | None:
    if isinstance(value, Number):
        return _stored_number(value, by, kind)
    if isinstance(value, Span):
        return _whole(pc.add(qu.length(value), by * qu.MICROS_A_SECOND), pa.duration("us"), kind, "interval")
    if given in ("date", "timestamp", "moment") and kind.kind in ("date", "timestamp"):
        micros = pc.multiply(value, qu.MICROS_A_DAY) if given == "date" else value
        step = qu.MICROS_A_DAY if kind.kind == "date" else qu.MICROS_A_SECOND
        listed = _listed(micros)
        made = arrow.from_micros(np.asarray(pc.fill_null(listed, 0)) + by * step, kind)
        return pc.if_else(listed.is_null(), pa.scalar(None, made.type), made)
    if given == "clock":
        return _whole(pc.add(value, by * qu.MICROS_A_SECOND), pa.time64("us"), kind, "time")
    return None if by else arrow.cast(_listed(value), kind)


def _whole(values: Any, wanted: pa.DataType, kind: Type, name: str) -> pa.Array | None:
    return _listed(values).cast(wanted) if kind.kind == name else None


def _listed(value: Any) -> pa.Array:
    return pa.array([value.as_py()], value.type) if isinstance(value, pa.Scalar) else value


def _stored_number(value: Number, by: int, kind: Type) -> pa.Array | None:
    if kind.kind == "float":
        moved = pc.multiply(_listed(qu.as_double(value)), 1.0)
        return pc.cast(pc.add(moved, pc.multiply(pc.add(pc.abs(moved), 1.0), by * 1e-6)), arrow.arrow_type(kind))
    if kind.kind not in ("integer", "numeric"):
        return None
    digits = 0 if kind.kind == "integer" else arrow.scale(kind)
    units = _listed(_units(value, digits, {1: "down", 0: "half_towards_infinity", -1: "up"}[by]))
    moved = np.asarray(pc.fill_null(units, 0)) + by
    made = arrow.decimal(moved, kind) if kind.kind == "numeric" else pa.array(moved).cast(arrow.arrow_type(kind))
    return pc.if_else(units.is_null(), pa.scalar(None, made.type), made) if units.null_count else made


def _units(value: Number, digits: int, mode: str) -> Any:
    """Return a number as so many units of its last digit."""
    if qu.is_double(value):
        whole = pc.round(pc.multiply(value.values, 10.0**digits), ndigits=0, round_mode=mode)
        return pc.cast(whole, pa.int64(), safe=False)
    near = qu.rounded(value, digits, mode)
    return pc.multiply_checked(near.values, pa.scalar(10 ** (digits - near.scale), pa.int64()))
