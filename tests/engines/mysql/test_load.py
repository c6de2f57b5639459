"""Rows of every Arrow type are loaded as they are, and what cannot be loaded whole is told."""

from __future__ import annotations

import datetime as dt
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.cursors import DictCursor

from rehearse import datasets
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.given import Given
from rehearse.engines.mysql.load import as_lines
from rehearse.errors import NotDisposable, ScenarioMistake, ServerFailed
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from tests.conftest import KeepingJournal
from tests.engines.mysql.comparing import run
from tests.engines.test_server import eventually

ORDERS = """
create table customers (
    id bigint auto_increment primary key, email varchar(120) not null unique, segment enum('a', 'b')
);
create table orders (
    id bigint auto_increment primary key, customer_id bigint not null, total decimal(10, 2) not null, paid boolean,
    about json, placed_at datetime(6) not null, foreign key (customer_id) references customers (id), check (total >= 0)
);
"""
PROFILE = """
name = "small"
about = "customers and their orders"
now = 2026-07-01
years = 2.0
[tables.customers]
rows = 500
[tables.customers.columns]
email = { kind = "text", of = "email", unique = true }
segment = { kind = "choice", of = { a = 70, b = 30 } }
[tables.orders]
rows = 4000
[tables.orders.columns]
customer_id = { kind = "parent", order = "sorted", spread = 0.9 }
total = { kind = "number", low = 0.5, high = 5000, median = 25, sigma = 1.0, step = 0.05 }
paid = { kind = "bool", true = 0.3, null = 0.25 }
about = { kind = "json", keys = { channel = { kind = "choice", of = { web = 60, app = 40 } } } }
placed_at = { kind = "time", growth = 4.0, jitter = "10min" }
"""

pytestmark = pytest.mark.slow


@dataclass
class Rows:
    table: str
    batches: list[pa.RecordBatch]
    meanwhile: Callable[[], object] = lambda: None

    @property
    def rows(self) -> int:
        return sum(one.num_rows for one in self.batches)

    def chunks(self) -> Iterable[pa.RecordBatch]:
        self.meanwhile()
        return self.batches


def loaded(database: MysqlDatabase, table: str, **columns: pa.Array) -> None:
    database.load([Rows(table, [pa.record_batch(columns)])], KeepingJournal())


def test_every_type_comes_as_it_went(shop: MysqlDatabase) -> None:
    run(
        shop,
        "create table t (i tinyint, u bigint unsigned, f float, d double, n decimal(20, 4), b boolean, s text, "
        "c varchar(20) character set latin1, y varbinary(9), da date, ti time(6), dt datetime(6), "
        "ts timestamp(6) null, un /*M! uuid */ /*!80000 binary(16) */, j json)",
    )
    moment = dt.datetime(2024, 2, 29, 23, 59, 59, 123456)
    text = "tab\t, line\n, \\N, back\\slash, 'quote', \0, ä€😀, \r"
    loaded(
        shop,
        "t",
        i=pa.array([-128, None], pa.int16()),
        u=pa.array([2**63 - 1, None], pa.int64()),
        f=pa.array([0.1, None], pa.float32()),
        d=pa.array([1e-300, None], pa.float64()),
        n=pa.array([Decimal("-1234567890123456.7891"), None], pa.decimal128(20, 4)),
        b=pa.array([True, None], pa.bool_()),
        s=pa.array([text, None], pa.string()),
        c=pa.array(["ä", None], pa.string()),
        y=pa.array([b"\x00\xff\t\n\\", None], pa.binary()),
        da=pa.array([dt.date(1000, 1, 1), None], pa.date32()),
        ti=pa.array([dt.time(23, 59, 59, 999999), None], pa.time64("us")),
        dt=pa.array([moment, None], pa.timestamp("us")),
        ts=pa.array([moment, None], pa.timestamp("us", "UTC")),
        un=pa.array([bytes(range(16)), None], pa.binary(16)),
        j=pa.array(['{"a": "\\n"}', None], pa.string()),
    )
    told = "HEX(y), da, ti, dt, ts, /*M! un */ /*!80000 bin_to_uuid(un) */ un, j"
    with shop.connect() as connection:
        full, empty = rows(connection, f"SELECT i, u, f, d, n, b, s, c, {told} FROM t ORDER BY i IS NULL")
    assert full == (
        -128, 2**63 - 1, "0.1", "1e-300", "-1234567890123456.7891", 1, text, "ä", "00FF090A5C", "1000-01-01",
        "23:59:59.999999", "2024-02-29 23:59:59.123456", "2024-02-29 23:59:59.123456",
        "00010203-0405-0607-0809-0a0b0c0d0e0f", '{"a": "\\n"}',
    )  # fmt: skip
    assert set(empty) == {None}


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))), min_size=1, max_size=9))
def test_a_text_has_no_tab_and_no_end_of_line_of_its_own(values: list[str | None]) -> None:
    both = pa.record_batch({"a": pa.array(values, pa.string()), "b": pa.array(values, pa.string())})
    lines = as_lines(both, {"a": "text", "b": "text"})
    assert lines.count(b"\n") == lines.count(b"\t") == len(values)
    assert lines.endswith(b"\n")


def test_an_orphan_is_told_though_checks_were_off(shop: MysqlDatabase) -> None:
    run(
        shop,
        "create table p (id int primary key); create table c (id int, p_id int, foreign key (p_id) references p (id))",
    )
    with pytest.raises(ServerFailed, match=r"c \(p_id\).*9.* points at no row of p"):
        loaded(shop, "c", id=pa.array([1]), p_id=pa.array([9]))


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("w", pa.array(["too long for it"]), "1265|1406"),
        ("n", pa.array([70000]), "1264"),
        ("k", pa.array([1, 1]), "1062"),
    ],
)
def test_a_value_that_would_be_cut_or_a_row_that_would_be_dropped_is_told(
    shop: MysqlDatabase, column: str, values: pa.Array, says: str
) -> None:
    run(shop, "create table t (w varchar(5), n smallint, k int unique)")
    with pytest.raises(ServerFailed, match=says):
        loaded(shop, "t", **{column: values})


def test_triggers_sleep_while_rows_come_and_are_as_before_afterwards(shop: MysqlDatabase) -> None:
    run(shop, "create table t (id int, v int); create trigger t_v before insert on t for each row set new.v = 99;")
    before = shop.snapshot("start")
    loaded(shop, "t", id=pa.array([1]), v=pa.array([5]))
    with shop.connect() as connection:
        assert rows(connection, "SELECT v FROM t") == ((5,),)
        execute(connection, "INSERT INTO t VALUES (2, 5)")
        assert rows(connection, "SELECT v FROM t WHERE id = 2") == ((99,),)
    assert shop.snapshot("now").schema == before.schema


def test_a_trigger_is_made_again_as_it_was_written(shop: MysqlDatabase) -> None:
    query = "SELECT * FROM information_schema.triggers WHERE trigger_schema = database() ORDER BY trigger_name"

    def told() -> list[dict[str, object]]:
        with shop.connect() as connection, connection.cursor(DictCursor) as cursor:
            cursor.execute(query)
            return [{key: one for key, one in row.items() if key.upper() != "CREATED"} for row in cursor.fetchall()]

    run(shop, "create table t (id int, v int); create table other (id int)")
    with shop.connect() as connection:
        execute(connection, f"ALTER DATABASE {shop.name} COLLATE latin1_german2_ci")
        execute(connection, "SET NAMES latin1 COLLATE latin1_german1_ci")
        execute(connection, "SET sql_mode = 'ANSI_QUOTES'")
        execute(connection, 'CREATE TRIGGER "later" BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 99')
        execute(connection, 'CREATE TRIGGER "early" BEFORE INSERT ON t FOR EACH ROW PRECEDES later SET NEW.v = 98')
        execute(connection, f"ALTER DATABASE {shop.name} COLLATE utf8mb4_bin")
    before = told()
    assert before[0]["COLLATION_CONNECTION"] == "latin1_german1_ci"
    loaded(shop, "t", id=pa.array([1]), v=pa.array([5]))
    assert told() == before


def test_nothing_of_a_users_database_is_dropped_or_emptied(shop: MysqlDatabase) -> None:
    run(shop, "create table t (id int, v int); create table t2 (id int, u int unique)")
    theirs = Given(shop.url(Role.OWNER), "--into")
    with shop.connect() as connection:
        execute(connection, "CREATE TRIGGER guard BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 99")
        row = pa.record_batch({"id": pa.array([1])})
        with pytest.raises(NotDisposable, match=r"--into: trigger guard of table t would fire .* drop it yourself"):
            theirs.load([Rows("t2", [row]), Rows("t", [row])], KeepingJournal())
        assert rows(connection, "SELECT * FROM t2") == ()
        execute(connection, "DROP TRIGGER guard")
        written = partial(execute, connection, "INSERT INTO t2 (id) VALUES (4711)")
        with pytest.raises(NotDisposable, match="t2 holds rows"):
            theirs.load([Rows("t", [row], written), Rows("t2", [row])], KeepingJournal())
        assert rows(connection, "SELECT id FROM t2") == ((4711,),)
        execute(connection, "TRUNCATE t")
        execute(connection, "TRUNCATE t2")
        twice = pa.record_batch({"u": pa.array([1, 1])})
        with pytest.raises(ServerFailed, match="1062"):  # unchecked first, then anew for the words
            theirs.load([Rows("t2", [twice])], KeepingJournal())


def test_an_interruption_stays_one_and_triggers_come_back(shop: MysqlDatabase) -> None:
    run(shop, "create table t (id int)")
    waits = "SELECT id FROM information_schema.processlist WHERE state LIKE '%%metadata lock%%' AND db = %s"
    triggers = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = database()"
    with shop.connect() as connection, shop.connect() as watching:
        execute(connection, "CREATE TRIGGER guard BEFORE INSERT ON t FOR EACH ROW SET NEW.id = 9")

        def interrupt() -> None:
            found = eventually(lambda: rows(watching, waits, (shop.name,))) and rows(watching, waits, (shop.name,))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            eventually(lambda: rows(watching, waits, (shop.name,)) != found)
            execute(connection, "UNLOCK TABLES")

        watcher = threading.Thread(target=interrupt)

        def locked() -> None:
            execute(connection, "LOCK TABLES t WRITE")
            watcher.start()

        with pytest.raises(KeyboardInterrupt):
            shop.load([Rows("t", [pa.record_batch({"id": pa.array([1])})], locked)], KeepingJournal())
        watcher.join()
        assert rows(connection, triggers) == (("guard",),)


def test_a_table_or_column_that_is_not_there_is_a_mistake(shop: MysqlDatabase) -> None:
    run(shop, "create table orders (id int)")
    with pytest.raises(ScenarioMistake, match="did you mean 'orders'"):
        loaded(shop, "order", id=pa.array([1]))
    with pytest.raises(ScenarioMistake, match="no column 'ids'; did you mean 'id'"):
        loaded(shop, "orders", ids=pa.array([1]))


def test_a_profile_fills_tables_that_tell_their_structure(shop: MysqlDatabase, tmp_path: Path) -> None:
    run(shop, ORDERS)
    (tmp_path / "small.toml").write_text(PROFILE)
    profile = profiles.find("small.toml", tmp_path)
    structure = shop.structure()
    about = {name: column.type.kind for name, column in structure.tables["orders"].columns.items()}
    assert about == {
        "id": "integer", "customer_id": "integer", "total": "numeric", "paid": "bool", "about": "json",
        "placed_at": "timestamp",
    }  # fmt: skip
    tables = datasets.open_tables(profile, structure, scale=1.0, seed=3)
    shop.load(tables, KeepingJournal())
    with shop.connect() as connection:
        ((count, nulls, valid),) = rows(
            connection, "SELECT count(*), count(*) - count(paid), min(json_valid(about)) FROM orders"
        )
        segments = dict(rows(connection, "SELECT segment, count(*) FROM customers GROUP BY 1"))
    assert (count, valid) == (4000, 1)
    assert 800 < nulls < 1200
    assert sum(segments.values()) == 500 and 300 < segments["a"] < 400
