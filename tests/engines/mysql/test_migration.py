"""Migrations in SQL on MariaDB and MySQL, and a whole rehearsal of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import rehearse
from rehearse import registry
from rehearse.engines.mysql import asserts
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.errors import ScenarioMistake
from rehearse.events import AssertionTried, Remarked, RowWritten, StatementRan
from rehearse.model import AssertChoice, EngineChoice, MigrationChoice, Scenario, Status, Survey, TableFacts
from rehearse.protocols import MigrationFailed, Role
from rehearse.reading.scenario import read
from rehearse.tools.sql import TOOL
from rehearse.workload.ledger import ledger
from tests.conftest import KeepingJournal
from tests.engines.mysql.comparing import numbers, run

pytestmark = pytest.mark.slow

SCENARIO = """
name = "small"
why = "a small rehearsal"
data.load = ["base.sql"]
engine = { name = "mariadb", via = "binary" }
[migration]
forward = '''alter table items add column tag varchar(20); update items set note = 'lost' where id = 1;'''
back = '''alter table items drop column tag;'''
[workload]
sessions = 2
rate = "60/s"
baseline = "2s"
lead = "500ms"
settle = "500ms"
[[workload.calls]]
name = "read item"
share = 70
sql = "select Name, price from items where ID = :id"
values = { id = "items.Id" }
[[workload.calls]]
name = "price item"
share = 15
sql = "update items set price = :price where ID = :id"
values = { id = "items.Id", price = { min = 1, max = 99 } }
[[workload.calls]]
name = "new item"
share = 15
sql = "insert into items (name, price) values (:name, 1)"
values = { name = { text = "city" } }
"""
BASE = f"""
create table items (Id bigint auto_increment primary key, Name varchar(80) not null, price decimal(10, 2), note text);
insert into items (Name, price, note) select concat('item ', seq), seq % 100, 'kept' from {numbers(2000)};
"""


def migration(forward: str, **more: object) -> object:
    choice = MigrationChoice(forward=forward, back="select 1;", **more)  # type: ignore[arg-type]
    engine = EngineChoice(name="mariadb", via="binary")
    return TOOL.open(Scenario(name="m", engine=engine, migration=choice))


def ran(database: MysqlDatabase, forward: str, **more: object) -> list[StatementRan]:
    journal = KeepingJournal()
    migration(forward, **more).forward(database.url(Role.MIGRATION), journal)  # type: ignore[attr-defined]
    return [one for one in journal.events if isinstance(one, StatementRan)]


def test_statements_are_sent_one_by_one_with_their_places(shop: MysqlDatabase) -> None:
    forward = """
create table t (id int primary key, v int);
delimiter //
create trigger t_v before insert on t for each row begin set new.v = 1; set new.v = new.v + 1; end//
delimiter ;
insert into t (id) values (1), (2);
"""
    found = ran(shop, forward, transaction="none")
    assert [(one.file, one.rows) for one in found] == [
        ("migration.forward:2", 0), ("migration.forward:4", 0), ("migration.forward:6", 2)
    ]  # fmt: skip
    assert all(one.at_ns <= one.ended_ns for one in found)


def test_a_statement_that_fails_ends_the_migration_with_the_servers_number(shop: MysqlDatabase) -> None:
    journal = KeepingJournal()
    opened = migration("create table a (id int); alter table nowhere add column x int; create table b (id int);")
    with pytest.raises(MigrationFailed, match="1146"):
        opened.forward(shop.url(Role.MIGRATION), journal)  # type: ignore[attr-defined]
    failed = [one for one in journal.events if isinstance(one, StatementRan) and one.code]
    assert [one.code for one in failed] == ["1146"]
    with shop.connect() as connection:  # DDL commits by itself: what came before stays
        assert rows(connection, "SHOW TABLES") == (("a",),)


def test_a_transaction_is_one_where_no_ddl_ends_it(shop: MysqlDatabase) -> None:
    ran(shop, "create table t (id int primary key);", transaction="none")
    with pytest.raises(MigrationFailed, match="1062"):
        ran(shop, "insert into t values (1); insert into t values (1);", transaction="file")
    with shop.connect() as connection:
        assert rows(connection, "SELECT count(*) FROM t") == ((0,),)


def test_a_repeated_statement_runs_until_it_touches_no_row(shop: MysqlDatabase) -> None:
    ran(shop, f"create table t (id int primary key, v int); insert into t select seq, null from {numbers(25)};")
    found = ran(shop, "-- rehearse:repeat\nupdate t set v = 1 where v is null limit 10;", transaction="none")
    assert [one.rows for one in found] == [10, 10, 5, 0]


def test_a_backfill_runs_in_batches_by_key(shop: MysqlDatabase) -> None:
    ran(shop, f"create table t (id int primary key, v int); insert into t select seq, null from {numbers(250)};")
    text = "-- rehearse:backfill batch=100 batch_time=off\nupdate t set v = 1 where v is null;"
    found = ran(shop, text, transaction="none", settings={"innodb_lock_wait_timeout": 7})
    assert [one.rows for one in found if one.sql.startswith("update")] == [100, 100, 50]
    with shop.connect() as connection:
        assert rows(connection, "SELECT count(*) FROM t WHERE v = 1") == ((250,),)


def test_what_the_server_warns_of_is_written_down(shop: MysqlDatabase) -> None:
    journal = KeepingJournal()
    opened = migration("set sql_mode = ''; create table t (v varchar(2)); insert into t values ('long');")
    opened.forward(shop.url(Role.MIGRATION), journal)  # type: ignore[attr-defined]
    said = [one.says for one in journal.events if isinstance(one, Remarked)]
    assert any("1265" in one and "truncated" in one for one in said)


def test_settings_are_the_sessions_and_a_time_out_cancels(shop: MysqlDatabase) -> None:
    endless = (
        " join ".join(f"{numbers(10_000)}_{place}" for place in range(3))
        + " where numbers_0.seq % 7 = numbers_1.seq % 11"
    )
    ran(shop, "create table t as select @@lock_wait_timeout as n;", settings={"lock_wait_timeout": 3})
    with shop.connect() as connection:
        assert rows(connection, "SELECT n FROM t") == ((3,),)
    with pytest.raises(MigrationFailed, match=r"migration\.timeout.*1317"):
        ran(shop, f"create table u as select count(*) as n from {endless};", timeout=200_000_000)


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_a_whole_rehearsal_finds_the_value_that_the_way_back_loses(tmp_path: Path, engine: str) -> None:
    (tmp_path / "base.sql").write_text(BASE)
    (tmp_path / "small.toml").write_text(SCENARIO.replace("mariadb", engine))
    try:
        recording = rehearse.run(tmp_path / "small.toml")
    except rehearse.errors.Missing as missing:
        pytest.skip(str(missing))
    verdict = rehearse.judge(recording)
    found = {(one.code, one.where) for one in verdict.findings}
    assert verdict.status == Status.FAILED
    assert {code for code, _ in found} <= {"I003", "F002"}, verdict.findings
    assert any(code == "F002" and where.startswith("items") for code, where in found)
    written = recording.history.frame(RowWritten)
    assert set(written["kind"]) == {"update", "insert"}
    assert written["key"].notna().all(), "an insert tells its key"
    assert (written["outcome"] == "ok").all()
    compared = recording.comparison("start", "back")
    assert compared is not None
    (items,) = compared.tables
    assert (items.lost_writes, items.phantom_writes, items.rows_missing, items.rows_unexpected) == (0, 0, 0, 0)
    assert items.writes_checked > 10


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
def test_what_they_cannot_be_asked_yet_is_told_before_a_server_starts(tmp_path: Path, engine: str) -> None:
    more = "[[migration.effects]]\ntable = 'items'\ncolumn = 'note'\nrule = 'upper(note)'"
    (tmp_path / "base.sql").write_text(BASE)
    (tmp_path / "small.toml").write_text(f"{SCENARIO}\n{more}".replace("mariadb", engine))
    with pytest.raises(ScenarioMistake, match=r"migration\.effects\.rule"):
        rehearse.run(read(tmp_path / "small.toml"))


def survey() -> Survey:
    facts = TableFacts(
        table="Items",
        schema="",
        name="Items",
        rows=1,
        size_bytes=1,
        columns=("Id", "price"),
        key=("Id",),
        only_key=True,
    )
    return Survey(tables={"Items": facts}, quote="`", returning=("insert", "delete"), folds=False)


def test_what_a_server_can_tell_of_rows_is_known_of_each(shop: MysqlDatabase) -> None:
    run(
        shop,
        "create table t (id int auto_increment primary key, v int); create table u (id int primary key, v int);"
        "create table w (v int, key v (v)); create table x (v int, unique key v (v));"
        "create table y (id int primary key, v int, unique key v (v));",
    )
    name = shop.server.flavour.name
    found = registry.part("engine", name, "survey").survey(shop.url(Role.OWNER))
    numbered = {table: facts.numbered for table, facts in found.tables.items()}
    only = {table: facts.only_key for table, facts in found.tables.items()}
    assert only == {"t": True, "u": True, "w": True, "x": False, "y": False}
    assert (found.returning, numbered) == {
        "mariadb": (("insert", "delete"), dict.fromkeys("tuwxy")),
        "mysql": ((), dict.fromkeys("tuwxy") | {"t": "id"}),
    }[name]


@pytest.mark.parametrize(
    ("sql", "sent", "kind", "key"),
    [
        (
            "insert into Items (price) values ($1)",
            "insert into Items (price) values ($1)\nRETURNING `Id`",
            "insert",
            (),
        ),
        ("replace into Items (id, price) values ($1, 2)", None, "insert", ("Id",)),
        ("update `Items` set PRICE = price + $1 where id = $2", None, "update", ("Id",)),
        ("delete from Items where price = $1", "delete from Items where price = $1\nRETURNING `Id`", "delete", ()),
        ("update Items set price = 1 where price = $1", None, "update", ()),
    ],
)
def test_the_ledger_tells_rows_as_mariadb_can(sql: str, sent: str | None, kind: str, key: tuple[str, ...]) -> None:
    found = ledger(sql, survey(), engine="mariadb")
    assert found.sql == (sent or sql)
    (write,) = found.writes
    assert (write.table, write.kind, tuple(name for name, _ in write.key)) == ("Items", kind, key)
    assert write.returned == (sent is not None)


@pytest.mark.parametrize(
    ("sql", "is_told"),
    [
        ("insert into Items (price) values ($1)", True),
        ("insert into Items (id, price) values (null, $1), (null, 2)", True),
        ("insert ignore into Items (price) values ($1)", True),
        ("insert ignore into Items (price) values ($1), (2)", False),
        ("insert into Items (id, price) values ($1 + 1, 2)", False),
        ("insert into Items (price) values ($1) on duplicate key update price = 2", False),
        ("insert into Items (price) select $1", False),
        ("insert ignore into Items (id, price) values (1, $1), (2, 3)", False),
        ("replace into Items (price) values ($1)", True),
        ("delete from Items where price = $1", False),
    ],
)
def test_the_ledger_has_mysqls_answer_tell_the_numbers_that_it_gave(sql: str, is_told: bool) -> None:
    known = survey()
    items = replace(known.tables["Items"], numbered="Id")
    found = ledger(sql, replace(known, tables={"Items": items}, returning=()), engine="mysql")
    assert (found.sql, found.tells) == (sql, int(is_told))
    assert {one.returned for one in found.writes} == {is_told}


@pytest.mark.parametrize("engine", ["mariadb", "mysql"])
@pytest.mark.parametrize(
    ("sql", "only_key", "writes"),
    [
        ("insert into Items values ($1, 2) on duplicate key update price = 2", True, [("insert", True, ("price",))]),
        (
            "insert into Items values ($1, 2) on duplicate key update price = 2, id = last_insert_id(id)",
            False,
            [("insert", False, ("price",)), ("update", False, ("price",))],
        ),
        (
            "insert into Items values ($1, 2) on duplicate key update id = 2",
            True,
            [("insert", False, ("price",)), ("update", False, ())],
        ),
        ("insert ignore into Items values ($1, 1), (7, 2)", True, [("insert", False, ("price",))]),
        ("replace into Items values ($1, 2)", True, [("insert", True, ())]),
        ("replace into Items values ($1, 2)", False, [("update", False, ())]),
    ],
)
def test_rows_that_were_there_are_changed_by_an_insert_that_meets_them(
    sql: str, engine: str, *, only_key: bool, writes: list[tuple[str, bool, tuple[str, ...]]]
) -> None:
    """Where the server can tell the row that was met, the second write is not needed."""
    known = survey()
    items = replace(known.tables["Items"], only_key=only_key)
    can_tell = ("insert", "delete") if engine == "mariadb" else ()
    found = ledger(sql, replace(known, tables={"Items": items}, returning=can_tell), engine=engine).writes
    told = [(one.kind, bool(one.key), one.unclear) for one in found]
    assert told == ([one for one in writes if one[0] == "insert"] or writes if can_tell else writes)
    assert found[0].returned == bool(can_tell and found[0].kind == "insert" and not found[0].key)


def test_a_name_in_another_case_is_another_table() -> None:
    assert [one.table for one in ledger("delete from items where id = $1", survey(), engine="mariadb").writes] != [
        "Items"
    ]


def test_assertions_are_asked_read_only_and_tell_an_example(shop: MysqlDatabase) -> None:
    run(shop, f"create table t (id int primary key, v int); insert into t select seq, seq % 3 from {numbers(3000)};")
    url = shop.url(Role.OBSERVER)
    found = asserts.tried(
        url,
        [
            AssertChoice(name="none", sql="select * from t where v > 5;"),
            AssertChoice(name="many", sql="select id, v from t where v = 2 order by id -- all of them"),
            AssertChoice(name="not at back", sql="select * from t", states=["forward"]),
        ],
        "back",
        {},
    )
    assert [(one.name, one.rows, one.example) for one in found] == [("none", 0, None), ("many", 1000, "(2, 2)")]
    (writing,) = asserts.tried(url, [AssertChoice(name="w", sql="delete from t")], "forward", {})
    assert (writing.rows, writing.error is None) == (None, False)
    with pytest.raises(ScenarioMistake, match="1146"):
        asserts.tried(url, [AssertChoice(name="gone", sql="select * from nowhere")], "start", {})


def test_an_assertion_during_a_phase_is_left_out_where_the_table_is_closed(shop: MysqlDatabase) -> None:
    run(shop, "create table t (id int primary key);")
    probe = asserts.AssertProbe(
        shop.url(Role.OBSERVER), AssertChoice(name="a", sql="select * from t", every=10**9), "forward", {}
    )
    with shop.connect(Role.MIGRATION) as connection:
        execute(connection, "LOCK TABLES t WRITE")
        assert probe.look() == []
        execute(connection, "UNLOCK TABLES")
    (found,) = probe.look()
    assert isinstance(found, AssertionTried) and (found.rows, found.during) == (0, True)
    assert list(probe.close()) == []
