"""Constraints on PostgreSQL: which of them read the whole table under their lock."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.hazards.acts import Act
from rehearse.hazards.modes import ACCESS_EXCLUSIVE, Lock, locks
from rehearse.hazards.rule import POSTGRES, Claim, Moment, Rule, Seen
from rehearse.hazards.rules._shop import postgres

_READ = "The table is closed to reads and writes while every row of it is read: it grows with the rows."
_LATER = "in another transaction, which stops no write"


def _read_whole(moment: Moment, says: str, rewrite: str | None = None) -> Seen:
    table = moment.act.table
    return Seen(says=says, table=table, claim=Claim(locks=tuple(locks(moment.act)), scans=(table,)), rewrite=rewrite)


def _added(act: Act, what: str, name: str) -> str:
    """Return the SQL that adds a constraint without reading the table, and the one that reads it later."""
    return (
        f"ALTER TABLE {act.table} ADD CONSTRAINT {name} {what} NOT VALID;\n"
        f"ALTER TABLE {act.table} VALIDATE CONSTRAINT {name};  -- in another transaction"
    )


def _not_null(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    is_constraint = act.does == "add not null" and not act.has("not valid")
    if act.does != "set not null" and not is_constraint:
        return
    name = act.name if act.does == "set not null" else act.columns[0]
    column = moment.known.column(act.table, name)
    if (column is not None and column.not_null) or (moment.since(12) and moment.known.is_proved(act.table, name)):
        return
    constraint = f"{act.table.rpartition('.')[2]}_{name}_not_null"
    rewrite = (
        _added(act, f"CHECK ({name} IS NOT NULL)", constraint)
        + f"\nALTER TABLE {act.table} ALTER COLUMN {name} SET NOT NULL;"
        + f"\nALTER TABLE {act.table} DROP CONSTRAINT {constraint};"
    )
    yield _read_whole(moment, f"SET NOT NULL reads all of {act.table} for a NULL in {name}", rewrite)


def _check(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "add check" and not act.has("not valid"):
        name = act.name or f"{act.table.rpartition('.')[2]}_{'_'.join(act.columns) or 'values'}_check"
        rewrite = None if act.has("inline") else _added(act, f"CHECK ({act.expression})", name)
        yield _read_whole(moment, f"the check reads every row of {act.table}", rewrite)


def _foreign_key(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "add foreign key" or act.has("not valid") or moment.known.is_new(act.table):
        return
    if act.has("inline"):
        column = next(
            (one for one in moment.said.acts if one.does == "add column" and (one.name,) == act.columns), None
        )
        if column is not None and column.default is None:
            return  # all of it is NULL, and the server knows
    name = act.name or f"{act.table.rpartition('.')[2]}_{'_'.join(act.columns)}_fkey"
    keys = f"FOREIGN KEY ({', '.join(act.columns)}) REFERENCES {act.references}" + (f" ({act.to})" if act.to else "")
    action = next((f" {one.upper()}" for one in act.said if one.startswith("on delete")), "")
    yield _read_whole(
        moment,
        f"every row of {act.table} is looked up in {act.references} while both are closed to writes",
        None if act.has("inline") else _added(act, keys + action, name),
    )


def _unique(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    inline = act.does == "add column" and (act.has("unique") or act.has("primary key")) and not act.has("unseen")
    if (act.does not in ("add unique", "add primary key") and not inline) or act.has("using index"):
        return
    if inline:
        return  # the constraint within it is an act of its own
    what = "PRIMARY KEY" if act.does == "add primary key" else "UNIQUE"
    name = act.name or f"{act.table.rpartition('.')[2]}_{'_'.join(act.columns)}_key"
    rewrite = (
        f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {act.table} ({', '.join(act.columns)});  -- in no transaction\n"
        f"ALTER TABLE {act.table} ADD CONSTRAINT {name} {what} USING INDEX {name};"
    )
    says = f"the index of {what} ({', '.join(act.columns)}) is built while {act.table} is closed to reads and writes"
    yield _read_whole(moment, says, rewrite)


def _exclude(moment: Moment) -> Iterator[Seen]:
    if moment.act.does == "add exclude":
        says = f"the index of the exclusion constraint is built while {moment.act.table} is closed to reads and writes"
        yield _read_whole(moment, says)


def _primary_key(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "add primary key" or not act.has("using index"):
        return
    table = moment.known.tables.get(act.table)
    keys = table.indexes.get(act.to, ()) if table else ()
    columns = [table.columns.get(name) for name in keys] if table else []
    if columns and all(one is not None and one.not_null for one in columns):
        return
    if keys and moment.since(12) and all(moment.known.is_proved(act.table, name) for name in keys):
        return
    is_known = any(one is not None and not one.not_null for one in columns)
    claim = Claim(locks=(Lock(act.table, ACCESS_EXCLUSIVE),), scans=(act.table,))
    yield Seen(
        says=f"the columns of {act.to or 'the index'} become NOT NULL with the key, which reads all of {act.table} "
        "unless "
        "they are already",
        table=act.table,
        claim=claim if is_known else Claim(),
        severity="outage" if is_known else "note",
    )


def _domain(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "add to domain" and not act.has("not valid"):
        yield Seen(says=f"every column of the domain {act.name} is read, all their tables closed to writes")


RULES = (
    Rule(
        code="H106",
        name="NOT NULL that reads the table",
        asks="Does SET NOT NULL read the whole table under its lock?",
        harm=_READ,
        remedy="ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID, then VALIDATE CONSTRAINT "
        + _LATER
        + "; SET NOT NULL "
        "then takes the constraint's word and is quick (from PostgreSQL 12 on).",
        severity="outage",
        looks=_not_null,
        engines=POSTGRES,
        proof="rehearsal",
        versions="a validated CHECK spares the reading from PostgreSQL 12 on",
        bad=postgres("ALTER TABLE orders ALTER COLUMN status SET NOT NULL;"),
        good=postgres(
            "ALTER TABLE orders ADD CONSTRAINT has_status CHECK (status IS NOT NULL) NOT VALID;\n"
            "ALTER TABLE orders VALIDATE CONSTRAINT has_status;\n"
            "ALTER TABLE orders ALTER COLUMN status SET NOT NULL;\n"
            "ALTER TABLE orders DROP CONSTRAINT has_status;",
            transaction="statement",
        ),
        covers={
            "squawk": ("adding-not-nullable-field",),
            "eugene": ("E2",),
            "strong_migrations": ("setting NOT NULL on an existing column",),
            "atlas": ("MF104", "PG303"),
            "django-migration-linter": ("NOT_NULL",),
        },
    ),
    Rule(
        code="H107",
        name="check that reads the table",
        asks="Is a CHECK added that reads every row under its lock?",
        harm=_READ,
        remedy="ADD CONSTRAINT … CHECK (…) NOT VALID, then VALIDATE CONSTRAINT " + _LATER + ".",
        severity="outage",
        looks=_check,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders ADD CONSTRAINT paid CHECK (total >= 0);"),
        good=postgres(
            "ALTER TABLE orders ADD CONSTRAINT paid CHECK (total >= 0) NOT VALID;\n"
            "ALTER TABLE orders VALIDATE CONSTRAINT paid;",
            transaction="statement",
        ),
        covers={
            "squawk": ("constraint-missing-not-valid",),
            "eugene": ("E1",),
            "strong_migrations": ("adding a check constraint",),
            "atlas": ("PG305",),
        },
    ),
    Rule(
        code="H108",
        name="foreign key that reads the table",
        asks="Is a foreign key added that looks every row up under its locks?",
        harm="Both tables are closed to writes while every row is looked up: it grows with the rows.",
        remedy="ADD CONSTRAINT … FOREIGN KEY … NOT VALID, then VALIDATE CONSTRAINT " + _LATER + ".",
        severity="outage",
        looks=_foreign_key,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders ADD CONSTRAINT of FOREIGN KEY (customer_id) REFERENCES customers (id);"),
        good=postgres(
            "ALTER TABLE orders ADD CONSTRAINT of FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID;\n"
            "ALTER TABLE orders VALIDATE CONSTRAINT of;",
            transaction="statement",
        ),
        covers={
            "squawk": ("adding-foreign-key-constraint", "constraint-missing-not-valid"),
            "eugene": ("E1",),
            "strong_migrations": ("adding a foreign key", "adding a reference"),
        },
    ),
    Rule(
        code="H109",
        name="unique constraint that builds its index",
        asks="Is a UNIQUE or PRIMARY KEY added whose index is built under its lock?",
        harm="The table is closed to reads and writes while the index is built: it grows with the rows.",
        remedy="CREATE UNIQUE INDEX CONCURRENTLY first, in no transaction, then ADD CONSTRAINT … USING INDEX, which is "
        "quick.",
        severity="outage",
        looks=_unique,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders ADD CONSTRAINT one_number UNIQUE (number);"),
        good=postgres(
            "CREATE UNIQUE INDEX CONCURRENTLY one_number ON orders (number);\n"
            "ALTER TABLE orders ADD CONSTRAINT one_number UNIQUE USING INDEX one_number;",
            transaction="statement",
        ),
        covers={
            "squawk": ("disallowed-unique-constraint", "adding-serial-primary-key-field"),
            "eugene": ("E7",),
            "strong_migrations": ("adding a unique constraint",),
            "atlas": ("PG104", "PG105", "PG304"),
            "django-migration-linter": ("ADD_UNIQUE",),
        },
    ),
    Rule(
        code="H111",
        name="exclusion constraint",
        asks="Is an exclusion constraint added, whose index is built under its lock?",
        harm="The table is closed to reads and writes while the index is built: it grows with the rows.",
        remedy="There is no way beside the traffic: make the constraint on a new table that is filled in batches, "
        "and let "
        "the names change places; or keep the promise by a trigger.",
        severity="outage",
        looks=_exclude,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders ADD CONSTRAINT apart EXCLUDE USING btree (number WITH =);"),
        good=postgres("CREATE TABLE stays (room int, EXCLUDE USING btree (room WITH =));"),
        covers={"eugene": ("E8",), "strong_migrations": ("adding an exclusion constraint",)},
    ),
    Rule(
        code="H131",
        name="primary key of columns that may be NULL",
        asks="Does a primary key by an index make columns NOT NULL that may hold NULL?",
        harm=_READ,
        remedy="Make the columns NOT NULL first, by a CHECK (… IS NOT NULL) NOT VALID that is validated "
        + _LATER
        + ".",
        severity="outage",
        looks=_primary_key,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres(
            "ALTER TABLE lines ADD PRIMARY KEY USING INDEX lines_of;",
            schema="CREATE TABLE lines (number bigint); INSERT INTO lines SELECT generate_series(1, 20000);"
            "CREATE UNIQUE INDEX lines_of ON lines (number);",
        ),
        good=postgres(
            "ALTER TABLE lines ADD PRIMARY KEY USING INDEX lines_of;",
            schema="CREATE TABLE lines (number bigint NOT NULL); CREATE UNIQUE INDEX lines_of ON lines (number);",
        ),
        covers={"eugene": ("W14",), "atlas": ("PG304",)},
    ),
    Rule(
        code="H127",
        name="constraint of a domain",
        asks="Does a domain get a constraint that reads every table that uses it?",
        harm="All tables with a column of the domain are closed to writes while their rows are read.",
        remedy="ALTER DOMAIN … ADD CONSTRAINT … NOT VALID, then VALIDATE CONSTRAINT in another transaction; or keep "
        "constraints on tables, where they are changed one by one.",
        severity="outage",
        looks=_domain,
        engines=POSTGRES,
        bad=postgres(
            "ALTER DOMAIN amount ADD CONSTRAINT no_debt CHECK (VALUE >= 0);", schema="CREATE DOMAIN amount AS numeric;"
        ),
        good=postgres(
            "ALTER DOMAIN amount ADD CONSTRAINT no_debt CHECK (VALUE >= 0) NOT VALID;",
            schema="CREATE DOMAIN amount AS numeric;",
        ),
        covers={"squawk": ("ban-alter-domain-with-add-constraint",)},
    ),
)
