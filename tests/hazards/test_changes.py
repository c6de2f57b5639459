"""What naive migrations change, whatever way they take; and what is no single change."""

from __future__ import annotations

import pytest

from rehearse import hazards
from rehearse.hazards.changes import change_of, changes_of, not_told
from rehearse.model.change import Change
from rehearse.tools._split import splitter

SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY, full_name text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id bigint, state varchar(20), total int, note text,
    paid int DEFAULT 0);
"""
NAIVE = {
    "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()": Change(
        kind="add column", table="orders", columns="token", type="uuid", default="gen_random_uuid()"
    ),
    "ALTER TABLE orders ADD COLUMN level int NOT NULL DEFAULT 3": Change(
        kind="add column", table="orders", columns="level", type="integer", default="3", nullable=False
    ),
    "ALTER TABLE orders ALTER state SET NOT NULL": Change(kind="set not null", table="orders", columns="state"),
    "ALTER TABLE orders ALTER state SET DEFAULT 'new'; UPDATE orders SET state = 'old' WHERE state IS NULL;"
    "ALTER TABLE orders ALTER state SET NOT NULL": Change(
        kind="set not null", table="orders", columns="state", fill="'old'", default="'new'"
    ),
    "ALTER TABLE orders ADD CONSTRAINT of FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE": Change(
        kind="add foreign key", table="orders", columns="customer_id", references="customers.id", on_delete="CASCADE",
        name="of",
    ),
    "ALTER TABLE orders ADD CONSTRAINT one UNIQUE (customer_id, total)": Change(
        kind="add unique", table="orders", columns=["customer_id", "total"], name="one"
    ),
    "CREATE INDEX by_state ON orders (state) WHERE total > 0": Change(
        kind="add index", table="orders", columns="state", condition="total > 0", name="by_state"
    ),
    "ALTER TABLE orders ALTER id TYPE bigint": Change(kind="widen key", table="orders", columns="id", type="bigint"),
    "ALTER TABLE orders ALTER total TYPE bigint": Change(
        kind="change type", table="orders", columns="total", type="bigint"
    ),
    "ALTER TABLE orders ALTER note TYPE varchar(40) USING left(note, 40)": Change(
        kind="change type", table="orders", columns="note", type="varchar(40)", fill='"left"(note, 40)'
    ),
    "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0)": Change(
        kind="add check", table="orders", condition="total > 0", name="positive"
    ),
    "ALTER TABLE orders RENAME total TO total_cents": Change(
        kind="rename column", table="orders", columns="total", to="total_cents"
    ),
    "ALTER TABLE orders DROP COLUMN note": Change(kind="drop column", table="orders", columns="note"),
    "BEGIN; ALTER TABLE orders ADD COLUMN kind text; UPDATE orders SET kind = 'old';"
    "ALTER TABLE orders ALTER kind SET NOT NULL; COMMIT": Change(
        kind="add column", table="orders", columns="kind", type="text", fill="'old'", nullable=False
    ),
    "ALTER TABLE customers ADD COLUMN first text, ADD COLUMN last text;"
    "UPDATE customers SET first = split_part(full_name, ' ', 1), last = split_part(full_name, ' ', 2)": Change(
        kind="split column", table="customers", columns="full_name",
        into={"first": "split_part(full_name, ' ', 1)", "last": "split_part(full_name, ' ', 2)"},
        types={"first": "text", "last": "text"},
    ),
    "ALTER TABLE orders RENAME TO orders_old;"
    "CREATE TABLE orders (LIKE orders_old INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
    "CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (MINVALUE) TO (1000);"
    "CREATE TABLE orders_2 PARTITION OF orders FOR VALUES FROM (1000) TO (MAXVALUE);"
    "INSERT INTO orders SELECT * FROM orders_old; DROP TABLE orders_old;": Change(
        kind="partition table", table="orders", columns="id", by="range",
        bounds={"orders_1": "FROM (minvalue) TO (1000)", "orders_2": "FROM (1000) TO (maxvalue)"},
    ),
}  # fmt: skip
FAMILY = {
    "ALTER TABLE orders ADD COLUMN token varchar(36) NOT NULL DEFAULT ''": Change(
        kind="add column", table="orders", columns="token", type="varchar(36)", default="''", nullable=False
    ),
    "ALTER TABLE orders MODIFY id bigint": Change(kind="widen key", table="orders", columns="id", type="bigint"),
    "ALTER TABLE orders MODIFY total bigint": Change(
        kind="change type", table="orders", columns="total", type="bigint"
    ),
    "CREATE INDEX by_state ON orders (state, total)": Change(
        kind="add index", table="orders", columns=["state", "total"], name="by_state"
    ),
    "ALTER TABLE orders ADD FOREIGN KEY c (customer_id) REFERENCES customers (id) ON DELETE CASCADE": Change(
        kind="add foreign key", table="orders", columns="customer_id", references="customers.id", on_delete="CASCADE",
        name="c",
    ),
    "ALTER TABLE orders ADD COLUMN kind varchar(9); UPDATE orders SET kind = 'old'": Change(
        kind="add column", table="orders", columns="kind", type="varchar(9)", fill="'old'"
    ),
}  # fmt: skip
NONE = (
    "ALTER TABLE orders ADD COLUMN a int; ALTER TABLE customers ADD COLUMN a int",
    "ALTER TABLE orders ADD COLUMN n bigserial",
    "ALTER TABLE orders ADD COLUMN gross numeric GENERATED ALWAYS AS (total * 2) STORED",
    "UPDATE orders SET state = 'x'",
    "ALTER TABLE orders ADD COLUMN a int; UPDATE orders SET a = 1 WHERE total > 3",
    "CREATE INDEX i ON orders USING gin (note)",
    "CREATE INDEX i ON orders (lower(note))",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
    "DO $$ BEGIN NULL; END $$",
    "DROP TABLE orders",
)
BEYOND = {  # what a way of the library would leave out, so that it ended elsewhere
    "postgres": (
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) ON UPDATE CASCADE",
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) MATCH FULL",
        "ALTER TABLE orders ADD UNIQUE NULLS NOT DISTINCT (state)",
        "ALTER TABLE orders ADD UNIQUE (state) INCLUDE (total)",
        "ALTER TABLE orders ADD CHECK (total > 0) NO INHERIT",
        "CREATE UNIQUE INDEX i ON orders (state) NULLS NOT DISTINCT",
        "CREATE INDEX i ON orders (state) WITH (fillfactor = 70)",
        "CREATE INDEX i ON orders (state NULLS FIRST)",
        'ALTER TABLE orders ADD COLUMN kind text COLLATE "C"',
        'ALTER TABLE orders ALTER state TYPE varchar(9) COLLATE "C"',
        "CREATE INDEX i ON orders (state); COMMENT ON INDEX i IS 'why'",
        "CREATE INDEX i ON orders (state); GRANT SELECT ON orders TO reader",
    ),
    "mysql": (
        "ALTER TABLE orders ADD INDEX i (note(20))",
        "CREATE INDEX i ON orders (total DESC)",
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) ON UPDATE CASCADE",
        "ALTER TABLE orders MODIFY paid bigint",  # which takes its default away
    ),
}


def changed(sql: str, engine: str = "postgres") -> Change | None:
    split = splitter(engine)
    known = hazards.beginning(engine, schema=[one.sql for one in split(SCHEMA, "schema", 1)])
    return change_of([hazards.said(one.sql, known) for one in split(sql, "up", 1)], known)


@pytest.mark.parametrize("sql", NAIVE)
def test_a_naive_migration_is_one_change(sql: str) -> None:
    assert changed(sql) == NAIVE[sql]


@pytest.mark.parametrize("sql", FAMILY)
def test_a_naive_migration_of_mysql_is_one_change(sql: str) -> None:
    assert changed(sql, "mysql") == FAMILY[sql]


@pytest.mark.parametrize("sql", NONE)
def test_several_changes_or_one_without_a_way_are_none(sql: str) -> None:
    assert changed(sql) is None


@pytest.mark.parametrize(("engine", "sql"), [(engine, sql) for engine in BEYOND for sql in BEYOND[engine]])
def test_a_change_with_more_than_the_ways_can_write_is_none(engine: str, sql: str) -> None:
    assert changed(sql, engine) is None


def test_restrict_is_kept_as_it_was_said() -> None:
    found = changed("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT")
    assert found is not None and found.on_delete == "RESTRICT"


def test_what_a_delete_does_is_read_behind_what_an_update_does() -> None:
    actions = "ON UPDATE RESTRICT ON DELETE CASCADE"
    sql = f"ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id) {actions}"
    found = changed(sql, "mysql")
    assert found is not None and found.on_delete == "CASCADE"


def test_the_statement_that_no_way_is_known_for_is_told() -> None:
    known = hazards.beginning("postgres")
    texts = ("CREATE INDEX i ON orders (state)", "ALTER TABLE orders ADD COLUMN n bigserial", "DROP TABLE customers")
    told = not_told([hazards.said(one, known) for one in texts], known)
    assert told is not None and told.sql == texts[1]


def test_columns_that_point_at_a_key_are_widened_with_it_and_other_changes_stand_for_themselves() -> None:
    schema = SCHEMA + "CREATE TABLE lines (id bigint, order_id int REFERENCES orders (id), n int);"
    sql = """
    ALTER TABLE orders ALTER id TYPE bigint;
    ALTER TABLE lines ALTER order_id TYPE bigint, ALTER n TYPE bigint;
    CREATE INDEX lines_order ON lines (order_id);
    """
    split = splitter("postgres")
    known = hazards.beginning("postgres", schema=[one.sql for one in split(schema, "schema", 1)])
    found = changes_of([hazards.said(one.sql, known) for one in split(sql, "up", 1)], known)
    assert found is not None
    assert [(one.kind, one.columns) for one in found] == [
        ("widen key", "id"),
        ("change type", "n"),
        ("add index", "order_id"),
    ]
