"""The layouts of the tools are read as those tools read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearse.errors import Mistake, ScenarioMistake
from rehearse.model import Data, MigrationChoice, Scenario
from rehearse.tools._layouts import Script, file
from rehearse.tools._split import splitter
from rehearse.tools.sql import TOOL, SqlMigration


def opened(folder: Path, *, data: Data | None = None, **choice: Any) -> SqlMigration:
    scenario = Scenario(name="x", file=folder / "x.toml", migration=MigrationChoice(**choice), data=data or Data())
    return TOOL.open(scenario)


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def sqls(scripts: tuple[Script, ...] | None) -> list[str] | None:
    return None if scripts is None else [one.sql for script in scripts for one in script.statements]


def modes(scripts: tuple[Script, ...]) -> list[str | None]:
    return [script.transaction for script in scripts]


DBMATE = "-- migrate:up\ncreate table a ();\n\n-- migrate:down\ndrop table a;\n"


def test_dbmate_keeps_both_ways_in_one_file(tmp_path: Path) -> None:
    put(tmp_path, {"1_a.sql": DBMATE})
    found = opened(tmp_path, forward="1_a.sql")
    assert (sqls(found.ways.forward), sqls(found.ways.back)) == (["create table a ()"], ["drop table a"])
    assert modes(found.ways.forward) == ["file"]
    assert found.ways.back and found.ways.back[0].statements[0].place == "1_a.sql:5"


@pytest.mark.parametrize(
    ("text", "forward", "back"),
    [
        (DBMATE.replace(":up", ":up transaction:false"), "query", "file"),
        ("-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;", "file", "file"),
        ("-- +goose NO TRANSACTION\n-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;", "none", "none"),
        ("-- +migrate Up notransaction\nselect 1;\n-- +migrate Down\nselect 2;", "none", "file"),
    ],
)
def test_a_marker_in_the_file_says_how_it_runs(tmp_path: Path, text: str, forward: str, back: str) -> None:
    put(tmp_path, {"1_a.sql": text})
    ways = opened(tmp_path, forward="1_a.sql").ways
    assert ways.back is not None
    assert (modes(ways.forward), modes(ways.back)) == ([forward], [back])


def test_goose_bodies_stay_whole(tmp_path: Path) -> None:
    body = "create function f() returns int language plpgsql as $$ begin; return 1; end $$"
    text = f"-- +goose Up\n-- +goose StatementBegin\n{body};\n-- +goose StatementEnd\nselect 1;\n"
    put(tmp_path, {"1_a.sql": text})
    assert sqls(opened(tmp_path, forward="1_a.sql").ways.forward) == [body, "select 1"]


LIQUIBASE = """--liquibase formatted sql

--changeset ana:1 dbms:postgresql
--comment the first one
create table a ();
--rollback drop table a;

--changeset ana:2 runInTransaction:false
create index concurrently on b (c);
/* liquibase rollback
drop index concurrently b_c_idx;
*/
"""


def test_liquibase_runs_each_changeset_in_a_transaction_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, {"a.sql": LIQUIBASE})
    ways = opened(tmp_path, forward="a.sql").ways
    assert sqls(ways.forward) == ["create table a ()", "create index concurrently on b (c)"]
    assert modes(ways.forward) == ["file", "none"]
    assert [one.place for script in ways.forward for one in script.statements] == ["a.sql:5", "a.sql:9"]
    assert ways.back is not None
    assert (sqls(ways.back), modes(ways.back)) == (
        ["drop index concurrently b_c_idx", "drop table a"],
        ["none", "file"],
    )
    assert [one.place for script in ways.back for one in script.statements] == ["a.sql:11", "a.sql:6"]


def test_a_changeset_without_a_rollback_is_no_way_back(tmp_path: Path) -> None:
    put(tmp_path, {"a.sql": LIQUIBASE.replace("--rollback drop table a;", "")})
    ways = opened(tmp_path, forward="a.sql").ways
    assert ways.back is None
    assert "ana:1" in ways.looked


@pytest.mark.parametrize(
    "text",
    [
        "-- Up Migration\nselect 1;\n\n-- Down Migration\nselect 2;\n",
        "-- // a change\nselect 1;\n\n-- //@UNDO\nselect 2;\n",
        "-- !Ups\nselect 1;\n\n-- !Downs\nselect 2;\n",
        "# --- !Ups\nselect 1;\n\n# --- !Downs\nselect 2;\n",
    ],
    ids=["node-pg-migrate", "MyBatis", "Play", "Play of old"],
)
def test_other_tools_mark_the_way_back_too(tmp_path: Path, text: str) -> None:
    put(tmp_path, {"1_a.sql": text})
    ways = opened(tmp_path, forward="1_a.sql").ways
    assert (sqls(ways.forward), sqls(ways.back)) == (["select 1"], ["select 2"])
    assert ways.back and ways.back[0].statements[0].place == "1_a.sql:5"


def test_drizzle_marks_where_a_statement_ends_and_mysql_is_not_told(tmp_path: Path) -> None:
    put(tmp_path, {"1_a.sql": "select 1;--> statement-breakpoint\nselect 2;"})
    found = file(tmp_path / "1_a.sql", splitter("mysql")).forward[0].statements
    assert [(one.sql, one.place) for one in found] == [("select 1", "1_a.sql:1"), ("select 2", "1_a.sql:2")]


@pytest.mark.parametrize("down", ["", "-- migrate:down\n", "-- migrate:down\n-- cannot be undone\n"])
def test_an_empty_or_missing_down_section_is_no_way_back(tmp_path: Path, down: str) -> None:
    put(tmp_path, {"1_a.sql": "-- migrate:up\nselect 1;\n" + down})
    ways = opened(tmp_path, forward="1_a.sql").ways
    assert ways.back is None
    assert ways.looked == "1_a.sql has no statement in a down section"


@pytest.mark.parametrize(
    ("name", "sibling"),
    [
        ("000001_a.up.sql", "000001_a.down.sql"),
        ("change.up.sql", "change.down.sql"),
        ("2024-01-01-000000_a/up.sql", "2024-01-01-000000_a/down.sql"),
        ("V1_2__a.sql", "U1_2__b.sql"),
    ],
)
def test_the_file_beside_undoes(tmp_path: Path, name: str, sibling: str) -> None:
    put(tmp_path, {name: "select 1;", sibling: "select 2;"})
    assert sqls(opened(tmp_path, forward=name).ways.back) == ["select 2"]
    (tmp_path / sibling).write_text("-- nothing")
    assert opened(tmp_path, forward=name).ways.back is None
    (tmp_path / sibling).unlink()
    assert "beside it" in opened(tmp_path, forward=name).ways.looked


@pytest.mark.parametrize(("choice", "mode"), [("file", "query"), ("statement", "none"), ("none", "none")])
def test_golang_migrate_sends_a_file_as_one_query(tmp_path: Path, choice: str, mode: str) -> None:
    put(tmp_path, {"1_a.up.sql": "create index concurrently on t (a);"})
    assert modes(opened(tmp_path, forward="1_a.up.sql", transaction=choice).ways.forward) == [mode]


def test_diesel_says_in_its_metadata_that_there_is_no_transaction(tmp_path: Path) -> None:
    put(tmp_path, {"m/up.sql": "select 1", "m/down.sql": "select 2", "m/metadata.toml": "run_in_transaction = false"})
    ways = opened(tmp_path, forward="m").ways
    assert modes(ways.forward) == ["query"]
    assert ways.forward[0].statements[0].place == "m/up.sql:1"


@pytest.mark.parametrize(
    "files",
    [
        {"V1__a.sql": "-- flyway:executeInTransaction=false\nselect 1;"},
        {"V1__a.sql": "select 1;", "V1__a.sql.conf": "executeInTransaction=false\n"},
        {"V1__a.sql": "create index concurrently on t (a);"},
    ],
)
def test_flyway_leaves_the_transaction_out(tmp_path: Path, files: dict[str, str]) -> None:
    put(tmp_path, files)
    assert modes(opened(tmp_path, forward="V1__a.sql").ways.forward) == ["none"]


def test_flyway_refuses_a_file_that_mixes(tmp_path: Path) -> None:
    put(tmp_path, {"V1__a.sql": "create table t (a int);\ncreate index concurrently on t (a);"})
    with pytest.raises(Mistake, match=r"V1__a.sql:2: Flyway refuses .*V1__a.sql:1"):
        opened(tmp_path, forward="V1__a.sql")


def _folder(path: Path, count: int = 10) -> None:
    put(
        path,
        {f"db/{n}_m.sql": f"-- migrate:up\nselect {n};\n-- migrate:down\nselect -{n};\n" for n in range(1, count + 1)},
    )


def test_a_folder_runs_its_newest_version_after_all_before_it(tmp_path: Path) -> None:
    _folder(tmp_path)
    found = opened(tmp_path, forward="db")
    assert (sqls(found.ways.forward), sqls(found.ways.back)) == (["select 10"], ["select -10"])
    assert sqls(found.prepared) == [f"select {n}" for n in range(1, 10)]


def test_versions_are_chosen_and_undone_in_reverse(tmp_path: Path) -> None:
    _folder(tmp_path)
    found = opened(tmp_path, forward="db", options={"from": 8, "to": "10_m.sql"})
    assert sqls(found.ways.forward) == ["select 9", "select 10"]
    assert sqls(found.ways.back) == ["select -10", "select -9"]
    assert len(found.prepared) == 8
    assert len(opened(tmp_path, forward="db", options={"from": "0", "to": "3"}).ways.forward) == 3


def test_one_version_without_a_way_back_leaves_none_for_all(tmp_path: Path) -> None:
    _folder(tmp_path, 3)
    (tmp_path / "db/2_m.sql").write_text("-- migrate:up\nselect 2;\n")
    ways = opened(tmp_path, forward="db", options={"from": "1"}).ways
    assert ways.back is None
    assert ways.looked.startswith("2_m.sql")


def test_a_folder_named_as_the_schema_stops_before_the_change(tmp_path: Path) -> None:
    _folder(tmp_path, 4)
    found = opened(tmp_path, schema="db", forward="db/3_m.sql")
    assert sqls(found.prepared) == ["select 1", "select 2"]
    assert sqls(opened(tmp_path, schema="db", forward="select 9;").prepared) == [f"select {n}" for n in range(1, 5)]


def test_data_that_brings_its_schema_needs_no_earlier_versions(tmp_path: Path) -> None:
    _folder(tmp_path, 4)
    assert opened(tmp_path, forward="db", data=Data(load=["x.sql"])).prepared == ()


def test_flyway_versions_are_ordered_by_number(tmp_path: Path) -> None:
    put(tmp_path, {f"db/V{v}__x.sql": f"select '{v}'" for v in ("1", "1.1", "1_10", "1.9", "10", "2")})
    put(tmp_path, {"db/U2__x.sql": "select 0", "db/R__views.sql": "select 'r'"})
    found = sqls(opened(tmp_path, forward="db", options={"from": "0"}).ways.forward)
    assert found == ["select '1'", "select '1.1'", "select '1.9'", "select '1_10'", "select '2'", "select '10'"]


def test_sql_may_stand_in_the_scenario(tmp_path: Path) -> None:
    found = opened(tmp_path, schema="create table t ()", forward="\nselect 1;\nselect 2", back="select 3;")
    assert sqls(found.ways.forward) == ["select 1", "select 2"]
    assert found.ways.forward[0].statements[1].place == "migration.forward:3"
    assert sqls(found.prepared) == ["create table t ()"]


def test_a_long_text_is_no_file(tmp_path: Path) -> None:
    assert opened(tmp_path, forward="select 1 " + "+ 1 " * 5000)


def test_several_files_are_undone_in_reverse(tmp_path: Path) -> None:
    _folder(tmp_path, 2)
    found = opened(tmp_path, forward=["db/1_m.sql", "db/2_m.sql"])
    assert sqls(found.ways.back) == ["select -2", "select -1"]


def test_plain_files_have_their_way_back_named(tmp_path: Path) -> None:
    put(tmp_path, {"a.sql": "select 1", "b.sql": "select 2"})
    found = opened(tmp_path, forward="a.sql", back="b.sql", transaction="statement")
    assert sqls(found.ways.back) == ["select 2"]
    assert modes(found.ways.forward) == ["none"]


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({}, "migration.forward: name the SQL file"),
        ({"forward": "stats.sql"}, r"there is no file 'stats.sql'; did you mean 'status.sql'\?"),
        ({"forward": "no such.sql"}, "there is no file"),
        ({"forward": "empty.sql"}, "there is no statement in 'empty.sql'"),
        ({"forward": "status.sql", "back": "gone.sql"}, "migration.back: there is no file"),
        ({"forward": "status.sql", "options": {"form": "1"}}, "migration.options.form: unknown; did you mean 'from'"),
        ({"forward": "db", "options": {"from": "9"}}, "migration.options.from = '9': no such version"),
        ({"forward": "db", "options": {"from": "1", "to": "1"}}, "no version lies after"),
        ({"forward": "hollow"}, "no migrations in this folder"),
    ],
)
def test_what_cannot_be_read_is_a_mistake_that_names_it(tmp_path: Path, choice: dict[str, Any], says: str) -> None:
    put(tmp_path, {"status.sql": "select 1", "empty.sql": "-- x", "db/1_a.sql": DBMATE, "hollow/x.txt": ""})
    with pytest.raises(ScenarioMistake, match=says):
        opened(tmp_path, **choice)


def test_a_file_that_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"select '\xff'")
    with pytest.raises(Mistake, match="not UTF-8"):
        opened(tmp_path, forward="a.sql")


def test_a_repeated_statement_needs_transactions_of_its_own(tmp_path: Path) -> None:
    text = "-- rehearse:repeat\nupdate t set a = 1"
    with pytest.raises(Mistake, match="transaction = 'none'"):
        opened(tmp_path, forward=text)
    assert opened(tmp_path, forward=text, transaction="none")
