"""What the running version of the application does not survive."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.hazards.rule import POSTGRES, Moment, Rule, Seen
from rehearse.hazards.rules._shop import every, family, postgres

_DEPLOY = "Code that is running says the old name until its last process is gone: every such call fails."


def _drop_column(moment: Moment) -> Iterator[Seen]:
    act, known = moment.act, moment.known
    if act.does != "drop column":
        return
    column = known.column(act.table, act.name)
    comes_back = f"{act.table}.{act.name}" in known.added and not (column and (column.is_new or column.is_computed))
    if comes_back:
        says = f"the values of {act.table}.{act.name} are gone for good, though the name comes back"
        yield Seen(says=says, table=act.table, severity="loses data")
    elif not known.is_own(act.table, act.name):
        says = f"code that says {act.table}.{act.name} fails, and its values are gone for good"
        yield Seen(says=says, table=act.table)


def _rename_column(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does in ("rename column", "modify column") and act.to and not moment.known.is_own(act.table, act.name):
        yield Seen(says=f"code that says {act.table}.{act.name} fails once it is called {act.to}", table=act.table)


def _rename_table(moment: Moment) -> Iterator[Seen]:
    act, known = moment.act, moment.known
    if act.does == "set schema":
        yield Seen(says=f"code that says {act.table} fails once it is in {act.to}", table=act.table)
    if act.has("rename value") and act.name not in known.objects:
        yield Seen(says=f"code that says '{act.columns[0]}' of {act.name} fails once it is called '{act.to}'")
    if act.has("renamed") and act.name not in known.objects | known.retaken:
        yield Seen(says=f"code that says {act.name} fails once it is called {act.to}")
    taker = known.renames.get(act.table)
    makes_room = act.to in known.renames.values()  # another table, for this one
    if act.does != "rename table" or known.is_own(act.table) or (makes_room and taker is None):
        return
    says = f"code that says {act.table} fails once it is called {act.to}"
    if taker is not None:
        says = f"{taker} takes the name of {act.table}: it must be alike, and hold what was written meanwhile"
    yield Seen(says=says, table=taker or act.table)


def _loses_default(moment: Moment) -> bool:
    """Say whether a column that must have a value has no default any more, and the script gives it no other."""
    act, known = moment.act, moment.known
    column = known.column(act.table, act.name)
    if f"{act.table}.{act.name}" in known.defaulted or column is None or known.is_own(act.table):
        return False
    is_left_out = act.does == "modify column" and act.has("not null") and act.default is None
    return (is_left_out and not act.has("auto_increment")) or (act.does == "drop default" and column.not_null)


def _required(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    column = moment.known.column(act.table, act.name)
    if column is not None and column.is_new:
        is_numbered = f"{act.table}.{act.name}" in moment.known.numbered
        undefaulted = act.does == "drop default" and column.not_null and not is_numbered
        is_filled = column.has_default or moment.known.tables[act.table].has_trigger  # which may fill it
        if undefaulted or (act.does == "set not null" and not is_filled):
            says = f"{act.table}.{act.name} is new, NOT NULL and left without a default: an INSERT without it fails"
            yield Seen(says=says, table=act.table)
    elif column is not None and column.has_default and _loses_default(moment):
        says = f"{act.table}.{act.name} is NOT NULL and loses its default: an INSERT that relied on it fails"
        yield Seen(says=says, table=act.table)
    computed = act.has("stored") or act.has("virtual") or act.has("auto_increment") or act.has("identity")
    if act.does != "add column" or not act.has("not null") or act.default is not None or computed or act.has("serial"):
        return
    if moment.engine == "postgres":
        return  # H201: the server refuses it
    says = f"an INSERT that does not name {act.table}.{act.name} fails, and rows that are there get 0 or an empty text"
    yield Seen(says=says, table=act.table)


def _refused(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    computed = act.has("stored") or act.has("virtual") or act.has("identity") or act.has("serial")
    if act.does == "add column" and act.has("not null") and act.default is None and not computed:
        says = f"{act.table}.{act.name} is NOT NULL and has no default: the rows that are there would hold NULL"
        yield Seen(says=says, table=act.table)


def _gone(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    is_callable = act.does == "drop other" and bool(
        act.said & {"function", "procedure", "type", "sequence", "domain", "extension", "aggregate"}
    )
    known = moment.known
    is_back = known.engine == "postgres" and known.is_open and act.name in known.retaken and not act.has("matview")
    if (act.does == "drop view" or is_callable) and not is_back and act.name not in known.objects | known.given:
        yield Seen(says=f"code that uses {act.name} fails")


def _hidden(moment: Moment) -> Iterator[Seen]:
    if moment.act.does == "row security":
        says = f"all rows of {moment.act.table} are hidden from everyone but its owner, where no policy shows them"
        yield Seen(says=says, table=moment.act.table)


def _nullable(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    column = moment.known.column(act.table, act.name)
    if act.does == "drop not null" and (column is None or column.not_null):
        yield Seen(says=f"readers of {act.table}.{act.name} may get NULL, which they never did", table=act.table)


RULES = (
    Rule(
        code="H301",
        name="column dropped",
        asks="Is a column dropped that the running version may use?",
        harm=_DEPLOY + " The way back brings the column, and not its values.",
        remedy="Release code that does not name the column first (an ORM names every column), then rename it to park "
        "it, "
        "and drop it a release later.",
        severity="breaks old code",
        looks=_drop_column,
        bad=every("ALTER TABLE orders DROP COLUMN code;"),
        good=every("ALTER TABLE orders ADD COLUMN tried int;\nALTER TABLE orders DROP COLUMN tried;"),
        covers={
            "squawk": ("ban-drop-column",),
            "strong_migrations": ("removing a column",),
            "atlas": ("DS103",),
            "django-migration-linter": ("DROP_COLUMN",),
        },
    ),
    Rule(
        code="H303",
        name="column renamed",
        asks="Is a column renamed that the running version may use?",
        harm=_DEPLOY,
        remedy="Keep both names for one release: a second column kept in step by a trigger, or a view with both "
        "names in "
        "front of the table.",
        severity="breaks old code",
        looks=_rename_column,
        bad=every("ALTER TABLE orders RENAME COLUMN total TO amount;"),
        good=every("ALTER TABLE orders ADD COLUMN amount decimal(10, 2);"),
        covers={
            "squawk": ("renaming-column",),
            "strong_migrations": ("renaming a column",),
            "atlas": ("BC102",),
            "django-migration-linter": ("RENAME_COLUMN",),
        },
    ),
    Rule(
        code="H304",
        name="table renamed",
        asks="Is a table or another object renamed, or moved to another schema, that the running version may use?",
        harm=_DEPLOY,
        remedy="Put a view by the old name in its place in the same transaction, and drop it a release later.",
        severity="breaks old code",
        looks=_rename_table,
        bad=every("ALTER TABLE orders RENAME TO purchases;"),
        good=every("CREATE TABLE purchases (id int);\nALTER TABLE purchases RENAME TO buys;"),
        covers={
            "squawk": ("renaming-table", "renaming-object", "ban-set-schema"),
            "strong_migrations": ("renaming a table", "renaming a schema"),
            "atlas": ("BC101",),
            "django-migration-linter": ("RENAME_TABLE",),
        },
    ),
    Rule(
        code="H201",
        name="NOT NULL without a value",
        asks="Is a column added that must have a value, with none for the rows that are there?",
        harm="The server refuses it where the table has a row, in the middle of a deployment; where it has none yet, "
        "running "
        "code that does not name the column can insert no more.",
        remedy="Give the column a constant default, or add it nullable, fill it in batches, and make it NOT NULL "
        "later.",
        severity="fails",
        looks=_refused,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders ADD COLUMN currency text NOT NULL;"),
        good=postgres("ALTER TABLE orders ADD COLUMN currency text NOT NULL DEFAULT 'EUR';"),
        covers={
            "squawk": ("adding-required-field", "adding-not-nullable-field"),
            "atlas": ("MF103",),
            "django-migration-linter": ("NOT_NULL",),
        },
    ),
    Rule(
        code="H305",
        name="column that every INSERT must name",
        asks="Is a column added that must have a value and has no default, or does one lose its default?",
        harm="Running code does not name it, and can insert no more; rows that are there get 0 or an empty text that "
        "nobody "
        "chose.",
        remedy="Give the column a default and keep it for a release (Django: db_default), or add it nullable and make "
        "it NOT NULL a release later.",
        severity="breaks old code",
        looks=_required,
        bad={
            **postgres(
                "ALTER TABLE orders ADD COLUMN currency text DEFAULT 'EUR' NOT NULL;\n"
                "ALTER TABLE orders ALTER COLUMN currency DROP DEFAULT;"
            ),
            **family("ALTER TABLE orders ADD COLUMN currency char(3) NOT NULL;"),
        },
        good=every("ALTER TABLE orders ADD COLUMN currency char(3) NOT NULL DEFAULT 'EUR';"),
        covers={"atlas": ("MF103", "MY101"), "django-migration-linter": ("NOT_NULL",)},
    ),
    Rule(
        code="H308",
        name="view, function or type dropped",
        asks="Is a view, a function or a type dropped that the running version may use?",
        harm="Every call that uses it fails until the last process of the old version is gone.",
        remedy="Drop it a release after the last code that uses it.",
        severity="breaks old code",
        looks=_gone,
        bad={**postgres("DROP VIEW report;", schema="CREATE VIEW report AS SELECT id FROM orders;"),
             **family("DROP VIEW report;", schema="CREATE VIEW report AS SELECT id FROM orders;")},
        good={**postgres("CREATE VIEW report AS SELECT id FROM orders;"),
              **family("CREATE VIEW report AS SELECT id FROM orders;")},
        covers={
            "squawk": ("ban-drop-view", "ban-drop-function", "ban-drop-type", "ban-drop-sequence",
                       "ban-drop-domain", "ban-drop-extension"),
        },
    ),
    Rule(
        code="H309",
        name="row level security",
        asks="Is row level security switched on while the application reads the table?",
        harm="Without a policy that shows them, readers get no row and no error, and writers are refused.",
        remedy="Create the policies first, and try them as the application's role; then ENABLE, in the same "
        "transaction.",
        severity="breaks old code",
        looks=_hidden,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"),
        good=postgres("CREATE POLICY mine ON orders USING (customer_id = 1);"),
        covers={"squawk": ("ban-alter-row-level-security",)},
    ),
    Rule(
        code="H307",
        name="NULL where there was none",
        asks="May a column hold NULL now that never did?",
        harm="Running code that reckons with a value meets NULL once the new version writes one.",
        remedy="Release code that reads NULL first, then drop the constraint.",
        severity="note",
        looks=_nullable,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ALTER COLUMN number DROP NOT NULL;"),
        good=postgres("ALTER TABLE orders ALTER COLUMN number SET DEFAULT 0;"),
        covers={"squawk": ("ban-drop-not-null",)},
    ),
)  # fmt: skip
