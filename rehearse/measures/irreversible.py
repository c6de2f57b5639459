"""What the migration took for good, and by which statement: the losses of the way back beside the text of the steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rehearse.events import LockTaken, PhaseRan, StatementRan
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
    locks: Mapping[tuple[str, int, str], tuple[str, ...]]  # (phase, statement, table) -> modes

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
            about=_About(is_data=True, table=loss.table, count=loss.rows_lost or loss.values_changed),
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
        """Say whether the way forward left it as it was; what it put in the place of NULL took nothing."""
        found = next((one for one in self.compared.tables if one.table == table), None)
        if found is None or found.rows_after is None:
            return False
        if column is None:
            return found.rows_missing == 0
        others = {one.column for one in found.columns if one.values_changed != one.values_filled} | {
            *found.columns_unmeasured
        }
        return column not in others | {*found.columns_gone}

    # --- the schema

    def lost_schema(self, found: Comparison) -> Iterator[Irreversible]:
        """Yield the properties and objects that are lost, but for tables and columns whose rows and values are."""
        told = {(one.table, one.column) for one in fidelity.losses(found.tables)}
        structural = replace(self, forward=_structural(self.forward), back=_structural(self.back))
        for one in found.schema:
            table, column = place(one.object)
            if one.before is not None and not (one.property == "exists" and table and (table, column) in told):
                yield structural._taken_schema(one)

    def _taken_schema(self, one: PropertyDifference) -> Irreversible:
        table, column = place(one.object)
        at_start = self.start.schema.get(one.object, {})
        taker = self._taker(
            [lambda step: is_about(step.deed, one, at_start)],
            is_there=not any(_covers(other, one) for other in self.compared.schema),
            is_renamed=table is not None and (self.names.keeps(table) or self.names.keeps(table, column)),
            about=_About(is_data=False, table=table),
        )
        return replace(taker, object=one.object, property=one.property)

    # --- who did it

    def _taker(self, tiers: Sequence[Matches], *, is_there: bool, is_renamed: bool, about: _About) -> Irreversible:
        """Return the step that fits the earliest of the tiers; `is_there`: the way forward left it as it was."""
        there, back = _fitting(self.forward, tiers), _fitting(self.back, tiers)
        if not is_there and (there or not is_renamed):
            return self._chosen("forward", there, self.forward, about)
        if is_there and about.is_data and any(step.deed.takes == TYPE for step in there):
            return _by_none(
                f"the values were alike in the type that {_numbered(there)} of forward gave them, "
                f"and {_numbered(back) or 'no statement'} of back took it away again"
            )
        return self._chosen("back", back, self.back, about)

    def _chosen(self, phase: str, found: Sequence[Step], steps: Sequence[Step], about: _About) -> Irreversible:
        """Return the step that did it, or why that is not sure."""
        unread = [step for step in steps if step.deed.takes == UNKNOWN]
        cascading = [step for step in steps if step.deed.cascades]
        if not found and not about.is_data and not unread and len({one.statement.n for one in cascading}) == 1:
            return _by(phase, cascading[0], "no statement names it, and only this one has CASCADE")
        doubt = self._doubt(phase, found, unread, about)
        if doubt is not None:
            return _by_none(doubt)
        more = len({step.statement.n for step in found}) - 1 if about.is_data else 0
        return _by(phase, found[0], f"and {more:,} more of this text" if more else None)

    def _doubt(self, phase: str, found: Sequence[Step], unread: Sequence[Step], about: _About) -> str | None:
        """Return why it may be others than the steps that fit: none does, several do, or they touched too few rows."""
        if not found:
            return self._not_told(phase, unread, about)
        if not about.is_data or found[0].deed.takes in (ALL, COLUMN):
            return None  # what is dropped is gone, whatever the others do
        if len({step.statement.sql for step in found}) > 1:
            return f"{_numbered(found)} of {phase} may have"
        touched = _rows_touched(found)
        if touched is not None and about.count is not None and touched < about.count:
            return f"{_numbered(found)} of {phase} touched {counted(touched, 'row')} only"
        if unread and touched is None:
            return f"{_numbered(found)} of {phase} may have, but {self._not_told(phase, unread, about)}"
        return None

    def _not_told(self, phase: str, unread: Sequence[Step], about: _About) -> str:
        if not unread:
            return f"no statement of {phase} names it"
        each = dict.fromkeys(
            f"statement {step.statement.n} is {step.deed.does}{self._locked(phase, step, about)}" for step in unread
        )
        return f"{', '.join(list(each)[:5])}, whose text does not tell what it touches"

    def _locked(self, phase: str, step: Step, about: _About) -> str:
        """Say which locks of the table the statement was seen to take."""
        modes = self.locks.get((phase, step.statement.n, about.table or ""), ())
        return f" that took {' and '.join(modes)} of {about.table}" if modes else ""


@dataclass(frozen=True, slots=True)
class _About:
    """What is lost: whether rows or values, of which table, and how many."""

    is_data: bool
    table: str | None
    count: int | None = None


def _fitting(steps: Sequence[Step], tiers: Sequence[Matches]) -> list[Step]:
    """Return the steps of the first tier that has any."""
    return next((found for tier in tiers if (found := [step for step in steps if tier(step)])), [])


def _structural(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that may change the schema; a backfill has thousands of others."""
    return [step for step in steps if step.deed.takes not in (VALUES, ROWS)]


def _touching(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without those that touched no row, as the server says."""
    return [step for step in steps if _rows_touched([step]) != 0]


def _rows_touched(steps: Sequence[Step]) -> int | None:
    """Return how many rows statements touched in their tables; None where one does not tell it."""
    rows = [step.statement.rows for step in steps if _tells_rows(step)]
    known = [one for one in rows if one is not None]
    return sum(known) if known and len(known) == len(steps) else None


def _tells_rows(step: Step) -> bool:
    """Say whether the rows that the server told of a statement are those of this deed."""
    first, _, rest = step.deed.does.partition(" ")
    is_own = step.statement.sql[:100].lstrip().upper().startswith(first) and not rest.startswith("of ")
    return is_own and step.deed.takes in (VALUES, ROWS) and first in ("UPDATE", "DELETE", "INSERT", "MERGE")


def _by_none(reason: str) -> Irreversible:
    return Irreversible(phase=None, statement=None, does=None, reason=reason)


def _by(phase: str, step: Step, reason: str | None = None) -> Irreversible:
    return Irreversible(phase=phase, statement=step.statement, does=step.deed.does, reason=reason)


def _numbered(steps: Sequence[Step]) -> str:
    """Return "statement 2" or "statements 2 and 5"; empty for none."""
    numbers = list(dict.fromkeys(step.statement.n for step in steps))
    return f"statement{'s' * (len(numbers) > 1)} {_listed(numbers)}" if numbers else ""


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
    there = _touching(deeds(_statements(recording, ran.get("forward")), names))
    after = replace(names, tables=dict(names.tables), columns=dict(names.columns))
    back = _touching(deeds(_statements(recording, ran.get("back")), names))
    locks = {(name, *key): modes for name, phase in ran.items() for key, modes in _locks(recording, phase).items()}
    return _Ways(start=start, forward=there, back=back, names=after, compared=forward, locks=locks)


def _locks(recording: Recording, phase: PhaseRan) -> dict[tuple[int, str], tuple[str, ...]]:
    found: dict[tuple[int, str], tuple[str, ...]] = {}
    for one in recording.history.of(LockTaken):
        if phase.at_ns <= one.at_ns <= phase.ended_ns and one.statement is not None and one.index is None:
            key = (one.statement, one.table)
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), one.mode)))
    return found


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
