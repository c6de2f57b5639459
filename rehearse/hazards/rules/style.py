"""What stops nobody today and is regretted later: types, names, missing indexes. Notes, which fail no lint."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearse.hazards.acts import Act
from rehearse.hazards.rule import POSTGRES, Moment, Rule, Seen
from rehearse.hazards.rules._shop import every, postgres

_LONGEST = {"postgres": 63, "mysql": 64, "mariadb": 64}
_TEXTS = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAMES = re.compile(r"""["`]([^"`]{60,})["`]|\b([^\W\d]\w{60,})\b""")
_OF_ONE_ROW = frozenset({"gen_random_uuid", "uuid_generate_v4", "uuidv4", "uuidv7", "uuid", "nextval"})
_NUMBERED = frozenset({"auto_increment", "serial", "identity"})
_SMALL = ("integer", "smallint", "serial", "serial4", "smallserial", "int", "mediumint", "tinyint")


def _column(moment: Moment, *names: str) -> Iterator[str]:
    """Yield the columns of these types that a statement makes."""
    act = moment.act
    if act.does in ("add column", "change type", "modify column") and act.type is not None and act.type.name in names:
        yield f"{act.table}.{act.name}"


def _json(moment: Moment) -> Iterator[Seen]:
    for column in _column(moment, "json"):
        yield Seen(says=f"{column} is json, which cannot be compared: SELECT DISTINCT and GROUP BY on it fail")


def _char(moment: Moment) -> Iterator[Seen]:
    for column in _column(moment, "char"):
        yield Seen(says=f"{column} is char(n), which is filled up with blanks and saves nothing")


def _varchar(moment: Moment) -> Iterator[Seen]:
    for column in _column(moment, "varchar"):
        yield Seen(says=f"{column} is varchar(n): a shorter limit later writes the table anew")


def _timestamp(moment: Moment) -> Iterator[Seen]:
    for column in _column(moment, "timestamp"):
        yield Seen(says=f"{column} is timestamp without time zone: whose clock it tells is known to nobody")


def _serial(moment: Moment) -> Iterator[Seen]:
    for column in _column(moment, "serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"):
        yield Seen(
            says=f"{column} is serial: its sequence has rights and a name of its own, and values may be given by hand"
        )


def _small_key(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "add column" and act.has("primary key"):
        for column in _column(moment, *_SMALL):
            yield Seen(says=f"{column} is a key of 32 bits or fewer, which end at 2,147,483,647 rows ever inserted")


def _no_index(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does != "add foreign key" or moment.known.covers(act.table, act.columns):
        return
    if any(
        one.does == "create index" and set(one.columns[: len(act.columns)]) == set(act.columns)
        for one in moment.said.acts
    ):
        return
    table = moment.known.tables.get(act.table)
    doubt = "" if table is not None and table.is_whole else ", as far as is known"
    says = (
        f"no index begins with {', '.join(act.columns)}{doubt}: deleting from {act.references} reads all of {act.table}"
    )
    yield Seen(says=says)


def _long(moment: Moment) -> Iterator[Seen]:
    longest = _LONGEST[moment.engine]
    for name in dict.fromkeys(found[1] or found[2] for found in _NAMES.finditer(_TEXTS.sub("", moment.said.sql))):
        if len(name.encode()) > longest:
            yield Seen(
                says=f"{name} has more than {longest} bytes: PostgreSQL cuts it off, MySQL and MariaDB refuse it"
            )


def _once(moment: Moment) -> Iterator[Seen]:
    act, known = moment.act, moment.known
    makes = act.does in ("create index", "create table", "add column", "drop index", "drop table", "drop column")
    if (
        makes
        and not known.is_open
        and not act.has("if not exists")
        and not act.has("if exists")
        and not act.has("temporary")
    ):
        if act.does == "add column" and any(one.does == "create table" for one in moment.said.acts):
            return
        yield Seen(
            says="outside a transaction a failure behind it leaves it, and the next try fails on "
            f"{act.name or act.table}"
        )


def _again(moment: Moment) -> Iterator[Seen]:
    act, known = moment.act, moment.known
    tables = {
        one.table for one in moment.said.acts if one.table and one.does.split()[0] in ("add", "drop", "set", "change")
    }
    last = known.altered
    if act is moment.said.acts[0] and known.is_open and last and last in tables and not known.is_new(last):
        yield Seen(says=f"{last} is altered by several statements where one with commas would take its lock once")


def _enum(moment: Moment) -> Iterator[Seen]:
    if moment.act.does == "create enum":
        yield Seen(says=f"no statement takes a value of {moment.act.name} away again")


def _domain(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "create domain" and (act.has("check") or act.has("not null")):
        yield Seen(says=f"to change what {act.name} demands reads every table that uses it, all at once")


def _wide(moment: Moment) -> Iterator[Seen]:
    act = moment.act
    if act.does == "create index" and len(act.columns) > 3 and not act.has("unique"):
        yield Seen(
            says=f"an index of {len(act.columns)} columns is rarely better than one of the three that narrow most"
        )


def _is_apart(act: Act, moment: Moment) -> bool:
    """Say whether no two rows can be alike in these columns: one is new, and NULL or another value in each."""
    added = [one for one in moment.said.acts if one.does == "add column" and one.name in act.columns]
    columns = [moment.known.column(act.table, name) for name in act.columns]
    return any(one.calls & _OF_ONE_ROW or one.said & _NUMBERED or _is_null(one) for one in added) or any(
        one and one.is_new and not (one.has_default or one.not_null or one.is_filled or one.is_computed)
        for one in columns
    )


def _is_null(added: Act) -> bool:
    """Say whether a new column is NULL in every row that is there."""
    return added.default is None and not added.said & {"not null", "stored", "virtual"}


def _may_fail(moment: Moment) -> Iterator[Seen]:
    act, known = moment.act, moment.known
    is_key = act.does == "add primary key" and known.engine != "postgres"
    is_unique = is_key or act.does == "add unique" or (act.does == "create index" and act.has("unique"))
    if is_unique and not act.said & {"using index", "inline"} and not _is_apart(act, moment):
        yield Seen(
            says=f"it fails where two rows of {act.table} have the same {', '.join(act.columns)}", table=act.table
        )


RULES = (
    Rule(
        code="H902",
        name="json",
        asks="Is a column of type json made?",
        harm="json has no equality: queries that compare rows fail once the column is there.",
        remedy="jsonb does all that json does, but for keeping blanks and double keys.",
        severity="note",
        looks=_json,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ADD COLUMN more json;"),
        good=postgres("ALTER TABLE orders ADD COLUMN more jsonb;"),
        covers={"eugene": ("E3",), "strong_migrations": ("adding a json column",)},
    ),
    Rule(
        code="H903",
        name="char(n)",
        asks="Is a column of type char(n) made?",
        harm="Its values are filled up with blanks, which comparisons pass over and some functions do not.",
        remedy="text with a CHECK on its length.",
        severity="note",
        looks=_char,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ADD COLUMN currency char(3);"),
        good=postgres("ALTER TABLE orders ADD COLUMN currency text;"),
        covers={"squawk": ("ban-char-field",)},
    ),
    Rule(
        code="H904",
        name="serial",
        asks="Is a column of type serial made?",
        harm="Its sequence is an object of its own, with rights of its own, and values given by hand collide with it "
        "later.",
        remedy="GENERATED BY DEFAULT AS IDENTITY, or ALWAYS.",
        severity="note",
        looks=_serial,
        engines=POSTGRES,
        bad=postgres("CREATE TABLE items (id bigserial PRIMARY KEY);"),
        good=postgres("CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);"),
        covers={"squawk": ("prefer-identity",)},
    ),
    Rule(
        code="H905",
        name="timestamp without time zone",
        asks="Is a column of type timestamp made?",
        harm="What moment it means depends on who wrote it, and changing the type later writes the table anew.",
        remedy="timestamptz.",
        severity="note",
        looks=_timestamp,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ADD COLUMN paid timestamp;"),
        good=postgres("ALTER TABLE orders ADD COLUMN paid timestamptz;"),
        covers={"squawk": ("prefer-timestamptz",)},
    ),
    Rule(
        code="H906",
        name="key of 32 bits",
        asks="Is a primary key made that ends at 2,147,483,647 or before?",
        harm="One day no row can be inserted any more, and a larger type writes the table anew.",
        remedy="bigint.",
        severity="note",
        looks=_small_key,
        bad=every("CREATE TABLE items (id int PRIMARY KEY);"),
        good=every("CREATE TABLE items (id bigint PRIMARY KEY);"),
        covers={"squawk": ("prefer-big-int", "prefer-bigint-over-int", "prefer-bigint-over-smallint")},
    ),
    Rule(
        code="H907",
        name="foreign key without an index",
        asks="Is there no index that begins with the columns of a foreign key?",
        harm="To delete from the other table, or to change its key, reads this table whole, for every row.",
        remedy="CREATE INDEX CONCURRENTLY on them, before the key.",
        severity="note",
        looks=_no_index,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID;"),
        good=postgres(
            "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID;",
            schema="CREATE INDEX orders_customer ON orders (customer_id);",
        ),
        covers={"eugene": ("E15",)},
    ),
    Rule(
        code="H908",
        name="name that is too long",
        asks="Is a name longer than the server keeps?",
        harm="PostgreSQL cuts it off, so that two may become one; MySQL and MariaDB refuse it.",
        remedy="A shorter name: 63 bytes.",
        severity="note",
        looks=_long,
        per="statement",
        bad=every(f"CREATE INDEX {'orders_by_' * 7} ON orders (code);"),
        good=every("CREATE TABLE orders_by_code (id bigint PRIMARY KEY);"),
        covers={"squawk": ("identifier-too-long",)},
    ),
    Rule(
        code="H909",
        name="fails when it is tried again",
        asks="Does a statement outside a transaction fail where it has run before?",
        harm="When a later statement fails this one stays, and the next try stops at it.",
        remedy="IF NOT EXISTS, IF EXISTS; of an index that was built CONCURRENTLY see too that it is valid.",
        severity="note",
        looks=_once,
        engines=POSTGRES,
        bad=postgres("DROP INDEX CONCURRENTLY orders_made;", transaction="none"),
        good=postgres("DROP INDEX CONCURRENTLY IF EXISTS orders_made;", transaction="none"),
        covers={"squawk": ("prefer-robust-stmts",)},
    ),
    Rule(
        code="H910",
        name="several ALTER TABLE where one will do",
        asks="Is a table altered by several statements of one transaction, one after the other?",
        harm="Where they read the table they read it several times, and the lock is asked for again.",
        remedy="One ALTER TABLE with commas.",
        severity="note",
        looks=_again,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ADD COLUMN a int;\nALTER TABLE orders ADD COLUMN b int;"),
        good=postgres("ALTER TABLE orders ADD COLUMN a int, ADD COLUMN b int;"),
        covers={"eugene": ("W12",)},
    ),
    Rule(
        code="H911",
        name="enum",
        asks="Is an enum made?",
        harm="Its values can be added and renamed, never taken away.",
        remedy="A table of values with a foreign key, or text with a CHECK.",
        severity="note",
        looks=_enum,
        engines=POSTGRES,
        bad=postgres("CREATE TYPE level AS ENUM ('low', 'high');"),
        good=postgres("CREATE TABLE levels (name text PRIMARY KEY);"),
        covers={"eugene": ("W13",)},
    ),
    Rule(
        code="H912",
        name="varchar(n)",
        asks="Is a column of type varchar(n) made?",
        harm="A longer limit is free, a shorter one writes the table anew.",
        remedy="text with a CHECK on its length, which is added NOT VALID.",
        severity="note",
        looks=_varchar,
        engines=POSTGRES,
        bad=postgres("ALTER TABLE orders ADD COLUMN currency varchar(3);"),
        good=postgres("ALTER TABLE orders ADD COLUMN currency text;"),
        covers={"squawk": ("prefer-text-field",)},
    ),
    Rule(
        code="H913",
        name="index of many columns",
        asks="Does an index that is not unique have more than three columns?",
        harm="It costs every write, and rarely helps a read.",
        remedy="The columns that narrow most, first.",
        severity="note",
        looks=_wide,
        bad=every("CREATE INDEX wide ON orders (code, total, made, status);"),
        good=every("CREATE TABLE wide (a int, b int);\nCREATE INDEX narrow ON wide (a, b);"),
        covers={"strong_migrations": ("keeping non-unique indexes to three columns or less",)},
    ),
    Rule(
        code="H914",
        name="domain with a constraint",
        asks="Is a domain made that demands something of its values?",
        harm="To demand something else later reads every table that uses it.",
        remedy="Constraints on tables.",
        severity="note",
        looks=_domain,
        engines=POSTGRES,
        bad=postgres("CREATE DOMAIN amount AS numeric CHECK (VALUE >= 0);"),
        good=postgres("CREATE DOMAIN amount AS numeric;"),
        covers={"squawk": ("ban-create-domain-with-constraint",)},
    ),
    Rule(
        code="H204",
        name="fails on rows that are alike",
        asks="Is something made unique that rows may have twice?",
        harm="The statement fails where they do, after it has read all of them; a copy that holds no such rows passes.",
        remedy="Look for them first: SELECT … GROUP BY … HAVING count(*) > 1.",
        severity="note",
        looks=_may_fail,
        bad=every("CREATE UNIQUE INDEX one_code ON orders (code);"),
        good=every("CREATE TABLE coded (code int);\nCREATE UNIQUE INDEX one_code ON coded (code);"),
        covers={"atlas": ("MF101", "MF102"), "django-migration-linter": ("ADD_UNIQUE",)},
    ),
)
