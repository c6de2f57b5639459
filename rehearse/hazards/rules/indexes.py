"""Indexes, and tables written anew as a whole, on PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearse.hazards.modes import ACCESS_EXCLUSIVE, SHARE, Lock, locks
from rehearse.hazards.rule import POSTGRES, Claim, Moment, Rule, Seen
from rehearse.hazards.rules._shop import postgres

_ANEW = "It is closed to reads and writes while all of it is written anew: it grows with the rows."


def _concurrently(sql: str, after: str) -> str:
    """Return a statement with CONCURRENTLY behind these words."""
    return re.sub(rf"(?i)^(\s*{after})", r"\1 CONCURRENTLY", sql, count=1) + ";  -- in no transaction"


def _create(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "create index" and not act.has("concurrently") and not act.has("only"):
        claim = Claim(locks=(Lock(act.table, SHARE),), scans=(act.table,))
        says = f"{act.table} is closed to writes until the index is built"
        after = r"create\s+(?:unique\s+)?index"
        yield Seen(says=says, table=act.table, claim=claim, rewrite=_concurrently(moment.said.sql, after))


def _drop(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "drop index" or act.has("concurrently"):
        return
    own = next((name for name, table in moment.known.tables.items() if act.name in table.indexes), "")
    says = f"DROP INDEX {act.name} needs its table for itself, for a moment, and all queue behind it while it waits"
    yield Seen(says=says, table=own, rewrite=_concurrently(moment.said.sql, r"drop\s+index"))


def _reindex(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "reindex" or act.has("concurrently"):
        return
    claim = Claim(locks=tuple(locks(act)), scans=(act.table,)) if act.table else Claim()
    after = r"reindex\s*(?:\([^)]*\)\s*)?(?:table|index|schema|database|system)"
    says = f"{act.name or 'the database'} is closed to writes, and to reads by its indexes, until they are built"
    yield Seen(says=says, table=act.table, claim=claim, rewrite=_concurrently(moment.said.sql, after))


def _full(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does in ("vacuum full", "cluster"):
        tables = (act.table,) if act.table else ()
        claim = Claim(locks=tuple(Lock(one, ACCESS_EXCLUSIVE) for one in tables), rewrites=tables)
        yield Seen(
            says=f"{act.does.upper()} writes {act.table or 'every table'} anew", table=act.table, claim=claim
        )  # fmt: skip


def _refresh(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "refresh" and not act.has("concurrently") and not act.has("no data"):
        after = r"refresh\s+materialized\s+view"
        sql = re.sub(rf"(?i)^(\s*{after})", r"\1 CONCURRENTLY", moment.said.sql, count=1)
        claim = Claim(locks=(Lock(act.table, ACCESS_EXCLUSIVE),), rewrites=(act.table,))
        says = f"{act.table} is closed to reads while its query runs"
        yield Seen(says=says, table=act.table, claim=claim, rewrite=f"{sql};  -- it needs a unique index")


def _tablespace(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "set tablespace":
        name = act.table or act.name
        claim = Claim(locks=tuple(locks(act)), rewrites=(act.table,)) if act.table else Claim()
        yield Seen(says=f"{name} is copied to another place, closed to reads and writes", table=act.table, claim=claim)


def _storage(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does in ("set logged", "set unlogged", "set access method"):
        claim = Claim(locks=tuple(locks(act)), rewrites=(act.table,))
        yield Seen(says=f"{act.does.upper()} writes {act.table} anew", table=act.table, claim=claim)


def _attach(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "attach partition":
        return
    table = moment.known.tables.get(act.table)
    checks = [one for one in table.constraints.values() if one.kind == "add check" and one.is_valid] if table else []
    if not checks:
        claim = Claim(locks=(Lock(act.table, ACCESS_EXCLUSIVE),), scans=(act.table,))
        says = f"every row of {act.table} is read for whether it belongs there, closed to reads and writes"
        yield Seen(says=says, table=act.table, claim=claim)


def _detach(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "detach partition" and not act.has("concurrently") and moment.since(14):
        says = (
            f"DETACH PARTITION needs {act.references} for itself, for a moment, and all queue behind it while it waits"
        )
        yield Seen(says=says, table=act.references, rewrite=f"{moment.said.sql} CONCURRENTLY;  -- in no transaction")


def _parted(moment: Moment) -> Iterator[Seen]:
    """Yield what the server does on a plain table and not on one with partitions."""
    act, known = moment.act, moment.known
    if act.table not in known.tables or not known.tables[act.table].is_parted:
        return
    if act.does == "create index" and act.has("concurrently"):
        yield Seen(says=f"{act.table} has partitions, and the server builds no index of such a table CONCURRENTLY")
    elif act.does == "add foreign key" and act.has("not valid") and not moment.since(18):
        yield Seen(says=f"{act.table} has partitions, and the server adds no NOT VALID foreign key to such a table")
    elif act.has("using index"):
        yield Seen(says=f"{act.table} has partitions, and the server makes no index a constraint of such a table")


RULES = (
    Rule(
        code="H110",
        name="index that stops writes",
        asks="Is an index built on a table that has rows, without CONCURRENTLY?",
        harm="The table is closed to writes until the index is built: it grows with the rows.",
        remedy="CREATE INDEX CONCURRENTLY, outside any transaction; see that it is valid afterwards. On a partitioned "
        "table: CREATE INDEX ON ONLY it, CONCURRENTLY on each partition, then ATTACH.",
        severity="outage",
        looks=_create,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("CREATE INDEX orders_by_total ON orders (total);"),
        good=postgres("CREATE INDEX CONCURRENTLY orders_by_total ON orders (total);", transaction="none"),
        covers={
            "squawk": ("require-concurrent-index-creation",),
            "eugene": ("E6",),
            "strong_migrations": ("adding an index non-concurrently",),
            "atlas": ("PG101",),
            "django-migration-linter": ("CREATE_INDEX",),
        },
    ),
    Rule(
        code="H112",
        name="index dropped without CONCURRENTLY",
        asks="Is an index dropped so that all who use its table wait behind it?",
        harm="The lock is held for a moment only, but all queue behind it while it waits for a long transaction.",
        remedy="DROP INDEX CONCURRENTLY, outside any transaction, waits for others without making others wait.",
        severity="note",
        looks=_drop,
        engines=POSTGRES,
        proof="static",
        bad=postgres("DROP INDEX orders_made;"),
        good=postgres("DROP INDEX CONCURRENTLY orders_made;", transaction="none"),
        covers={
            "squawk": ("require-concurrent-index-deletion",),
            "strong_migrations": ("removing an index non-concurrently",),
            "atlas": ("PG102",),
            "django-migration-linter": ("DROP_INDEX",),
        },
    ),
    Rule(
        code="H113",
        name="REINDEX",
        asks="Are indexes built anew without CONCURRENTLY?",
        harm="The table is closed to writes, and to all who would read by the index, until they are built.",
        remedy="REINDEX … CONCURRENTLY stops neither reads nor writes; it must run outside any transaction.",
        severity="outage",
        looks=_reindex,
        engines=POSTGRES,
        proof="rehearsal",
        versions="CONCURRENTLY is there from PostgreSQL 12 on",
        bad=postgres("REINDEX TABLE orders;"),
        good=postgres("REINDEX TABLE CONCURRENTLY orders;", transaction="none"),
        covers={"squawk": ("require-concurrent-reindex",), "django-migration-linter": ("REINDEX",)},
    ),
    Rule(
        code="H114",
        name="table written anew",
        asks="Is a table written anew by VACUUM FULL or CLUSTER?",
        harm=_ANEW,
        remedy="A plain VACUUM frees the space for new rows; pg_repack or pg_squeeze give it back while the table is "
        "in "
        "use.",
        severity="outage",
        looks=_full,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("VACUUM (FULL) orders;", transaction="none"),
        good=postgres("VACUUM orders;", transaction="none"),
        covers={"squawk": ("prefer-repack",), "eugene": ("E10",)},
    ),
    Rule(
        code="H115",
        name="materialized view refreshed",
        asks="Is a materialized view filled anew without CONCURRENTLY?",
        harm="Nobody can read it while its query runs.",
        remedy="REFRESH MATERIALIZED VIEW CONCURRENTLY (it needs a unique index) lets readers go on.",
        severity="outage",
        looks=_refresh,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres(
            "REFRESH MATERIALIZED VIEW totals;",
            schema="CREATE MATERIALIZED VIEW totals AS SELECT status, sum(total) FROM orders GROUP BY status;"
            "CREATE UNIQUE INDEX totals_of ON totals (status);",
        ),
        good=postgres(
            "REFRESH MATERIALIZED VIEW CONCURRENTLY totals;",
            schema="CREATE MATERIALIZED VIEW totals AS SELECT status, sum(total) FROM orders GROUP BY status;"
            "CREATE UNIQUE INDEX totals_of ON totals (status);",
        ),
    ),
    Rule(
        code="H116",
        name="moved to another tablespace",
        asks="Is a table or an index copied to another tablespace?",
        harm=_ANEW,
        remedy="Make new tables and indexes there, and move the old ones by pg_repack --tablespace, or in a "
        "maintenance "
        "window.",
        severity="outage",
        looks=_tablespace,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders SET TABLESPACE fast;"),
        good=postgres("CREATE TABLE archive (id bigint) TABLESPACE fast;"),
    ),
    Rule(
        code="H117",
        name="stored otherwise",
        asks="Is a table made logged, unlogged, or given another access method?",
        harm=_ANEW,
        remedy="Make a table of that kind, fill it in batches, and let the names change places.",
        severity="outage",
        looks=_storage,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres("ALTER TABLE orders SET UNLOGGED;"),
        good=postgres("ALTER TABLE orders SET (fillfactor = 90);"),
        covers={"eugene": ("E10",)},
    ),
    Rule(
        code="H118",
        name="partition that is read",
        asks="Is a table attached as a partition without a constraint that says that its rows belong there?",
        harm="The table is closed to reads and writes while every row of it is read, and so is a default partition.",
        remedy="ADD CONSTRAINT … CHECK (the partition's bounds, and NOT NULL) NOT VALID, VALIDATE it in another "
        "transaction, then ATTACH: it takes the constraint's word. With a default partition the same, the other way "
        "round, for that.",
        severity="outage",
        looks=_attach,
        engines=POSTGRES,
        proof="rehearsal",
        bad=postgres(
            "ALTER TABLE parts ATTACH PARTITION orders FOR VALUES FROM (1) TO (1000000000);",
            schema="CREATE TABLE parts (id bigint NOT NULL, number int NOT NULL, customer_id bigint, status text, "
            "code varchar(50), total numeric(10, 2), made timestamp, extra json) PARTITION BY RANGE (id);",
        ),
        good=postgres(
            "ALTER TABLE orders ADD CONSTRAINT belongs CHECK (id IS NOT NULL AND id >= 1 AND id < 1000000000) NOT "
            "VALID;\n"
            "ALTER TABLE orders VALIDATE CONSTRAINT belongs;\n"
            "ALTER TABLE parts ATTACH PARTITION orders FOR VALUES FROM (1) TO (1000000000);",
            schema="CREATE TABLE parts (id bigint NOT NULL, number int NOT NULL, customer_id bigint, status text, "
            "code varchar(50), total numeric(10, 2), made timestamp, extra json) PARTITION BY RANGE (id);",
            transaction="statement",
        ),
    ),
    Rule(
        code="H119",
        name="partition detached",
        asks="Is a partition detached so that all who use its table wait behind it?",
        harm="The lock is held for a moment only, but all queue behind it while it waits for a long transaction.",
        remedy="DETACH PARTITION … CONCURRENTLY, outside any transaction.",
        severity="note",
        looks=_detach,
        engines=POSTGRES,
        versions="CONCURRENTLY is there from PostgreSQL 14 on",
        bad=postgres(
            "ALTER TABLE events DETACH PARTITION events_1;",
            schema="CREATE TABLE events (at int) PARTITION BY RANGE (at);"
            "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);",
        ),
        good=postgres(
            "ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;",
            schema="CREATE TABLE events (at int) PARTITION BY RANGE (at);"
            "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);",
            transaction="none",
        ),
        covers={"squawk": ("require-concurrent-partition-detach",)},
    ),
    Rule(
        code="H212",
        name="refused on a table with partitions",
        asks="Is something asked of a table with partitions that the server does on plain tables only?",
        harm="The server refuses the statement, and the migration stops in the middle of a deployment.",
        remedy="Do it by partition: CREATE INDEX … ON ONLY the parent, CREATE INDEX CONCURRENTLY on each partition, "
        "then ALTER INDEX … ATTACH PARTITION; a foreign key NOT VALID on each partition, VALIDATE, then one on the "
        "parent.",
        severity="fails",
        looks=_parted,
        engines=POSTGRES,
        proof="rehearsal",
        versions="NOT VALID foreign keys are taken from PostgreSQL 18 on",
        bad=postgres(
            "CREATE INDEX CONCURRENTLY visits_at ON visits (at);",
            schema="CREATE TABLE visits (at date) PARTITION BY RANGE (at);",
            transaction="none",
        ),
        good=postgres(
            "CREATE INDEX visits_at ON ONLY visits (at);",
            schema="CREATE TABLE visits (at date) PARTITION BY RANGE (at);",
        ),
    ),
)
