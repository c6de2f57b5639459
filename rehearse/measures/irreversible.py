"""What the migration took for good, and by which statement: the losses of the way back beside the text of the steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rehearse.events import PhaseRan, StatementRan
from rehearse.measures import fidelity
from rehearse.measures._objects import is_about, place
from rehearse.measures._remembered import remembered
from rehearse.measures.deeds import ALL, COLUMN, ROWS, TYPE, UNKNOWN, VALUES, Names, Reference, Step, deeds
from rehearse.measures.fidelity import RowsLost
from rehearse.model import Comparison, PropertyDifference, Recording, Snapshot
from rehearse.units import counted

_REFERENCE = re.compile(
    r"FOREIGN KEY \((?P<columns>.*?)\) REFERENCES (?P<parent>\S+)\(.*?"
    r"(?:ON DELETE (?P<action>CASCADE|SET NULL|SET DEFAULT)|$)"
)
_TIERS_OF_VALUES = ((ALL, COLUMN), (TYPE, VALUES), (ROWS,))
Matches = Callable[[Step], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Irreversible:
    """Something that did not come back (`back = false`: that is gone), and the statement that took it.

    `statement` is None where it cannot be told from the texts; `reason` says why, or how it is known. A loss of rows or
    values has a table (and a column), another one an object and its property. Figures are None where not measured, or
    not about this kind of loss.
    """

    phase: str | None
    statement: StatementRan | None
    does: str | None  # "DROP COLUMN"
    reason: str | None
    object: str | None = None
    property: str | None = None
    table: str | None = None
    column: str | None = None
    values_lost: int | None = None
    values_changed: int | None = None
    rows_lost: int | None = None


def taken(one: Irreversible) -> str:
    """Return what is lost, in words: "2,000 values of items.note"."""
    if one.object is not None:
        return one.object if one.property == "exists" else f"{one.property} of {one.object}"
    if one.column is None:
        return f"{_counted(one.rows_lost, 'row')} of {one.table}"
    return f"{_counted(one.values_changed, 'value')} of {one.table}.{one.column}"


def taker(one: Irreversible) -> str:
    """Return the statement in words: "statement 2 of forward (DROP COLUMN at up.sql:1)"."""
    if one.statement is None:
        return f"a statement that cannot be told: {one.reason}"
    place = f" at {one.statement.file}" if one.statement.file else ""
    known = f"; {one.reason}" if one.reason else ""
    return f"statement {one.statement.n} of {one.phase} ({one.does}{place}{known})"


def _counted(number: int | None, one: str) -> str:
    return f"{one}s (not counted)" if number is None else counted(number, one)


@remembered
def irreversible(recording: Recording) -> tuple[Irreversible, ...] | None:
    """Return what the way back did not restore; where there is none to rehearse, what the way forward took away.

    None: that was not measured, since a way failed or states were not compared.
    """
    ran = {one.name: one for one in recording.history.of(PhaseRan)}
    forward = recording.comparison("start", "forward")
    if forward is None or "start" not in recording.snapshots or any(one.error for one in _ways_of(ran)):
        return None
    back = fidelity.went_back(recording) if "back" in ran else None
    if back is not None:
        is_lost = back.schema or fidelity.losses(back.tables)
        ways = _read(recording, ran, forward) if is_lost else None
        return (*ways.lost_data(back), *ways.lost_schema(back)) if ways else ()
    if recording.scenario.migration.back is False:
        gone = fidelity.went_forward(recording, forward)
        return tuple(_read(recording, ran, forward).lost_data(gone, for_good=True))
    return None


def _ways_of(ran: dict[str, PhaseRan]) -> Iterator[PhaseRan]:
    return (ran[name] for name in ("forward", "back") if name in ran)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """The steps of both ways, the names after the way forward, and what differs then."""

    start: Snapshot
    forward: list[Step]
    back: list[Step]
    names: Names
    compared: Comparison

    # --- rows and values

    def lost_data(self, found: Comparison, *, for_good: bool = False) -> Iterator[Irreversible]:
        """Yield the rows and values that are lost; `for_good`: but for what is there by another name."""
        filled = {(table.table, one.column): one.values_filled for table in found.tables for one in table.columns}
        for loss in fidelity.losses(found.tables):
            changed = loss.values_changed
            is_filled = changed is not None and changed == filled.get((loss.table, loss.column or ""))
            is_kept = for_good and self.names.keeps(loss.table, loss.column)
            if (loss.column is not None or loss.rows_lost) and not is_filled and not is_kept:
                yield self._taken_data(loss)

    def _taken_data(self, loss: RowsLost) -> Irreversible:
        taker = self._taker(
            [self._of(loss, tier) for tier in self._tiers(loss)],
            is_there=self._has_data(loss.table, loss.column),
            is_renamed=self.names.keeps(loss.table, loss.column) or self.names.keeps(loss.table),
        )
        return replace(
            taker,
            table=loss.table,
            column=loss.column,
            values_lost=loss.values_lost,
            values_changed=loss.values_changed,
            rows_lost=loss.rows_lost,
        )

    def _tiers(self, loss: RowsLost) -> Sequence[tuple[str, ...]]:
        return _TIERS_OF_VALUES if loss.column is not None else ((ALL, ROWS), (VALUES,))

    def _of(self, loss: RowsLost, tier: tuple[str, ...]) -> Matches:
        state = self.start.tables.get(loss.table)
        key = set(state.key if state else ())  # a row of another key is another row; without a key, any other row is
        columns = key | ({loss.column} if loss.column is not None else set())

        def matches(step: Step) -> bool:
            one = step.deed
            is_any = one.takes in (ALL, ROWS) or (loss.column is None and not key)
            return one.takes in tier and loss.table in one.tables and (is_any or bool(columns & one.columns))

        return matches

    def _has_data(self, table: str, column: str | None) -> bool:
        """Say whether the way forward left it as it was."""
        found = next((one for one in self.compared.tables if one.table == table), None)
        if found is None or found.rows_after is None:
            return False
        if column is None:
            return found.rows_missing == 0
        others = {one.column for one in found.columns if one.values_changed} | {*found.columns_unmeasured}
        return column not in others | {*found.columns_gone}

    # --- the schema

    def lost_schema(self, found: Comparison) -> Iterator[Irreversible]:
        """Yield the properties and objects that are lost, but for tables and columns whose rows and values are."""
        told = {(one.table, one.column) for one in fidelity.losses(found.tables)}
        for one in found.schema:
            table, column = place(one.object)
            if one.before is not None and not (one.property == "exists" and table and (table, column) in told):
                yield self._taken_schema(one)

    def _taken_schema(self, one: PropertyDifference) -> Irreversible:
        table, column = place(one.object)
        at_start = self.start.schema.get(one.object, {})
        taker = self._taker(
            [lambda step: is_about(step.deed, one, at_start)],
            is_there=not any(_covers(other, one) for other in self.compared.schema),
            is_renamed=table is not None and (self.names.keeps(table) or self.names.keeps(table, column)),
            first=True,
        )
        return replace(taker, object=one.object, property=one.property)

    # --- who did it

    def _taker(
        self, tiers: Sequence[Matches], *, is_there: bool, is_renamed: bool, first: bool = False
    ) -> Irreversible:
        """Return the step that fits the earliest of the tiers; `is_there`: the way forward left it as it was."""
        there, back = _fitting(self.forward, tiers), _fitting(self.back, tiers)
        if not is_there and (there or not is_renamed):
            return _chosen("forward", there, self.forward, first=first)
        if is_there and not first and any(step.deed.takes == TYPE for step in there):
            return _by_none(
                f"the values were alike in the type that {_numbered(there)} of forward gave them, "
                f"and {_numbered(back) or 'no statement'} of back took it away again"
            )
        return _chosen("back", back, self.back, first=first)


def _fitting(steps: Sequence[Step], tiers: Sequence[Matches]) -> list[Step]:
    return next((found for tier in tiers if (found := [step for step in steps if tier(step)])), [])


def _chosen(phase: str, found: Sequence[Step], steps: Sequence[Step], *, first: bool) -> Irreversible:
    unread = [step for step in steps if step.deed.takes == UNKNOWN]
    cascading = [step for step in steps if step.deed.cascades]
    if not found and first and not unread and len({one.statement.n for one in cascading}) == 1:
        return _by(phase, cascading[0], "no statement names it, and only this one has CASCADE")
    numbers = list(dict.fromkeys(step.statement.n for step in found))
    is_one = len({step.statement.sql for step in found}) == 1
    if is_one or (found and (first or found[0].deed.takes in (ALL, COLUMN))):
        is_repeated = is_one and len(numbers) > 1 and not first
        return _by(phase, found[0], f"and {len(numbers) - 1:,} more of this text" if is_repeated else None)
    reason = f"{_numbered(found)} of {phase} may have" if found else _not_told(phase, unread)
    return _by_none(reason)


def _by_none(reason: str) -> Irreversible:
    return Irreversible(phase=None, statement=None, does=None, reason=reason)


def _by(phase: str, step: Step, reason: str | None) -> Irreversible:
    return Irreversible(phase=phase, statement=step.statement, does=step.deed.does, reason=reason)


def _numbered(steps: Sequence[Step]) -> str:
    """Return "statement 2" or "statements 2 and 5"; empty for none."""
    numbers = list(dict.fromkeys(step.statement.n for step in steps))
    return f"statement{'s' * (len(numbers) > 1)} {_listed(numbers)}" if numbers else ""


def _not_told(phase: str, unread: Sequence[Step]) -> str:
    if not unread:
        return f"no statement of {phase} names it; a trigger, a function or what hangs on another object may have"
    each = dict.fromkeys(f"statement {step.statement.n} is {step.deed.does}" for step in unread)
    return f"{', '.join(list(each)[:5])}, whose text does not tell what it touches"


def _listed(numbers: Sequence[int]) -> str:
    shown = [str(one) for one in numbers[:5]]
    if len(shown) == 1:
        return shown[0]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(numbers) <= 5 else f"{', '.join(shown)} and more"


def _covers(other: PropertyDifference, one: PropertyDifference) -> bool:
    """Say whether a difference is this one, or that of a larger object that is gone with it."""
    if other.object == one.object:
        return other.property in (one.property, "exists", "name")
    return other.property == "exists" and other.after is None and one.object.startswith(f"{other.object} ")


# --- reading


def _read(recording: Recording, ran: dict[str, PhaseRan], forward: Comparison) -> _Ways:
    start = recording.snapshots["start"]
    names = Names(
        known=frozenset(start.tables) | {table for table, _ in map(place, start.schema) if table},
        roots=dict(_roots(start)),
        references=tuple(_references(start)),
    )
    there = deeds(_statements(recording, ran.get("forward")), names)
    after = replace(names, tables=dict(names.tables), columns=dict(names.columns))
    back = deeds(_statements(recording, ran.get("back")), names)
    return _Ways(start=start, forward=there, back=back, names=after, compared=forward)


def _statements(recording: Recording, phase: PhaseRan | None) -> Iterable[StatementRan]:
    if phase is None:
        return []
    return [one for one in recording.history.of(StatementRan) if phase.at_ns <= one.at_ns <= phase.ended_ns]


def _roots(start: Snapshot) -> Iterator[tuple[str, str]]:
    for name, properties in start.schema.items():
        if "partition bound" in properties and "inherits" in properties:
            yield name.removeprefix("table "), properties["inherits"]


def _references(start: Snapshot) -> Iterator[Reference]:
    for name, properties in start.schema.items():
        found = _REFERENCE.match(properties.get("definition", ""))
        table, _ = place(name)
        if found and table:
            yield Reference(table, found["parent"], tuple(found["columns"].split(", ")), found["action"])
