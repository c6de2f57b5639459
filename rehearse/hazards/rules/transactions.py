"""What stands together in a transaction, and what may not stand in one."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.bookkeeping import is_named
from rehearse.hazards.acts import Act
from rehearse.hazards.modes import ACCESS_EXCLUSIVE, locks
from rehearse.hazards.rule import EVERY, FAMILY, POSTGRES, Claim, Engine, Example, Moment, Rule, Seen, Severity
from rehearse.hazards.rules._deeds import is_change
from rehearse.hazards.rules._shop import family, postgres

_FILLS = ("create table", "create view")  # by a query
_SLOW = ("update", "delete", "insert", "copy")
_MANY = 3  # tables closed in one transaction
SMALL = 10_000  # rows: what fewer of them cost is no outage


def _explicit(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    closing = {"access exclusive", "exclusive", "share row exclusive", "share", "write", "read"}
    if act.does == "lock table" and act.mode in closing:
        stops = "reads and writes" if act.mode in ("access exclusive", "write") else "writes"
        claim = Claim(locks=tuple(locks(act))) if moment.engine == "postgres" else Claim()
        severity: Severity | None = "note" if moment.engine == "postgres" and moment.known.is_quick else None
        says = f"LOCK TABLE closes {act.table} to {stops} until the transaction ends"
        yield Seen(says=says, table=act.table, claim=claim, severity=severity)


def _validated_at_once(moment: Moment) -> Iterator[Seen]:
    act, known = moment.act, moment.known
    if act.does != "validate constraint":
        return
    constraint = known.tables[act.table].constraints.get(act.name) if act.table in known.tables else None
    taken = [lock for one in moment.said.acts for lock in locks(one)]  # by the other parts of the same ALTER
    before = [lock for lock, _ in known.locks] if known.is_open else []
    held = [lock for lock in (*before, *taken) if lock.table == act.table and lock.stops]
    if held and (constraint is None or not constraint.is_valid):
        is_own = constraint is not None and constraint.made == known.transaction
        whose = "the transaction that added it" if is_own else "a transaction that has changed its table"
        says = f"{act.name} is validated in {whose}, whose lock stops {act.table} meanwhile"
        yield Seen(says=says, table=act.table, claim=Claim(locks=tuple(held), scans=(act.table,)))


def _rows_under_lock(moment: Moment) -> Iterator[Seen]:
    known = moment.known
    held = [(lock, place) for lock, place in known.locks if lock.stops and not known.is_new(lock.table)]
    slow = [act for act in moment.said.acts if _is_slow(moment, act)]
    if known.is_open and held and slow:
        lock, place = max(held, key=lambda one: (len(one[0].stops), one[0].table == slow[0].table))
        where = f" (since {place})" if place else ""
        says = (
            f"{lock.table} stays closed to {' and '.join(lock.stops)}{where} while {_deed(slow[0])}, and until COMMIT"
        )
        yield Seen(says=says, table=lock.table, claim=Claim(locks=(lock,)))


def _deed(act: Act) -> str:
    return f"{act.references} is read" if act.does in _FILLS else f"rows of {act.table or 'other tables'} are changed"


def _is_slow(moment: Moment, act: Act) -> bool:
    """Say whether an act may touch many rows, or read them to fill another table."""
    if act.has("as query") and (act.does in _FILLS or moment.known.is_new(act.table)):
        return bool(act.references) and _is_large(moment, act.references)
    if act.does not in _SLOW or is_named(act.table) or not _is_large(moment, act.table):
        return False
    return act.does != "insert" or act.has("as query")


def _is_large(moment: Moment, name: str) -> bool:
    """Say whether a table may have many rows: it was there before, and nobody said that it has few."""
    table = moment.known.tables.get(name)
    return table is None or not (table.is_new or (table.rows is not None and table.rows <= SMALL))


def _many(moment: Moment) -> Iterator[Seen]:
    known = moment.known
    new = [lock.table for act in moment.said.acts for lock in locks(act) if lock.mode == ACCESS_EXCLUSIVE]
    before = {lock.table for lock, _ in known.locks if lock.mode == ACCESS_EXCLUSIVE and not known.is_new(lock.table)}
    closed = before | {one for one in new if one and not known.is_new(one)}
    if known.is_open and len(closed) >= _MANY > len(before):
        yield Seen(says=f"the transaction has {', '.join(sorted(closed))} for itself, all at once, until COMMIT")


def _alone(moment: Moment) -> Iterator[Seen]:
    if moment.said.stands_alone and moment.known.is_open:
        yield Seen(says="the server refuses this statement in a transaction, and the migration stops here")


def _label(moment: Moment) -> Iterator[Seen]:
    texts = moment.said.sql
    for label in sorted(moment.known.labels) if moment.known.is_open else ():
        if f"'{label}'" in texts and not any(act.does == "add enum value" for act in moment.said.acts):
            yield Seen(says=f"the value '{label}' was added in this transaction, and may not be used before COMMIT")


def _nested(moment: Moment) -> Iterator[Seen]:
    act, known = moment.act, moment.known
    if act.does == "begin" and known.is_open:
        yield Seen(says="BEGIN within a transaction only warns, and the next COMMIT ends the outer one")
    elif act.does in ("commit", "rollback") and known.is_open and not known.is_said:
        yield Seen(says=f"{act.does.upper()} ends the transaction that the migration tool has opened")


def _uncommitted(moment: Moment) -> Iterator[Seen]:
    if moment.known.is_open and moment.known.is_said:
        yield Seen(says="the transaction is begun and never committed: nothing of it stays")


def _half_way(moment: Moment) -> Iterator[Seen]:
    """Yield DDL that ends an open transaction by itself."""
    known = moment.known
    ddl = [act for act in moment.said.acts if is_change(act)]
    if ddl and known.is_open and known.is_said:
        yield Seen(says=f"{ddl[0].does.upper()} commits what stands before it, and cannot be rolled back itself")


def _several(moment: Moment) -> Iterator[Seen]:
    changes = moment.known.changes
    if not all(changes[:-1]):
        says = (
            f"{len(changes)} changes of the schema, and each commits by itself: where one fails, those before it stay"
        )
        yield Seen(says=says)


def _timeout(moment: Moment) -> Iterator[Seen]:
    known = moment.known
    name = "lock_timeout" if known.engine == "postgres" else "lock_wait_timeout"
    if known.setting(name) not in ("", "0", "default"):
        return
    waiting = _waiting(moment)
    if waiting:
        says = f"{waiting} is waited for without a {name}, and everyone queues behind the wait"
        rewrite = "SET lock_timeout = '2s';" if known.engine == "postgres" else "SET lock_wait_timeout = 2;"
        yield Seen(says=says, rewrite=rewrite, table=waiting)


def _waiting(moment: Moment) -> str:
    """Return the table that a statement needs for itself."""
    known = moment.known
    if known.engine == "postgres":
        found = [lock.table for act in moment.said.acts for lock in locks(act) if lock.stops]
    else:
        found = [act.table for act in moment.said.acts if is_change(act) and act.does != "create table"]
    return next((one for one in found if one and not known.is_new(one)), "")


_NO_LOCK: dict[Engine, Example] = {
    "postgres": Example(sql="ALTER TABLE orders ADD COLUMN note text;"),
    "mysql": Example(sql="ALTER TABLE orders ADD COLUMN more text;"),
    "mariadb": Example(sql="ALTER TABLE orders ADD COLUMN more text;"),
}
_TIMED: dict[Engine, Example] = {
    "postgres": Example(sql="SET lock_timeout = '2s';\nALTER TABLE orders ADD COLUMN note text;"),
    "mysql": Example(sql="SET lock_wait_timeout = 2;\nALTER TABLE orders ADD COLUMN more text;"),
    "mariadb": Example(sql="SET lock_wait_timeout = 2;\nALTER TABLE orders ADD COLUMN more text;"),
}

RULES = (
    Rule(
        code="H120",
        name="table locked by hand",
        asks="Does LOCK TABLE close a table until the transaction ends?",
        harm="Nobody gets at the table until COMMIT, whatever the statements after it take.",
        remedy="Lock the rows that are changed (SELECT … FOR UPDATE, in batches), or an advisory lock that only the "
        "migration takes.",
        severity="outage",
        looks=_explicit,
        proof="rehearsal",
        bad={
            **postgres("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;\nUPDATE orders SET code = 'a' WHERE id = 1;"),
            **family("LOCK TABLES orders WRITE;\nUNLOCK TABLES;"),
        },
        good={
            **postgres("LOCK TABLE orders IN ROW EXCLUSIVE MODE;"),
            **family("UPDATE orders SET code = 'a' WHERE id = 1;"),
        },
    ),
    Rule(
        code="H121",
        name="validated under a lock of the schema",
        asks="Is a constraint validated in the transaction that added it, or that has changed its table otherwise?",
        harm="The lock of that change is kept to COMMIT, so that NOT VALID has spared nothing: the table is closed "
        "while every row is read.",
        remedy="COMMIT between the two, or give VALIDATE CONSTRAINT a migration of its own.",
        severity="outage",
        looks=_validated_at_once,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres(
            "ALTER TABLE orders ADD CONSTRAINT paid CHECK (total >= 0) NOT VALID;\n"
            "ALTER TABLE orders VALIDATE CONSTRAINT paid;"
        ),
        good=postgres(
            "ALTER TABLE orders ADD CONSTRAINT paid CHECK (total >= 0) NOT VALID;\n"
            "ALTER TABLE orders VALIDATE CONSTRAINT paid;",
            transaction="statement",
        ),
        covers={"squawk": ("constraint-missing-not-valid",), "eugene": ("E4",)},
    ),
    Rule(
        code="H122",
        name="rows changed under a lock of the schema",
        asks="Are rows changed in a transaction that has a table for itself?",
        harm="The lock of the quick statement lasts as long as the slow one: the table is closed for all of it.",
        remedy="Commit before rows are changed: definitions in one migration, rows in another, in batches.",
        severity="outage",
        looks=_rows_under_lock,
        engines=POSTGRES,
        per="statement",
        proof="rehearsal",
        bad=postgres(
            "ALTER TABLE orders ADD COLUMN level text;\nUPDATE orders SET level = 'x' WHERE customer_id IS NOT NULL;"
        ),
        good=postgres(
            "ALTER TABLE orders ADD COLUMN level text;\nUPDATE orders SET level = 'x' WHERE customer_id IS NOT NULL;",
            transaction="statement",
        ),
        covers={"eugene": ("E4",), "strong_migrations": ("backfilling data",)},
    ),
    Rule(
        code="H123",
        name="many tables closed at once",
        asks="Does one transaction have three tables or more for itself?",
        harm="Each table is closed until the last of them is done, and whoever locks them in another order deadlocks.",
        remedy="Change one table a transaction, in the order in which the application takes them.",
        severity="note",
        looks=_many,
        engines=POSTGRES,
        per="statement",
        bad=postgres(
            "ALTER TABLE orders ADD COLUMN a int;\nALTER TABLE customers ADD COLUMN a int;\n"
            "ALTER TABLE items ADD COLUMN a int;",
            schema="CREATE TABLE items (id bigint PRIMARY KEY);",
        ),
        good=postgres(
            "ALTER TABLE orders ADD COLUMN a int;\nALTER TABLE customers ADD COLUMN a int;\n"
            "ALTER TABLE items ADD COLUMN a int;",
            schema="CREATE TABLE items (id bigint PRIMARY KEY);",
            transaction="statement",
        ),
        covers={"eugene": ("E4",)},
    ),
    Rule(
        code="H202",
        name="refused in a transaction",
        asks="Does a statement stand in a transaction that the server refuses there?",
        harm="The migration stops with an error, in the middle of a deployment.",
        remedy="Give the statement a migration of its own, and tell your tool to open no transaction for it (dbmate: "
        "transaction:false; goose: NO TRANSACTION; Flyway: executeInTransaction=false; Rails: "
        "disable_ddl_transaction!).",
        severity="fails",
        looks=_alone,
        engines=POSTGRES,
        per="statement",
        proof="rehearsal",
        versions="ALTER TYPE … ADD VALUE may stand in one from PostgreSQL 12 on",
        bad=postgres("CREATE INDEX CONCURRENTLY orders_by_total ON orders (total);"),
        good=postgres("CREATE INDEX CONCURRENTLY orders_by_total ON orders (total);", transaction="none"),
        covers={
            "squawk": ("ban-concurrent-index-creation-in-transaction",),
            "atlas": ("PG103",),
        },
    ),
    Rule(
        code="H203",
        name="value used before it is there",
        asks="Is a value of an enum used in the transaction that adds it?",
        harm="The server refuses the statement, and the migration stops in the middle of a deployment.",
        remedy="Add the value in a migration of its own, and use it in the next.",
        severity="fails",
        looks=_label,
        engines=POSTGRES,
        per="statement",
        proof="rehearsal",
        bad=postgres(
            "ALTER TYPE level ADD VALUE 'gold';\nUPDATE members SET level = 'gold' WHERE id = 1;",
            schema="CREATE TYPE level AS ENUM ('low'); CREATE TABLE members (id int PRIMARY KEY, level level);",
        ),
        good=postgres(
            "ALTER TYPE level ADD VALUE 'gold';\nUPDATE members SET level = 'gold' WHERE id = 1;",
            schema="CREATE TYPE level AS ENUM ('low'); CREATE TABLE members (id int PRIMARY KEY, level level);",
            transaction="statement",
        ),
    ),
    Rule(
        code="H206",
        name="transaction within a transaction",
        asks="Does a file begin or end the transaction that its tool has opened?",
        harm="COMMIT ends the tool's transaction: what comes after it is in none, and a failure leaves half of it.",
        remedy="Leave BEGIN and COMMIT to the tool, or tell it to open no transaction for this file.",
        severity="note",
        looks=_nested,
        engines=POSTGRES,
        bad=postgres("BEGIN;\nALTER TABLE orders ADD COLUMN level text;\nCOMMIT;"),
        good=postgres("BEGIN;\nALTER TABLE orders ADD COLUMN level text;\nCOMMIT;", transaction="none"),
        covers={"squawk": ("transaction-nesting",)},
    ),
    Rule(
        code="H207",
        name="never committed",
        asks="Does a transaction begin that nothing ends?",
        harm="The session's end rolls all of it back, and the tool notes the migration as done.",
        remedy="COMMIT at its end.",
        severity="fails",
        looks=_uncommitted,
        per="end",
        engines=EVERY,
        bad={
            **postgres("BEGIN;\nALTER TABLE orders ADD COLUMN level text;", transaction="none"),
            **family("START TRANSACTION;\nUPDATE orders SET code = 'a' WHERE id = 1;"),
        },
        good={
            **postgres("BEGIN;\nALTER TABLE orders ADD COLUMN level text;\nCOMMIT;", transaction="none"),
            **family("START TRANSACTION;\nUPDATE orders SET code = 'a' WHERE id = 1;\nCOMMIT;"),
        },
        covers={"squawk": ("ban-uncommitted-transaction",)},
    ),
    Rule(
        code="H211",
        name="DDL that commits",
        asks="Does a change of the schema stand in a transaction that it ends by itself?",
        harm="What stands before it is committed, and a failure or a ROLLBACK behind it takes nothing back.",
        remedy="One change of the schema a migration, and rows in migrations of their own.",
        severity="fails",
        looks=_half_way,
        engines=FAMILY,
        per="statement",
        bad=family("START TRANSACTION;\nINSERT INTO customers VALUES (0, 'a', 'b');\n"
                   "ALTER TABLE orders ADD COLUMN x int;\nCOMMIT;"),
        good=family("START TRANSACTION;\nINSERT INTO customers VALUES (0, 'a', 'b');\nCOMMIT;"),
    ),
    Rule(
        code="H210",
        name="changes that stay where one fails",
        asks="Do several changes of the schema stand in one migration of a server that commits each?",
        harm="Where the second fails the first stays, the tool does not know it, and the next try fails on the first.",
        remedy="One change of the schema a migration, or IF [NOT] EXISTS where the server has it.",
        severity="note",
        looks=_several,
        engines=FAMILY,
        per="end",
        bad=family("ALTER TABLE orders ADD COLUMN x int;\nALTER TABLE customers ADD COLUMN x int;"),
        good=family("ALTER TABLE orders ADD COLUMN x int;"),
    ),
    Rule(
        code="H901",
        name="no limit to the wait for a lock",
        asks="Is a table needed for itself without a limit to the wait for it?",
        harm="Behind one long transaction the statement waits, and everyone else behind the statement: an outage as "
        "long as "
        "that transaction.",
        remedy="Set lock_timeout (PostgreSQL) or lock_wait_timeout (MySQL, MariaDB) to a second or two, and retry.",
        severity="note",
        looks=_timeout,
        per="statement",
        once=True,
        bad=_NO_LOCK,
        good=_TIMED,
        covers={
            "squawk": ("require-timeout-settings", "require-lock-timeout", "require-statement-timeout"),
            "eugene": ("E9",),
            "strong_migrations": ("lock timeout",),
        },
    ),
)  # fmt: skip
