"""Columns that come on PostgreSQL, and that get another type: which of them write the table anew."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearse.hazards.acts import Act, Type
from rehearse.hazards.modes import locks
from rehearse.hazards.rule import POSTGRES, Claim, Moment, Rule, Seen
from rehearse.hazards.rules import _types
from rehearse.hazards.rules._shop import postgres

BATCHES = "fill the rows that are there in batches, each committed"
_HARM = (
    "The table is closed to reads and writes while every row and every index is written anew: it grows with the rows."
)
# Functions whose value is one for a whole statement; all others, a user's own too, may be volatile.
_STABLE = frozenset({
    "now", "transaction_timestamp", "statement_timestamp", "current_setting", "current_database",
    "current_schema", "to_char", "to_date", "to_timestamp", "date_trunc", "date_part", "make_date",
    "make_interval", "make_timestamptz", "lower", "upper", "md5", "length", "coalesce", "concat", "concat_ws",
    "format", "jsonb_build_object", "jsonb_build_array", "json_build_object", "json_build_array", "to_jsonb",
    "to_json", "array_fill", "string_to_array", "int4range", "int8range", "numrange", "tsrange", "tstzrange",
    "daterange", "to_tsvector", "decode", "encode", "abs", "round", "floor", "ceil", "ceiling", "greatest",
    "least", "timezone", "age", "row", "hstore", "point", "box", "btrim", "ltrim", "rtrim", "replace",
    "substring", "left", "right", "repeat", "lpad", "rpad", "sha256", "chr",
})  # fmt: skip


def is_volatile(calls: frozenset[str]) -> bool:
    """Say whether a default that calls these functions has a value of its own in each row."""
    return bool(calls - _STABLE)


def _rewritten(moment: Moment, says: str, rewrite: str | None = None) -> Seen:
    table = moment.act.table
    return Seen(says=says, table=table, claim=Claim(locks=tuple(locks(moment.act)), rewrites=(table,)), rewrite=rewrite)


def _default(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "add column" or act.default is None or act.default.upper() == "NULL":
        return
    volatile = is_volatile(act.calls)
    if not volatile and moment.since(11):
        return
    why = f"{', '.join(sorted(act.calls - _STABLE))}() has another value in each row" if volatile else (
        "before PostgreSQL 11 any default does"
    )  # fmt: skip
    unset = f"ALTER TABLE {act.table} ADD COLUMN {act.name} {act.type};"
    rewrite = f"{unset}\nALTER TABLE {act.table} ALTER COLUMN {act.name} SET DEFAULT {act.default};"
    yield _rewritten(moment, f"the default of {act.table}.{act.name} writes the table anew: {why}", rewrite)


def _stored(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "add column" and act.has("stored"):
        yield _rewritten(moment, f"the stored generated column {act.table}.{act.name} writes the table anew")
    elif act.does == "set expression":
        unless = " unless it is VIRTUAL" if moment.since(18) else ""
        yield _rewritten(moment, f"{act.table}.{act.name} is computed anew, and so {act.table} is written{unless}")


def _numbered(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "add column" and (act.has("serial") or act.has("identity")):
        yield _rewritten(moment, f"{act.table}.{act.name} numbers the rows that are there, which writes the table anew")


def _type(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "change type" or act.type is None:
        return
    column = moment.known.column(act.table, act.name)
    was = column.type if column else None
    if was is None and _types.is_free_from(act.type) and not act.expression:
        says = f"{act.table}.{act.name} becomes {act.type}, which writes the table anew unless {_types.free(act.type)}"
        yield _rewritten(moment, says + "; give the schema that the change starts from, and it is known")
        return
    is_utc = moment.since(12) and moment.known.setting("timezone") in ("utc", "etc/utc", "gmt")
    if was is not None and _is_plain(act, act.type) and _types.is_free(was, act.type, is_utc=is_utc):
        if _types.compares_otherwise(was, act.type) and moment.known.indexed(act.table, act.name):
            says = f"the indexes of {act.table}.{act.name} are built anew while {act.table} is closed"
            yield Seen(says=says, table=act.table, claim=Claim(locks=tuple(locks(act)), scans=(act.table,)))
        return
    told = f"from {was} to {act.type}" if was else f"to {act.type}"
    yield _rewritten(moment, f"the type of {act.table}.{act.name} changes {told}, which writes the table anew")


def _is_plain(act: Act, becomes: Type) -> bool:
    """Say whether USING asks for no more than the change itself: the column, or its cast to the new type."""
    using = act.expression.replace('"', "").lower()
    name = rf"(?:{re.escape(act.table.lower())}\.)?{re.escape(act.name.lower())}"
    return not using or re.fullmatch(rf"{name}|cast\({name} as {re.escape(str(becomes).lower())}\)", using) is not None


def _narrowed(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does not in ("change type", "modify column") or act.type is None:
        return
    column = moment.known.column(act.table, act.name)
    if column is None or column.type is None:
        return
    why = _types.narrower(column.type, act.type)
    if why:
        yield Seen(says=f"{act.table}.{act.name} becomes narrower: {why}", table=act.table)


RULES = (
    Rule(
        code="H101",
        name="default that differs by row",
        asks="Does a new column have a default that the server must compute for every row?",
        harm=_HARM,
        remedy="ADD COLUMN without a default, then SET DEFAULT for new rows, then "
        + BATCHES
        + ". NOT NULL comes last, "
        "by a CHECK (… IS NOT NULL) NOT VALID that is validated later. A constant default rewrites nothing from "
        "PostgreSQL 11 on, and now() counts as one.",
        severity="outage",
        looks=_default,
        engines=POSTGRES,
        proof="rehearsal",
        versions="PostgreSQL before 11: every default but NULL",
        bad=postgres("ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();"),
        good=postgres(
            "ALTER TABLE orders ADD COLUMN token uuid;\n"
            "ALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();"
        ),
        covers={
            "squawk": ("adding-field-with-default",),
            "eugene": ("E10",),
            "strong_migrations": ("adding a column with a volatile default value",),
            "atlas": ("PG302",),
        },
    ),
    Rule(
        code="H102",
        name="stored generated column",
        asks="Does a new column hold a value that the server computes for every row and keeps?",
        harm=_HARM,
        remedy="Add a plain column, keep it up by a trigger, " + BATCHES + "; or compute it when it is read (VIRTUAL, "
        "from PostgreSQL 18 on; a view before).",
        severity="outage",
        looks=_stored,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders ADD COLUMN gross numeric GENERATED ALWAYS AS (total * 1.2) STORED;"),
        good=postgres("ALTER TABLE orders ADD COLUMN gross numeric;"),
        covers={
            "squawk": ("adding-field-with-default",),
            "eugene": ("E10", "E11"),
            "strong_migrations": ("adding a stored generated column",),
        },
    ),
    Rule(
        code="H103",
        name="column that numbers the rows",
        asks="Is a serial or identity column added to a table that has rows?",
        harm=_HARM,
        remedy="ADD COLUMN without a default, SET DEFAULT nextval(…) for new rows, "
        + BATCHES
        + ", then make it NOT NULL "
        "by a CHECK … NOT VALID that is validated later.",
        severity="outage",
        looks=_numbered,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders ADD COLUMN line bigint GENERATED ALWAYS AS IDENTITY;"),
        good=postgres(
            "CREATE SEQUENCE orders_line;\n"
            "ALTER TABLE orders ADD COLUMN line bigint;\n"
            "ALTER TABLE orders ALTER COLUMN line SET DEFAULT nextval('orders_line');"
        ),
        covers={
            "squawk": ("adding-serial-primary-key-field",),
            "eugene": ("E10", "E11"),
            "strong_migrations": ("adding an auto-incrementing column",),
        },
    ),
    Rule(
        code="H104",
        name="type that is stored otherwise",
        asks="Does a column get a type whose values are stored otherwise?",
        harm=_HARM,
        remedy="Add a column of the new type, keep both in step by a trigger, "
        + BATCHES
        + ", then let the names change "
        "places in one short transaction. A longer varchar, text for varchar and a numeric of the same scale rewrite "
        "nothing.",
        severity="outage",
        looks=_type,
        engines=POSTGRES,
        proof="rehearsal",
        versions="timestamp to timestamptz is free from PostgreSQL 12 on, where timezone is UTC",
        bad=postgres("ALTER TABLE orders ALTER COLUMN number TYPE bigint;"),
        good=postgres("ALTER TABLE orders ALTER COLUMN code TYPE varchar(80);"),
        covers={
            "squawk": ("changing-column-type",),
            "eugene": ("E5", "E10"),
            "strong_migrations": ("changing the type of a column",),
            "atlas": ("PG301",),
            "django-migration-linter": ("ALTER_COLUMN",),
        },
    ),
    Rule(
        code="H405",
        name="type that holds less",
        asks="Does a column get a type that does not hold every value of the old one?",
        harm="Values that no longer fit make the statement fail half-way through the deployment, or are cut off "
        "where the "
        "server is not strict; what is cut off is gone.",
        remedy="Count the rows that do not fit first, mend them, and add the limit as a CHECK … NOT VALID that is "
        "validated later, or add a new column.",
        severity="loses data",
        looks=_narrowed,
        bad={
            **postgres("ALTER TABLE orders ALTER COLUMN code TYPE varchar(20);"),
            "mysql": _types.example("ALTER TABLE orders MODIFY code varchar(20);"),
            "mariadb": _types.example("ALTER TABLE orders MODIFY code varchar(20);"),
        },
        good={
            **postgres("ALTER TABLE orders ALTER COLUMN code TYPE varchar(60);"),
            "mysql": _types.example("ALTER TABLE orders MODIFY code varchar(60);"),
            "mariadb": _types.example("ALTER TABLE orders MODIFY code varchar(60);"),
        },
        covers={"django-migration-linter": ("ALTER_COLUMN",), "atlas": ("MY110", "MY120")},
    ),
)
