"""Rows: what is gone for good, and what one statement holds all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearse.hazards.rule import POSTGRES, Moment, Rule, Seen
from rehearse.hazards.rules._shop import every, postgres

_ALL = re.compile(r"(?i)\s*\(?\s*(?:true|(\d+)\s*=\s*\1|1)\s*\)?\s*")  # a condition that every row fulfils


def _table(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "drop table" and not act.has("temporary"):
        cascade = ", and with it all that refers to it" if act.has("cascade") else ""
        says = f"the rows of {act.table} are gone for good{cascade}, and code that says its name fails"
        yield Seen(says=says, table=act.table)
    elif act.does == "drop partition":
        yield Seen(says=f"the rows of {act.table}'s partition {act.name} are gone for good", table=act.table)


def _emptied(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "truncate":
        more = ", and those of every table that refers to it" if act.has("cascade") else ""
        whose = f"{act.table}'s partition {act.name}" if act.has("partition") else act.table
        yield Seen(says=f"the rows of {whose} are gone for good{more}", table=act.table)


def _database(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does in ("drop database", "drop schema") and act.name not in moment.known.objects:
        yield Seen(says=f"all tables of {act.name} are gone for good")


def _is_of_all(moment: Moment, does: str) -> bool:
    """Say whether an act changes every row in one go: no WHERE, or one that holds for all."""
    act = moment.act
    is_bound = act.has("where") and not _ALL.fullmatch(act.expression)
    return act.does == does and not is_bound and not act.has("limit") and not moment.said.repeats


def _deleted(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if _is_of_all(moment, "delete"):
        yield Seen(says=f"all rows of {act.table} are deleted, in one transaction", table=act.table)


def _updated(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if _is_of_all(moment, "update"):
        says = f"every row of {act.table} is written and held until COMMIT: who would change one waits"
        yield Seen(says=says, table=act.table)


def _untriggered(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "disable trigger":
        says = (
            f"what the triggers of {act.table} keep (foreign keys too, with ALL) is not kept for "
            "what is written meanwhile"
        )
        yield Seen(says=says, table=act.table)


def _for_good(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "add enum value":
        yield Seen(says=f"no statement takes the value '{act.to}' away again: there is no way back")


def _unkept(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does not in ("drop constraint", "drop foreign key") or act.table not in moment.known.tables:
        return
    constraint = moment.known.tables[act.table].constraints.get(act.name)
    if constraint is None or constraint.made is None:
        yield Seen(says=f"what {act.name} promised of {act.table} holds no more, and rows that break it may come")


def _dependents(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.has("cascade") and act.does.startswith("drop") and act.does not in ("drop table", "drop schema"):
        yield Seen(says=f"CASCADE drops what depends on {act.name}, which the text does not name")


RULES = (
    Rule(
        code="H401",
        name="table dropped",
        asks="Is a table dropped that was there before?",
        harm="Its rows are gone for good, and running code that says its name fails.",
        remedy="Rename it to park it, and drop it when a release has run without it and a backup holds it.",
        severity="loses data",
        looks=_table,
        bad=every("DROP TABLE orders;"),
        good=every("CREATE TABLE tried (id int);\nDROP TABLE tried;"),
        covers={
            "squawk": ("ban-drop-table",),
            "strong_migrations": ("creating a table with the force option",),
            "atlas": ("DS102",),
            "django-migration-linter": ("DROP_TABLE",),
        },
    ),
    Rule(
        code="H402",
        name="table emptied",
        asks="Is a table emptied by TRUNCATE?",
        harm="Its rows are gone for good; with CASCADE those of every table that refers to it, by however long a "
        "chain.",
        remedy="Delete in batches what is meant to go, by its keys; name each table; keep a copy.",
        severity="loses data",
        looks=_emptied,
        bad=every("TRUNCATE TABLE orders;"),
        good=every("CREATE TABLE tried (id int);\nTRUNCATE TABLE tried;"),
        covers={"squawk": ("ban-truncate-cascade",)},
    ),
    Rule(
        code="H403",
        name="database or schema dropped",
        asks="Is a whole database or schema dropped?",
        harm="All its tables are gone for good.",
        remedy="Drop tables one by one, each after a release without it; a database by hand, with a backup at hand.",
        severity="loses data",
        looks=_database,
        bad=every("DROP SCHEMA archive;"),
        good=every("CREATE TABLE tried (id int);"),
        covers={"squawk": ("ban-drop-database", "ban-drop-schema"), "atlas": ("DS101",)},
    ),
    Rule(
        code="H404",
        name="all rows deleted",
        asks="Does a DELETE have no WHERE?",
        harm="All rows are gone for good, and each is locked until COMMIT.",
        remedy="Say which rows, and delete them in batches.",
        severity="loses data",
        looks=_deleted,
        bad=every("DELETE FROM orders;"),
        good=every("DELETE FROM orders WHERE id = 7;"),
    ),
    Rule(
        code="H126",
        name="all rows written at once",
        asks="Does an UPDATE have no WHERE?",
        harm="Every row is locked until COMMIT and written anew: writers wait, the table doubles, replicas fall "
        "behind.",
        remedy="Update in batches by the key, each committed: `-- rehearse:repeat`, or rehearse backfill.",
        severity="outage",
        looks=_updated,
        bad=every("UPDATE orders SET code = 'none';"),
        good=every("UPDATE orders SET code = 'none' WHERE id BETWEEN 1 AND 1000;"),
        covers={
            "strong_migrations": ("backfilling data", "using change_column_null with a default value"),
        },
    ),
    Rule(
        code="H407",
        name="triggers switched off",
        asks="Are triggers of a table switched off while the application writes it?",
        harm="What they keep, foreign keys included, does not hold for rows that are written meanwhile; nothing "
        "checks them "
        "later.",
        remedy="Leave them on, or let the trigger's function pass over the migration's own session (a setting, a "
        "role).",
        severity="loses data",
        looks=_untriggered,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders DISABLE TRIGGER ALL;"),
        good=postgres("ALTER TABLE orders ENABLE TRIGGER ALL;"),
        covers={"squawk": ("ban-disable-trigger",)},
    ),
    Rule(
        code="H408",
        name="value that stays for good",
        asks="Does an enum get a value that no way back can take away?",
        harm="The way back leaves it, and the next try of the way forward fails on it.",
        remedy="ADD VALUE IF NOT EXISTS; or a text with a CHECK … NOT VALID, or a table of values.",
        severity="note",
        looks=_for_good,
        engines=POSTGRES,
        bad=postgres("ALTER TYPE level ADD VALUE 'gold';", schema="CREATE TYPE level AS ENUM ('low');"),
        good=postgres("ALTER TYPE level RENAME VALUE 'low' TO 'high';", schema="CREATE TYPE level AS ENUM ('low');"),
    ),
    Rule(
        code="H409",
        name="constraint dropped",
        asks="Is a constraint dropped that was there before?",
        harm="Rows that break it may come, and bringing it back then fails.",
        remedy="Know who relied on it; bring it back NOT VALID.",
        severity="note",
        looks=_unkept,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders DROP CONSTRAINT orders_pkey;"),
        good=postgres(
            "ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT VALID;\nALTER TABLE orders DROP CONSTRAINT c;",
            transaction="statement",
        ),
        covers={"squawk": ("ban-drop-constraint",), "atlas": ("CD101",)},
    ),
    Rule(
        code="H410",
        name="CASCADE",
        asks="Does a DROP take what depends on it along?",
        harm="Views, constraints and functions that the text does not name are gone.",
        remedy="Without CASCADE the server lists them: drop each by its name.",
        severity="note",
        looks=_dependents,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders DROP COLUMN code CASCADE;"),
        good=postgres("ALTER TABLE orders ALTER COLUMN code DROP DEFAULT;"),
        covers={"squawk": ("ban-drop-column",)},
    ),
)
