"""The hazards of a recorded migration, each beside what the rehearsal measured of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rehearse.events import LockTaken, PhaseRan, StatementRan
from rehearse.hazards.known import Known
from rehearse.hazards.lint import NEWEST, Script, beginning, hazards, said
from rehearse.hazards.proof import Proof, proof
from rehearse.hazards.rule import Hazard
from rehearse.measures._objects import place
from rehearse.measures._remembered import remembered
from rehearse.model import Recording, Snapshot
from rehearse.model.names import split

_CONSTRAINTS = re.compile(
    r"table (?P<table>.+?) (?P<kind>constraint|check|unique|foreign key|primary key)(?: (?P<name>.+))?"
)
_ROWS = re.compile(r"\s*(?:update|insert|delete|select|copy|with|merge|replace|fetch)\b", re.IGNORECASE)
_MOST_ROWS = 500
_INDEX = re.compile(r"table (?P<table>.+?) index (?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A hazard, the phase and the statement that it is of, and what was measured."""

    phase: Literal["forward", "back"]
    ran: StatementRan
    hazard: Hazard
    proof: Proof


@remembered
def recorded(recording: Recording) -> tuple[Recorded, ...]:
    """Return the hazards of the way forward and of the way back, in the order of their statements.

    BEGIN and COMMIT stand among a recording's statements, and the schema that it starts from in its snapshots.
    """
    if recording.scenario.engine.name not in NEWEST:
        return ()
    known = _before(recording)  # what forward has made is its own on the way back
    return (*_of(recording, known, "forward"), *_of(recording, known, "back"))


def of_statement(recording: Recording, ran: StatementRan) -> tuple[Recorded, ...]:
    """Return the hazards of one statement; the second way forward has those of the first."""
    same = [one for one in recorded(recording) if one.ran.sql == ran.sql]
    return tuple(one for one in same if one.ran is ran) or tuple(same)


def _before(recording: Recording) -> Known:
    engine = recording.scenario.engine.name
    version, before = re.match(r"[\d.]+", recording.environment.engine_version), recording.snapshots.get("start")
    known = beginning(engine, version[0] if version else None, schema=schema(before, engine) if before else ())
    known.settings |= {key: str(value).lower() for key, value in recording.scenario.migration.settings.items()}
    return known


def _of(recording: Recording, known: Known, name: Literal["forward", "back"]) -> Iterator[Recorded]:
    phase = next((one for one in recording.history.of(PhaseRan) if one.name == name), None)
    if phase is None:
        return
    ran = list(_read(one for one in recording.history.of(StatementRan) if phase.at_ns <= one.at_ns <= phase.ended_ns))
    locks = [one for one in recording.history.of(LockTaken) if phase.at_ns <= one.at_ns <= phase.ended_ns]
    script = Script(
        tuple(said(one.sql, known, place=one.file or "", ignored=frozenset(one.ignored)) for one in ran), "none"
    )
    for hazard in hazards(script, known):
        if hazard.rule.per != "end":  # the tool's own BEGIN and COMMIT were seen
            one = ran[hazard.statement - 1]
            yield Recorded(name, one, hazard, proof(hazard, one, locks))


def _read(statements: Iterable[StatementRan]) -> Iterator[StatementRan]:
    """Yield the statements that are read: all but the later ones of those, in thousands, that change rows alone."""
    rows = 0
    for one in statements:
        rows += bool(_ROWS.match(one.sql))
        if rows <= _MOST_ROWS or not _ROWS.match(one.sql):
            yield one


def schema(snapshot: Snapshot, engine: str) -> Iterator[str]:
    """Yield SQL that says of a snapshot's tables what hazards depend on: columns, constraints, indexes."""
    quote = '"' if engine == "postgres" else "`"
    for name, state in _sorted(snapshot):
        if name.startswith("table ") and "type" not in state and "definition" not in state:
            table, _ = place(name)
            charset = f" CHARACTER SET {state['character set']}" if "character set" in state else ""
            yield f"CREATE TABLE {_quoted(table or '', quote)} (){charset}"
    for name, state in _sorted(snapshot):
        table, column = place(name)
        if name.startswith("table ") and table and column and "type" in state:
            yield f"ALTER TABLE {_quoted(table, quote)} ADD COLUMN {_part(column, quote)} {_column(state)}"
    yield from _parts(snapshot, quote)


def _sorted(snapshot: Snapshot) -> Sequence[tuple[str, dict[str, str]]]:
    return [(name, dict(state)) for name, state in sorted(snapshot.schema.items())]


def _column(state: dict[str, str]) -> str:
    return state["type"] + (" NOT NULL" if state.get("not null") == "yes" else "")


def _parts(snapshot: Snapshot, quote: str) -> Iterator[str]:
    for name, state in _sorted(snapshot):
        index, constraint = _INDEX.fullmatch(name), _CONSTRAINTS.fullmatch(name)
        definition = state.get("definition", "")
        if index and definition.startswith("USING"):
            unique = "UNIQUE " if state.get("unique") == "yes" else ""
            yield f"CREATE {unique}INDEX {_part(index['name'], quote)} ON {_quoted(index['table'], quote)} {definition}"
        elif constraint and re.match(r"CHECK|UNIQUE|PRIMARY|FOREIGN", definition):
            named = f"CONSTRAINT {_part(constraint['name'], quote)} " if constraint["name"] else ""
            doubt = " NOT VALID" if state.get("validated") == "no" and "NOT VALID" not in definition else ""
            yield f"ALTER TABLE {_quoted(constraint['table'], quote)} ADD {named}{definition}{doubt}"


def _quoted(table: str, quote: str) -> str:
    schema_, own = split(table)
    return ".".join(_part(one, quote) for one in (schema_, own) if one)


def _part(name: str, quote: str) -> str:
    return f"{quote}{name.replace(quote, quote * 2)}{quote}"
