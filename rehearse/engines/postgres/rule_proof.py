"""Asks all rows whether they follow a rule that a sample suggests, and names rows that do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from psycopg import Connection, sql

from rehearse.engines import _writes
from rehearse.engines._numbered import Numbers, difference
from rehearse.engines._rules import Rule
from rehearse.engines.postgres import cells, images, streams
from rehearse.engines.postgres.pairing import Pairing
from rehearse.engines.postgres.rule_rows import REFUSED, Sampled, kind, quoted
from rehearse.events import RuleBroken

if TYPE_CHECKING:
    import pandas

_BROKEN = 0.01  # share of all rows that may break a rule that is told
_BY_CALLS = 0.05  # the same where calls wrote each of them
_EXAMPLES = 5
_LOOKED_AT = 1_000  # rows that break a rule, for whether calls wrote them
_OTHERS = 3  # rules as simple that hold as well
_ROWS = 2_000_000  # beyond these rows of two states are not held against each other
_KEYS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is known of a rule: all rows and those that break it, None where only the sample could be asked."""

    rule: Rule
    sampled: int
    rows: int | None
    broken: int | None
    by_calls: int | None = None  # of the broken rows, those that calls wrote; None: not known
    examples: tuple[RuleBroken, ...] = ()
    others: tuple[str, ...] = ()


Guessed = Sequence[tuple[images.Column, Sequence[Rule]]]


def present(
    place: Place, guessed: Guessed, sample: Sampled, frame: pandas.DataFrame | None
) -> Iterator[tuple[images.Column, Proof]]:
    """Yield of each column the simplest rule that every row follows, else one that nearly all do; asked in one scan."""
    if not any(rules for _, rules in guessed):
        return
    sampled = len(sample.values([quoted(guessed[0][0].name)])[0])
    try:
        rows, counts = _counted(place, [(column, rule) for column, rules in guessed for rule in rules])
    except psycopg.errors.QueryCanceled:
        rows, counts = None, {}
    for column, rules in guessed:
        if rows is None:
            proof = _unasked(column, rules, sample, sampled)
        else:
            counted = [(rule, counts[column.name, rule]) for rule in rules if (column.name, rule) in counts]
            proof = _proof(place, column, _chosen(counted, _BY_CALLS * rows), rows=rows, sampled=sampled, frame=frame)
        if proof is not None:
            yield column, proof


def _proof(
    place: Place,
    column: images.Column,
    chosen: Chosen | None,
    *,
    rows: int,
    sampled: int,
    frame: pandas.DataFrame | None,
) -> Proof | None:
    if chosen is None:
        return None
    rule, count, others = chosen
    broken = _broken(place, column, rule) if count else []
    by_calls = _by_calls(place.table, broken, frame) if count <= _LOOKED_AT else None
    if count > _BROKEN * rows and by_calls != count:
        return None
    examples = tuple(example for _, example in broken[:_EXAMPLES])
    return Proof(
        rule=rule, sampled=sampled, rows=rows, broken=count, by_calls=by_calls, examples=examples, others=others
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A table as it is now."""

    connection: Connection[Any]
    table: images.Table

    @property
    def source(self) -> sql.Composed:
        """What to select from, under the table's own name."""
        return sql.SQL("{} as {}").format(self.table.source, sql.Identifier(self.table.relation))


def _unasked(column: images.Column, rules: Sequence[Rule], sample: Sampled, sampled: int) -> Proof | None:
    """Return the simplest rule that every sampled row follows."""
    told = [rule for rule in rules if not rule.is_constant]
    breaks = sample.values([f"{quoted(column.name)} IS DISTINCT FROM ({rule.sql})" for rule in told])
    kept = (rule for rule, broken in zip(told, breaks, strict=True) if "true" not in broken)
    return next((Proof(rule=rule, sampled=sampled, rows=None, broken=None) for rule in kept), None)


def _counted(place: Place, pairs: Sequence[tuple[images.Column, Rule]]) -> tuple[int, dict[tuple[str, Rule], int]]:
    """Return how many rows there are, and how many break each rule, in one scan; a rule that fails is left out."""
    asked = [sql.SQL("count(*) filter (where {})").format(_breaks(column, rule)) for column, rule in pairs]
    query = sql.SQL("select {} from {}").format(sql.SQL(", ").join([sql.SQL("count(*)"), *asked]), place.source)
    try:
        with place.connection.transaction():
            found = place.connection.execute(query).fetchone()
    except REFUSED:
        if len(pairs) < 2:
            return 0, {}
        half = len(pairs) // 2
        (rows, one), (more, other) = _counted(place, pairs[:half]), _counted(place, pairs[half:])
        return max(rows, more), one | other
    assert found is not None, "an aggregate returns one row"
    return found[0], {(column.name, rule): count for (column, rule), count in zip(pairs, found[1:], strict=True)}


def _breaks(column: images.Column, rule: Rule) -> sql.Composed:
    return sql.SQL("{} is distinct from ({})").format(column.identifier, sql.SQL(rule.sql))


Chosen = tuple[Rule, int, tuple[str, ...]]


def _chosen(counted: Sequence[tuple[Rule, int]], most: float) -> Chosen | None:
    """Return a rule, how many rows break it (`most` at most), and others as simple of which the same can be said.

    The simplest of those that no row breaks; else the simplest of those that break few more rows than any.
    """
    usable = [(rule, broken) for rule, broken in counted if broken <= most and not (broken and rule.is_constant)]
    least = min((broken for _, broken in usable), default=0)
    best = next(((rule, broken) for rule, broken in usable if broken <= 2 * least), None)
    if best is None:
        return None
    alike = [
        rule.sql for rule, broken in usable if rule is not best[0] and (rule.cost, broken) == (best[0].cost, best[1])
    ]
    return *best, tuple(alike[:_OTHERS])


def _broken(place: Place, column: images.Column, rule: Rule) -> list[tuple[tuple[str, ...], RuleBroken]]:
    """Return some of the rows that break a rule, with their keys, in the order of these."""
    table = place.table
    keys = [sql.SQL("{}::text").format(sql.Identifier(table.relation, name)) for name in table.key]
    asked = [_key(table, table.key), *_both(column, rule), *keys]
    order = [sql.Identifier(table.relation, name) for name in table.key]
    query = sql.SQL("select {} from (select * from {} where {} limit {}) as {} order by {}").format(
        sql.SQL(", ").join(asked),
        place.source,
        _breaks(column, rule),
        sql.Literal(_LOOKED_AT),  # within, so that the table is scanned and not its index
        sql.Identifier(table.relation),
        sql.SQL(", ").join(order) if order else sql.SQL("1"),
    )
    try:
        with place.connection.transaction():
            rows = place.connection.execute(query).fetchall()
    except psycopg.errors.QueryCanceled:
        return []
    return [(tuple(key), RuleBroken(key=said, found=found, ruled=ruled)) for said, found, ruled, *key in rows]


def _both(column: images.Column, rule: Rule) -> list[sql.Composed]:
    """Return SQL for the value that is there and the one that the rule gives, as texts."""
    return [sql.SQL("({})::text").format(one) for one in (column.identifier, sql.SQL(rule.sql))]


def _by_calls(
    table: images.Table, broken: Sequence[tuple[tuple[str, ...], RuleBroken]], frame: pandas.DataFrame | None
) -> int | None:
    """Return how many of these rows calls wrote; None where that is not known."""
    writes = _writes.of_table(frame, table.key)
    if not table.key or writes.may_hide_rows_changed:
        return None
    return sum(key in writes.keyed for key, _ in broken)


def _key(table: images.Table, key: Sequence[str]) -> sql.Composable:
    """Return SQL for a row's key in words; a row without one is told whole."""
    if not key:
        return sql.SQL("{}::text").format(sql.Identifier(table.relation))
    if len(key) == 1:
        return sql.SQL("{}::text").format(sql.Identifier(key[0]))
    parts = (sql.SQL("{} || {}::text").format(sql.Literal(f"{name} = "), sql.Identifier(name)) for name in key)
    return sql.SQL(" || ', ' || ").join(parts)


# --- against the start


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """A table at the start and now."""

    old: Connection[Any]
    new: Connection[Any]
    pairing: Pairing


def before(
    states: States, column: images.Column, rules: Sequence[Rule], sample: Sampled, frame: pandas.DataFrame | None
) -> Proof | None:
    """Return the simplest rule that all rows follow that no call wrote, by what they held at the start."""
    sampled = len(sample.values([quoted(column.name)])[0])
    writes = _writes.of_table(frame, states.pairing.key)
    if writes.may_hide_rows_changed or len(writes.keyed) > _KEYS:
        return None  # which rows calls wrote is not known, so that no row can be held against the rule
    written = cells.by_key(states.new, states.pairing, states.pairing.newer, list(writes.keyed)).values()
    numbers = np.array([row[0] for row in written], dtype=np.int64)
    found = [one for rule in rules[:_OTHERS] if (one := _held(states, column, rule, numbers)) is not None]
    counted = [(one.rule, len(one.broken)) for one in found]
    best = _chosen(counted, _BROKEN * max((one.rows for one in found), default=0))
    if best is None:
        return None
    held = next(one for one in found if one.rule is best[0])
    return Proof(
        rule=best[0],
        sampled=sampled,
        rows=held.rows,
        broken=best[1],
        examples=_differing(states, column, held),
        others=best[2],
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """A rule, the rows of both states that no call wrote, and the numbers of those that break it."""

    rule: Rule
    rows: int
    broken: Numbers


def _held(states: States, column: images.Column, rule: Rule, written: Numbers) -> _Held | None:
    pairing = states.pairing
    try:
        with states.old.transaction(), states.new.transaction():
            older = _stream(states.old, pairing, pairing.older, _form(column, rule.sql))
            newer = _stream(states.new, pairing, pairing.newer, _form(column, quoted(column.name)))
    except (psycopg.errors.QueryCanceled, *REFUSED, _TooMany):
        return None
    rows = difference(older, newer)
    both = older.shape[1] - len(rows.missing) - int(np.isin(written, older[0]).sum())
    return _Held(rule, both, rows.changed[~np.isin(rows.changed, written)])


class _TooMany(Exception):
    """There are more rows than are held in memory."""


def _stream(connection: Connection[Any], pairing: Pairing, table: images.Table, said: sql.Composed) -> Numbers:
    hashed = sql.SQL('coalesce(hashtextextended({} collate "C", 0), 0)').format(said)
    rows = sql.SQL("(select {} as number, {} as hash from {} as {} limit {}) as r").format(
        pairing.number(table), hashed, table.source, sql.Identifier(table.relation), sql.Literal(_ROWS + 1)
    )
    found = streams.read(connection, [sql.SQL("r.number"), sql.SQL("r.hash")], rows)
    if found.shape[1] > _ROWS:
        raise _TooMany
    return found


def _form(column: images.Column, said: str) -> sql.Composed:
    """Return SQL for a value as text, numbers without the scale that only their type gives them."""
    is_exact = kind(column) == "number" and column.base not in {"float4", "float8"}
    form = "trim_scale(({})::numeric)::text" if is_exact else "({})::text"
    return sql.SQL(form).format(sql.SQL(said))


def _differing(states: States, column: images.Column, held: _Held) -> tuple[RuleBroken, ...]:
    if not len(held.broken):
        return ()
    chosen, pairing = np.sort(held.broken)[:_EXAMPLES], states.pairing
    ruled = _by_number(states.old, pairing, pairing.older, chosen, held.rule.sql)
    found = _by_number(states.new, pairing, pairing.newer, chosen, quoted(column.name))
    return tuple(
        RuleBroken(key=found[number][0], found=found[number][1], ruled=ruled[number][1])
        for number in chosen.tolist()
        if number in found and number in ruled
    )


def _by_number(
    connection: Connection[Any], pairing: Pairing, table: images.Table, numbers: Numbers, said: str
) -> dict[int, tuple[str, str | None]]:
    number = pairing.number(table)
    query = sql.SQL("select {}, {}, ({})::text from {} as {} where {}").format(
        number,
        _key(table, pairing.key),
        sql.SQL(said),
        table.source,
        sql.Identifier(table.relation),
        streams.chosen(number, numbers),
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}
