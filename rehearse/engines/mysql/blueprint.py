"""The tables of a database as changing them needs them, from what SHOW CREATE TABLE says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rehearse.engines.mysql.client import Connection, named, rows
from rehearse.profiles.blueprint import Blueprint, Column, Constraint, Index, Plan, Trigger

if TYPE_CHECKING:
    from rehearse.engines.mysql.statistics import Connects

_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY table_name
"""
_COLUMNS = """
    SELECT column_name, column_type, is_nullable = 'YES', extra LIKE '%%auto_increment%%', generation_expression
    FROM information_schema.columns WHERE table_schema = database() AND table_name = %s ORDER BY ordinal_position
"""
_TRIGGERS = """
    SELECT trigger_name, action_timing, event_manipulation, action_statement
    FROM information_schema.triggers
    WHERE trigger_schema = database() AND event_object_table = %s
    ORDER BY event_manipulation, action_timing, action_order
"""
_NAME = r"`((?:[^`]|``)*)`"
_COLUMN = re.compile(rf"{_NAME} (.*)", re.DOTALL)
_KEY = re.compile(rf"(PRIMARY |UNIQUE |FULLTEXT |SPATIAL )?KEY (?:{_NAME} )?\((.*)", re.DOTALL)
_FOREIGN = re.compile(
    rf"CONSTRAINT {_NAME} (FOREIGN KEY \((?P<own>.*?)\) REFERENCES {_NAME} \((?P<theirs>.*?)\).*)", re.DOTALL
)
_CHECK = re.compile(rf"CONSTRAINT {_NAME} (CHECK .*)", re.DOTALL)
_INNER = re.compile(_NAME)
_DEFAULT = re.compile(r"\bDEFAULT ((?:'(?:[^'\\]|\\.|'')*'|\((?:[^()]|\([^()]*\))*\)|[^\s]+)(?:\([^)]*\))?)")
_PARTITIONED = re.compile(r"^(?:/\*!\d+)?\s*PARTITION BY ", re.MULTILINE)


def blueprint(database: Connects) -> Blueprint:
    """Return every table of the database; costs three queries a table."""
    with database.connect() as connection:
        return Blueprint({str(name): _plan(connection, str(name)) for (name,) in rows(connection, _TABLES)})


def _plan(connection: Connection, name: str) -> Plan:
    text = str(rows(connection, f"SHOW CREATE TABLE {named(name)}")[0][1])
    lines = [line.strip().rstrip(",") for line in text.split("\n")[1:] if line.startswith("  ")]
    constraints, indexes = [*_constraints(lines)], [*_indexes(lines)]
    key = next((one for one in indexes if one.constraint == "PRIMARY"), None)
    if key is not None:
        primary = Constraint(name="PRIMARY", kind="primary key", definition="", columns=key.columns, index="PRIMARY")
        constraints.insert(0, primary)
    found = _PARTITIONED.search(text)
    return Plan(
        name=name,
        schema="",
        own=name,
        columns={one.name: one for one in _columns(connection, name, lines)},
        constraints=tuple(constraints),
        indexes=tuple(indexes),
        triggers=tuple(_triggers(connection, name)),
        partitioned=text[found.start() :].strip() if found else None,
        text=text,
    )


def _columns(connection: Connection, table: str, lines: list[str]) -> Iterator[Column]:
    told = {_plain(found[1]): found[2] for line in lines if (found := _COLUMN.fullmatch(line))}
    for name, declared, nullable, counts, expression in rows(connection, _COLUMNS, [table]):
        line = told[str(name)]
        default = _DEFAULT.search(line)
        yield Column(
            name=str(name),
            type=str(declared),
            nullable=bool(nullable),
            default=default[1] if default and default[1] != "NULL" else None,
            generated=str(expression) if expression else None,
            counts=bool(counts),
            definition=line,
        )


def _constraints(lines: list[str]) -> Iterator[Constraint]:
    for line in lines:
        if found := _FOREIGN.fullmatch(line):
            own, theirs = _INNER.findall(found["own"]), _INNER.findall(found["theirs"])
            yield Constraint(
                name=_plain(found[1]),
                kind="foreign key",
                definition=found[2],
                columns=tuple(map(_plain, own)),
                parent=_plain(found[4]),
                parent_columns=tuple(map(_plain, theirs)),
            )
        elif check := _CHECK.fullmatch(line):
            columns = tuple(dict.fromkeys(map(_plain, _INNER.findall(check[2]))))
            yield Constraint(name=_plain(check[1]), kind="check", definition=check[2], columns=columns)


def _indexes(lines: list[str]) -> Iterator[Index]:
    for line in lines:
        if found := _KEY.fullmatch(line):
            kind = (found[1] or "").strip()
            name = "PRIMARY" if kind == "PRIMARY" else _plain(found[2])
            yield Index(
                name=name,
                unique=kind in ("PRIMARY", "UNIQUE"),
                definition=line,
                columns=tuple(dict.fromkeys(map(_plain, _INNER.findall(found[3])))),
                constraint=name if kind == "PRIMARY" else None,
            )


def _triggers(connection: Connection, table: str) -> Iterator[Trigger]:
    for name, timing, event, body in rows(connection, _TRIGGERS, [table]):
        yield Trigger(
            name=str(name), before=f"CREATE TRIGGER {named(str(name))} {timing} {event}", after=f"FOR EACH ROW {body}"
        )


def _plain(name: str) -> str:
    return name.replace("``", "`")
