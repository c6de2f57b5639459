"""Judges a migration's statements by the rules, one after the other, by what is known before each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile

from rehearse.hazards import algorithms, mysql, postgres
from rehearse.hazards.acts import Act, Said
from rehearse.hazards.known import Known, with_rows
from rehearse.hazards.modes import locks
from rehearse.hazards.rule import Hazard, Moment, Rule, Seen
from rehearse.hazards.rules import RULES
from rehearse.hazards.rules._deeds import is_change, is_quick, is_repeatable
from rehearse.hazards.rules.transactions import SMALL
from rehearse.units import counted

NEWEST: Mapping[str, tuple[int, ...]] = {"postgres": (18,), "mysql": (9, 7), "mariadb": (11, 8)}
_LATEST = 999  # the last of a version's minor releases, where only the version is told
_NOTHING = Act(does="select")


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of one file and how they are run: "file", "statement", "none", or "query" (all as one)."""

    statements: tuple[Said, ...]
    transaction: str = "file"


def version_of(engine: str, text: str | None) -> tuple[int, ...]:
    """Return a version's numbers: "8.0" is the last release of 8.0, None the newest that is known."""
    numbers = tuple(int(one) for one in (text or "").split(".") if one.isdigit()) or NEWEST[engine]
    return (*numbers, *[_LATEST] * (3 - len(numbers)))


def said(
    sql: str, known: Known, *, place: str = "", repeats: bool = False, ignored: frozenset[str] = frozenset()
) -> Said:
    """Return what a statement does, by its engine's reader."""
    reader = postgres.read if known.engine == "postgres" else mysql.read
    return replace(reader(sql, version=known.version), place=place, repeats=repeats, ignored=ignored)


def beginning(
    engine: str, version: str | None = None, *, schema: Iterable[str] = (), rows: Mapping[str, int] | None = None
) -> Known:
    """Return what is known before a migration: the schema's statements, and how many rows tables have."""
    known = Known(engine, version_of(engine, version), is_told=version is not None)
    for one in schema:
        read = said(one, known)
        _count(read, known)
        known.fold(read, is_new=False)
    known.settled()
    with_rows(known, rows or {})
    return known


def hazards(script: Script, known: Known) -> Iterator[Hazard]:
    """Yield the hazards of a script, and bring what is known on to its end; what it made is new until `settled`."""
    told: set[str] = set()
    _open(script, known)
    for number, one in enumerate(script.statements, 1):
        known.is_quick = any(act.does == "lock table" for act in one.acts) and _is_quick(script.statements[number:])
        for hazard in _of(one, number, known):
            if not (hazard.rule.once and hazard.rule.code in told):
                told.add(hazard.rule.code)
                yield hazard
        _pass(one, known)
    if script.statements:
        last = Moment(script.statements[-1], _NOTHING, known)
        yield from _judged(_rules(known.engine, "end"), last, len(script.statements))
    known.end()


def _open(script: Script, known: Known) -> None:
    """Open the transaction that a tool would."""
    known.changes, known.altered, known.retaken = [], "", set(_given(script))
    acts = [act for one in script.statements for act in one.acts]
    known.added = {
        f"{act.table}.{act.name}" for act in acts if act.does == "add column" and not act.said & {"stored", "virtual"}
    }
    known.numbered = {f"{act.table}.{act.name}" for act in acts if act.does == "add identity"}
    known.defaulted = {f"{act.table}.{act.name}" for act in acts if act.does == "set default"} | known.numbered
    known.renames = {act.to: act.table for act in acts if act.does == "rename table"}
    several = script.transaction == "query" and len(script.statements) > 1
    if known.engine == "postgres" and (script.transaction == "file" or several):
        known.begin(is_said=False)


def _is_quick(statements: Sequence[Said]) -> bool:
    """Say whether what comes before the transaction's end changes the schema, and in a moment."""
    each = (act for one in statements for act in one.acts)
    acts = list(takewhile(lambda act: act.does not in ("commit", "rollback"), each))
    return any(map(is_change, acts)) and all(map(is_quick, acts))


def _given(script: Script) -> Iterator[str]:
    """Yield the names that a script gives to tables and columns."""
    for act in (act for one in script.statements for act in one.acts):
        if act.does in ("create table", "create view"):
            yield act.table or act.name
        elif act.does == "add column" and not act.said & {"stored", "virtual"}:  # which nobody may write
            yield f"{act.table}.{act.name}"
        elif act.to and act.does in ("rename column", "modify column"):
            yield f"{act.table}.{act.to}"
        elif act.has("renamed"):
            yield act.to
        elif act.has("made") or act.does in ("create enum", "create domain"):
            yield act.name


@cache
def _rules(engine: str, per: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.per == per and engine in rule.engines)


def _of(one: Said, number: int, known: Known) -> Iterator[Hazard]:
    first = one.acts[0] if one.acts else _NOTHING
    yield from _judged(_rules(known.engine, "statement"), Moment(one, first, known), number)
    for act in one.acts:
        yield from _judged(_rules(known.engine, "act"), Moment(one, act, known), number)


def _judged(rules: Sequence[Rule], moment: Moment, number: int) -> Iterator[Hazard]:
    for rule in rules:
        for seen in rule.looks(moment):
            hazard = _hazard(rule, seen, moment, number)
            if hazard is not None and not moment.said.ignored & {rule.code, "ALL"}:
                yield hazard


def _hazard(rule: Rule, seen: Seen, moment: Moment, number: int) -> Hazard | None:
    """Return the hazard; None: nobody is waiting for a table that the migration itself has made."""
    known, severity, says = moment.known, seen.severity or rule.severity, seen.says
    is_made = any(act.does == "create table" and act.table == seen.table for act in moment.said.acts)
    makes = is_made and moment.act.does != "drop table"  # CREATE OR REPLACE TABLE
    if seen.table and (makes or known.is_new(seen.table)):
        return None
    rows = known.tables[seen.table].rows if seen.table in known.tables else None
    if severity == "outage" and rows is not None and rows <= SMALL:
        severity, says = "note", f"{says} ({counted(rows, 'row')}: soon done)"
    return Hazard(
        rule=rule,
        severity=severity,
        statement=number,
        sql=moment.said.sql,
        place=moment.said.place,
        says=says,
        table=seen.table,
        claim=seen.claim,
        rewrite=seen.rewrite,
    )


def _pass(one: Said, known: Known) -> None:
    """Take in what a statement did, to tables and to the transaction."""
    for act in one.acts:
        if act.does == "begin" and not known.is_open:
            known.begin(is_said=True)
        elif act.does in ("commit", "rollback"):
            known.end()
    if known.is_open:
        quick = [act for act in one.acts if act.does != "lock table"]  # H120 has told of those
        known.locks += [(lock, one.place) for act in quick for lock in locks(act)]
    _count(one, known)
    known.fold(one)
    changed = [act for act in one.acts if is_change(act)]
    known.changes += [is_repeatable(changed)] if changed else []
    known.altered = next((act.table for act in changed if act.table), "")


def _count(one: Said, known: Known) -> None:
    """Count the INSTANT changes of columns, which the server has a limit for; a rebuild begins anew."""
    for act in one.acts if known.engine != "postgres" else ():
        found = algorithms.way(act, one.acts, known)
        if found is None or not act.table:
            continue
        if act.does in ("add column", "drop column") and found.algorithm == "INSTANT" and not known.is_new(act.table):
            known.table(act.table).instant_changes += 1
        elif found.algorithm in ("REBUILD", "COPY"):
            known.table(act.table).instant_changes = 0
