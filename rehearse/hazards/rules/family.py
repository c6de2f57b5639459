"""What MySQL and MariaDB copy, rebuild, or refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rehearse.hazards import algorithms
from rehearse.hazards.acts import Act
from rehearse.hazards.algorithms import ORDER, Way
from rehearse.hazards.rule import FAMILY, Claim, Engine, Looks, Moment, Rule, Seen, Severity
from rehearse.hazards.rules._shop import family

_COPY = "The table is copied row by row while all who would write it wait: it grows with the rows."
_SAFER = (
    "Say ALGORITHM=INSTANT, or ALGORITHM=INPLACE with LOCK=NONE, so that the server refuses it where it would copy; "
    "copy "
    "by pt-online-schema-change or gh-ost where there is no other way; or bring the change in a new column, and fill "
    "the "
    "rows that are there in batches, each committed."
)
_LEAST = {"INSTANT": 0, "NOCOPY": 1, "INPLACE": 2}  # the slowest of ORDER that an ALGORITHM allows


def ways(moment: Moment) -> list[tuple[Act, Way]]:
    """Return how the server makes each change of a statement."""
    acts = moment.said.acts
    found = [(act, algorithms.way(act, acts, moment.known)) for act in acts]
    return [(act, one) for act, one in found if one is not None]


def _by_code(code: str) -> Looks:
    def looks(moment: Moment) -> Iterator[Seen]:
        one = algorithms.way(moment.act, moment.said.acts, moment.known)
        if one is None or one.code != code or _is_made(moment) or _is_guarded(moment, one):
            return
        algorithm = "INPLACE" if one.algorithm == "REBUILD" else one.algorithm
        rewrites = (moment.act.table,) if one.algorithm in ("REBUILD", "COPY") else ()
        stops = f", closed to writes ({one.algorithm})" if one.lock != "NONE" else f" beside the traffic ({algorithm})"
        doing = "is copied" if one.algorithm == "COPY" else "is written anew" if rewrites else "is read"
        claim = Claim(algorithm=algorithm, rewrites=rewrites) if one.is_sure else Claim()
        yield Seen(says=f"{moment.act.table} {doing}{stops}: {one.why}", table=moment.act.table, claim=claim)

    return looks


def _is_made(moment: Moment) -> bool:
    """Say whether an act is a part of CREATE TABLE."""
    return any(one.does == "create table" and one.table == moment.act.table for one in moment.said.acts)


def _is_guarded(moment: Moment, one: Way) -> bool:
    """Say whether the statement asks for what keeps writers going, so that the server refuses what would not."""
    asked, lock = moment.said.algorithm, moment.said.lock
    if asked in _LEAST and ORDER.index(one.algorithm) > _LEAST[asked]:
        return True
    is_asked = asked in _LEAST or lock == "NONE"
    return one.lock != "NONE" and is_asked and (asked != "COPY" or _copies_beside(moment))


def _copies_beside(moment: Moment) -> bool:
    """Say whether the server copies with LOCK=NONE, or refuses it where it cannot: MariaDB from 11.2 on."""
    return moment.engine == "mariadb" and moment.known.is_told and moment.since(11, 2) and moment.said.lock == "NONE"


def _refused(moment: Moment) -> Iterator[Seen]:
    asked, lock = moment.said.algorithm, moment.said.lock
    if not (asked in ORDER or asked == "NOCOPY" or lock) or not (found := ways(moment)):
        return
    slowest = algorithms.slowest([one for _, one in found])
    least = _LEAST.get(asked, 3)
    needs = ORDER.index(slowest.algorithm)
    table, may_be_beside = found[0][0].table, slowest.code in algorithms.COPIED_BESIDE
    knows_instant = moment.since(*((10, 3, 2) if moment.engine == "mariadb" else (8, 0, 12)))
    if asked == "INSTANT" and not knows_instant:
        yield Seen(says="this version does not know ALGORITHM=INSTANT, and refuses the statement", table=table)
    elif needs > least:
        says = f"ALGORITHM={asked} is refused, since the server can do it by {slowest.algorithm} only: {slowest.why}"
        yield Seen(says=says, table=table)
    elif lock == "NONE" and slowest.lock != "NONE" and not (may_be_beside and _copies_beside(moment)):
        yield Seen(says=f"LOCK=NONE is refused: {slowest.why}", table=table)


def _copied(moment: Moment) -> Iterator[Seen]:
    if moment.said.algorithm == "COPY" and not _copies_beside(moment):
        table = next((act.table for act in moment.said.acts if act.table), "")
        claim = Claim(algorithm="COPY", rewrites=(table,))
        yield Seen(says=f"ALGORITHM=COPY copies {table}, closed to writes", table=table, claim=claim)


def _locked(moment: Moment) -> Iterator[Seen]:
    if moment.said.lock in ("SHARED", "EXCLUSIVE"):
        table = next((act.table for act in moment.said.acts if act.table), "")
        stops = "reads and writes" if moment.said.lock == "EXCLUSIVE" else "writes"
        yield Seen(says=f"LOCK={moment.said.lock} closes {table} to {stops} for the whole change", table=table)


def _read_under_lock(moment: Moment) -> Iterator[Seen]:
    levels = [moment.known.setting(name) for name in ("transaction", "transaction_isolation", "tx_isolation")]
    if moment.said.repeats or any("committed" in one for one in levels):
        return
    for act in (one for one in moment.said.acts if one.does == "insert" and one.references):
        if act.said & {"where", "limit"}:
            continue
        says = f"every row of {act.references} is locked as it is read, and who would change one waits until COMMIT"
        yield Seen(says=says, table=act.references)


def _versions(moment: Moment) -> Iterator[Seen]:
    known = moment.known
    if known.engine != "mysql" or known.version < (8, 0, 29):
        return
    limit = 255 if known.version >= (9, 1) else 64
    for table, facts in known.tables.items():
        if facts.instant_changes > limit:
            says = f"{table} has had {facts.instant_changes} INSTANT changes of columns, and the server allows {limit}"
            yield Seen(says=says, table=table)


def _ignored(moment: Moment) -> Iterator[Seen]:
    act, version = moment.act, moment.known.version
    honours = version >= ((9, 0) if moment.engine == "mysql" else (10, 5))
    if act.does == "add foreign key" and act.has("inline") and not honours:
        says = (
            f"REFERENCES within a column's definition is passed over by this version: {act.table} gets no foreign key"
        )
        yield Seen(says=says)


def _rule(
    code: str,
    name: str,
    asks: str,
    *,
    bad: str,
    good: str,
    harm: str = _COPY,
    remedy: str = _SAFER,
    severity: Severity = "outage",
    covers: dict[str, tuple[str, ...]] | None = None,
    engines: tuple[Engine, ...] = FAMILY,
    versions: str = "",
    schema: str = "",
    bad_version: str = "",
    mariadb_version: str = "",
    mariadb: str | None = None,
    looks: Looks | None = None,
    proof: Literal["rehearsal", "static"] = "rehearsal",
) -> Rule:
    """Return a rule of the family; its examples are in words that both servers know."""
    return Rule(
        code=code,
        name=name,
        asks=asks,
        harm=harm,
        remedy=remedy,
        severity=severity,
        looks=looks or _by_code(code),
        engines=engines,
        per="act" if looks is None else "statement",
        proof=proof,
        bad=family(bad, schema=schema, version=bad_version, mariadb=mariadb, mariadb_version=mariadb_version),
        good=family(good, schema=schema),
        covers=covers or {},
        versions=versions,
    )


RULES = (
    _rule(
        "H501",
        "type that copies the table",
        "Does a column get a type that copies the table?",
        bad="ALTER TABLE orders MODIFY number bigint NOT NULL;",
        good="ALTER TABLE orders MODIFY code varchar(60), ALGORITHM=INPLACE, LOCK=NONE;",
        versions="a varchar that grows past 255 bytes copies; MariaDB from 10.4.3 on only from 128 bytes on; "
        "from 11.2 on it copies beside the traffic, where the table has no foreign key",
        covers={
            "strong_migrations": ("changing the type of a column",),
            "django-migration-linter": ("ALTER_COLUMN",),
            "atlas": ("MY113",),
        },
    ),
    _rule(
        "H502",
        "character set converted",
        "Is a table converted to another character set?",
        bad="ALTER TABLE orders CONVERT TO CHARACTER SET latin1;",
        good="ALTER TABLE orders DEFAULT CHARACTER SET utf8mb4;",
    ),
    _rule(
        "H503",
        "foreign key that copies the table",
        "Is a foreign key added with its check?",
        bad="ALTER TABLE orders ADD CONSTRAINT of_customer FOREIGN KEY (customer_id) REFERENCES customers (id);",
        good="SET foreign_key_checks = 0;\n"
        "ALTER TABLE orders ADD CONSTRAINT of_customer FOREIGN KEY (customer_id) REFERENCES customers (id), "
        "ALGORITHM=INPLACE, LOCK=NONE;",
        remedy="SET foreign_key_checks = 0 for the session and ALGORITHM=INPLACE, LOCK=NONE, then look for orphans "
        "by a "
        "query: the key holds for what is written from then on.",
        covers={"strong_migrations": ("adding a foreign key",)},
    ),
    _rule(
        "H504",
        "column whose value differs by row",
        "Is a column added whose value the server must find for every row?",
        bad="ALTER TABLE orders ADD COLUMN label varchar(80) DEFAULT (concat('n', 'o'));",
        mariadb="ALTER TABLE orders ADD COLUMN label varchar(80) DEFAULT (uuid());",
        good="ALTER TABLE orders ADD COLUMN label varchar(80) DEFAULT 'no', ALGORITHM=INSTANT;",
        covers={
            "strong_migrations": (
                "adding an auto-incrementing column",
                "adding a column with a volatile default value",
            ),
        },
    ),
    _rule(
        "H505",
        "FULLTEXT or SPATIAL index",
        "Is a FULLTEXT or SPATIAL index built, or one of an expression?",
        harm="All who would write the table wait until the index is built: it grows with the rows.",
        bad="ALTER TABLE orders ADD FULLTEXT INDEX words (note);",
        good="ALTER TABLE orders ADD INDEX by_code (code), ALGORITHM=INPLACE, LOCK=NONE;",
    ),
    _rule(
        "H506",
        "primary key dropped",
        "Is a primary key dropped without another in the same statement?",
        bad="ALTER TABLE orders DROP PRIMARY KEY;",
        good="ALTER TABLE orders DROP PRIMARY KEY, ADD PRIMARY KEY (id, number), ALGORITHM=INPLACE, LOCK=NONE;",
    ),
    _rule(
        "H507",
        "values of an ENUM or SET in another order",
        "Does an ENUM or a SET change otherwise than by a value at its end?",
        bad="ALTER TABLE orders MODIFY status enum('void', 'new', 'paid');",
        good="ALTER TABLE orders MODIFY status enum('new', 'paid', 'void'), ALGORITHM=INSTANT;",
        covers={"atlas": ("MY110", "MY111", "MY112", "MY113", "MY120", "MY121", "MY122", "MY123")},
    ),
    _rule(
        "H508",
        "stored generated column",
        "Does a new column hold a value that the server computes for every row and keeps?",
        bad="ALTER TABLE orders ADD COLUMN gross decimal(12, 2) GENERATED ALWAYS AS (total * 1.2) STORED;",
        good="ALTER TABLE orders ADD COLUMN gross decimal(12, 2) GENERATED ALWAYS AS (total * 1.2) VIRTUAL;",
        covers={"strong_migrations": ("adding a stored generated column",)},
    ),
    _rule(
        "H509",
        "table partitioned",
        "Is a table partitioned, or its partitions made otherwise?",
        bad="ALTER TABLE orders PARTITION BY HASH (id) PARTITIONS 4;",
        good="CREATE TABLE archive (id bigint PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 4;",
    ),
    _rule(
        "H510",
        "another storage engine, or encryption",
        "Does a table move to another storage engine, or is it encrypted?",
        bad="ALTER TABLE orders ENGINE = MyISAM;",
        good="ALTER TABLE orders COMMENT = 'kept';",
    ),
    _rule(
        "H511",
        "table rebuilt beside the traffic",
        "Is a table written anew, though writers go on?",
        harm="It takes the disk of a second table, and replicas fall behind for as long as it lasts.",
        remedy="Know how long it takes (rehearse run), have the disk for it, and see what replicas may bear; or copy "
        "by "
        "pt-online-schema-change or gh-ost, which mind replicas.",
        severity="note",
        bad="ALTER TABLE orders FORCE;",
        good="ALTER TABLE orders ADD COLUMN more int, ALGORITHM=INSTANT;",
        covers={"strong_migrations": ("adding a column with a default value",)},
        versions="ADD COLUMN before MySQL 8.0.12 and MariaDB 10.3, elsewhere than at the end before 8.0.29 and 10.4; "
        "DROP "
        "COLUMN before 8.0.29 and 10.4",
    ),
    _rule(
        "H520",
        "table with a FULLTEXT index written anew",
        "Is a table with a FULLTEXT index written anew, as for a column that comes or goes?",
        harm="With such an index no column comes or goes INSTANT: all who would write the table wait until it is done, "
        "which grows with the rows.",
        bad="ALTER TABLE orders ADD COLUMN more int;",
        schema="CREATE FULLTEXT INDEX words ON orders (note);",
        good="ALTER TABLE orders ADD COLUMN more int GENERATED ALWAYS AS (number + 1) VIRTUAL;",
    ),
    _rule(
        "H518",
        "check that copies the table",
        "Is a CHECK added that every row is checked by?",
        bad="ALTER TABLE orders ADD CONSTRAINT paid CHECK (total >= 0);",
        good="ALTER TABLE orders ADD COLUMN more int, ALGORITHM=INSTANT;",
        covers={"strong_migrations": ("adding a check constraint",)},
    ),
    _rule(
        "H208",
        "algorithm or lock that the server refuses",
        "Does an ALTER ask for an algorithm or a lock that the server cannot do it by?",
        harm="The server refuses it, and what ran before it stays: every change of the schema commits by itself.",
        remedy="Ask for what the server can do, by its version, and rehearse it.",
        severity="fails",
        bad="ALTER TABLE orders MODIFY number bigint NOT NULL, ALGORITHM=INSTANT;",
        good="ALTER TABLE orders MODIFY code varchar(60), ALGORITHM=INPLACE, LOCK=NONE;",
        looks=_refused,
        proof="static",
    ),
    _rule(
        "H516",
        "ALGORITHM=COPY",
        "Does a statement ask for the copy of a table?",
        bad="ALTER TABLE orders ADD COLUMN more int, ALGORITHM=COPY;",
        good="ALTER TABLE orders ADD COLUMN more int, ALGORITHM=INSTANT;",
        looks=_copied,
    ),
    _rule(
        "H517",
        "LOCK=SHARED or EXCLUSIVE",
        "Does a statement ask for a lock that stops writers?",
        bad="ALTER TABLE orders ADD INDEX by_code (code), ALGORITHM=INPLACE, LOCK=SHARED;",
        good="ALTER TABLE orders ADD INDEX by_code (code), ALGORITHM=INPLACE, LOCK=NONE;",
        harm="All who would write the table wait until it is done: it grows with the rows.",
        looks=_locked,
        proof="static",
    ),
    _rule(
        "H519",
        "rows locked as they are read",
        "Does a table get all rows of another in one statement, which locks them as it reads?",
        bad="CREATE TABLE copied LIKE orders;\nINSERT INTO copied SELECT * FROM orders;",
        good="CREATE TABLE copied LIKE orders;\nSET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;\n"
        "INSERT INTO copied SELECT * FROM orders;",
        harm="Under REPEATABLE READ, the default, nobody can change a row that was read until it is done: it grows "
        "with the rows.",
        remedy="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED before it, or copy in batches by the key, each "
        "committed.",
        looks=_read_under_lock,
        proof="static",
    ),
    Rule(
        code="H209",
        name="too many INSTANT changes",
        asks="Has a table had more INSTANT changes of columns than the server allows?",
        harm="The server refuses the next one, in the middle of a deployment.",
        remedy="ALTER TABLE … FORCE (OPTIMIZE TABLE) beside the traffic begins a new count; look at "
        "INFORMATION_SCHEMA.INNODB_TABLES.TOTAL_ROW_VERSIONS first.",
        severity="fails",
        looks=_versions,
        engines=("mysql",),
        per="end",
        versions="MySQL from 8.0.29 on: 64 changes; from 9.1 on 255",
        bad={
            "mysql": family("".join(f"ALTER TABLE orders ADD COLUMN c{n} int;\n" for n in range(65)), version="8.0")[
                "mysql"
            ]
        },
        good={
            "mysql": family("".join(f"ALTER TABLE orders ADD COLUMN c{n} int;\n" for n in range(60)), version="8.0")[
                "mysql"
            ]
        },
    ),
    Rule(
        code="H515",
        name="REFERENCES that is passed over",
        asks="Does REFERENCES stand within a column's definition, where the server passes over it?",
        harm="There is no foreign key, and nobody says so: orphans come.",
        remedy="Write FOREIGN KEY (…) REFERENCES … (…) as a definition of its own.",
        severity="note",
        looks=_ignored,
        engines=FAMILY,
        versions="MySQL before 9.0, MariaDB before 10.5",
        bad=family(
            "CREATE TABLE items (id int PRIMARY KEY, order_id bigint REFERENCES orders (id));",
            version="8.0",
            mariadb_version="10.4",
        ),
        good=family(
            "CREATE TABLE items (id int PRIMARY KEY, order_id bigint, FOREIGN KEY (order_id) REFERENCES orders (id));",
            version="8.0",
            mariadb_version="10.4",
        ),
        covers={"atlas": ("MY102",)},
    ),
)
