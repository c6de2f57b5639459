"""Whether two ways to the same change end in the same place: schemas by meaning, rows and values.

What a strategy leaves for its own use (its tool's tables, the backfill's, those that it names itself) is told and no
difference; nor are names of constraints and indexes that are otherwise the same, comments, or what only disk and
planner see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from rehearse import bookkeeping
from rehearse.events import PhaseRan
from rehearse.model import Comparison, PropertyDifference, Recording, Scenario, Snapshot, TableComparison
from rehearse.units import counted

BACKFILL = "rehearse_backfill"  # what the tables of our own backfill begin with
_TABLE = re.compile(r"table (\S+)")
_SHOWN = 120
_FAR, _FEW = 2, 10  # times what chance does, and so many besides, are more than chance


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """Where a strategy ends, beside the first one that got there.

    `differs` are reasons why it ends elsewhere, `cosmetic` is what differs without a meaning, `leftovers` are tables
    for its own use, `not_compared` is what nobody looked at. `values_differ`: rows or values are among the reasons.
    `error` is why it did not get to its end.
    """

    is_first: bool = False
    error: str | None = None
    differs: tuple[str, ...] = ()
    cosmetic: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    values_differ: bool = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is no alternative to the first."""
        return self.error is not None or bool(self.differs)


@dataclass(frozen=True, slots=True)
class Own:
    """The tables that strategies leave for their own use: their tools', those that they name, our own backfill's."""

    tables: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *ended: tuple[Scenario, Iterable[Snapshot]]) -> Own:
        """Return those of several scenarios and the states that they came to."""
        tools = [bookkeeping.tables_in(scenario.migration, states) for scenario, states in ended]
        named = [frozenset(choice.leftovers) for scenario, _ in ended for choice in scenario.strategies]
        return cls(frozenset().union(*tools, *named))

    def has(self, table: str) -> bool:
        """Say whether a table is one of them."""
        return table in self.tables or table.rpartition(".")[2].startswith(BACKFILL)


@dataclass(frozen=True, slots=True)
class _Differences:
    """What differs, sorted by what it means."""

    schema: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    cosmetic: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def beside(found: Comparison, own: Own, *, chance: Comparison | None = None) -> EndState:
    """Return where a strategy ends beside the first; `chance` is what differs between two runs of one strategy."""
    by_chance = {} if chance is None else {one.place: one for table in chance.tables for one in _values(table)}
    parts = _Differences()
    for one in found.schema:
        _sort(one, own, parts)
    for one in found.physical:
        parts.cosmetic.append(_property(one))
    for table in found.tables:
        if not own.has(table.table):
            _sort_values(table, by_chance, parts)
    return EndState(
        differs=(*parts.schema, *parts.data),
        cosmetic=tuple(parts.cosmetic),
        leftovers=tuple(dict.fromkeys(parts.leftovers)),
        not_compared=tuple(dict.fromkeys(parts.unread)),
        values_differ=bool(parts.data),
    )


def otherwise(recording: Recording, beside_quiet: Callable[[Snapshot], Comparison]) -> Iterator[str]:
    """Say what of the schema is otherwise after forward and again under traffic than after the same in quiet."""
    own = Own.of((recording.scenario, recording.snapshots.values()))
    for name in ("forward", "again"):
        state = recording.snapshots.get(name)
        if state is not None and not failed(recording, name):
            found = beside_quiet(state)
            theirs = tuple(one for one in found.schema if not _is_by_traffic(one))
            yield from (f"{name}: {one}" for one in beside(replace(found, schema=theirs), own).differs)


def _is_by_traffic(one: PropertyDifference) -> bool:
    """Say whether calls may have made a difference: what is drawn from counters, and what views and the like hold."""
    return one.property in ("value", "behind") or one.property.startswith("content")


def failed(recording: Recording, phase: str) -> bool:
    """Say whether the migration did not get to its end in a phase."""
    return any(one.name == phase and one.error for one in recording.history.of(PhaseRan))


def _sort(one: PropertyDifference, own: Own, parts: _Differences) -> None:
    table = _TABLE.match(one.object)
    if table and own.has(table[1]):
        parts.leftovers.append(table[1])
    elif one.severity == "cosmetic" or _is_position(one):
        parts.cosmetic.append(_property(one))
    else:
        parts.schema.append(_property(one))


def _is_position(one: PropertyDifference) -> bool:
    """Say whether a counter only stands elsewhere; one that lags behind its column is told by "behind"."""
    is_counter = one.object.startswith("sequence ") or one.object.endswith((" sequence", " counter"))
    return is_counter and one.property == "value"


def _property(one: PropertyDifference) -> str:
    """Return "index orders_status_idx is missing", or what of an object is otherwise."""
    if one.property == "exists":
        is_table = _TABLE.fullmatch(one.object) is not None
        besides = "is there besides" + (" (is it for its own use? say so in leftovers)" if is_table else "")
        return f"{one.object} {'is missing' if one.after is None else besides}"
    before, after = (("(none)" if side is None else _short(side)) for side in (one.before, one.after))
    return f"{one.object}: {one.property} is {after}, and not {before}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """A place where rows or values differ, in words; `changed` of them, `nulls` where one side alone has NULL."""

    place: str
    says: str
    changed: int
    nulls: int = 0


def _sort_values(table: TableComparison, by_chance: Mapping[str, _Values], parts: _Differences) -> None:
    for one in _values(table):
        chance = by_chance.get(one.place)
        if chance is None:
            parts.data.append(one.says)
        elif told := _beyond(one, chance):
            parts.data.append(told)
        else:
            parts.unread.append(f"{one.place} is another in each run, of the same strategy too")
    parts.unread.extend(f"{table.table}: {reason}" for reason in table.unmeasured)
    parts.unread.extend(f"{table.table}.{column} was not compared" for column in table.columns_unmeasured)


def _beyond(one: _Values, chance: _Values) -> str | None:
    """Say what differs beyond what differs between two runs of one strategy: NULLs, or far more of it; None: nothing.

    Which values are drawn is chance's doing, and not that a column stays empty.
    """
    if one.nulls > _FAR * chance.nulls + _FEW * bool(chance.nulls):
        return f"{one.place}: {counted(one.nulls, 'value')} NULL on one side alone"
    if one.changed > _FAR * chance.changed + _FEW:
        return f"{one.says}; between two runs of the same it is {chance.changed:,}"
    return None


def _values(table: TableComparison) -> Iterator[_Values]:
    """Yield what differs in a table's rows and values."""
    rows = f"rows of {table.table}"
    if table.rows_missing:
        says = f"{table.table}: {counted(table.rows_missing, 'row')} fewer"
        yield _Values(place=rows, says=says, changed=table.rows_missing)
    if table.rows_unexpected:
        says = f"{table.table}: {counted(table.rows_unexpected, 'row')} more"
        yield _Values(place=rows, says=says, changed=table.rows_unexpected)
    before, after = table.rows_before, table.rows_after
    if table.rows_missing is None and before is not None and after is not None and before != after:
        yield _Values(place=rows, says=f"{table.table}: {after:,} rows, not {before:,}", changed=abs(after - before))
    for column in table.columns:
        if column.values_changed:
            place = f"{table.table}.{column.column}"
            example = next(iter(column.examples), None)
            shown = "" if example is None else f", for example {_cell(example.after)} and not {_cell(example.before)}"
            yield _Values(
                place=place,
                says=f"{place}: {counted(column.values_changed, 'value')} otherwise{shown}",
                changed=column.values_changed,
                nulls=column.values_lost + (column.values_filled or 0),
            )


def _cell(value: str | None) -> str:
    return "NULL" if value is None else repr(_short(value))


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"
