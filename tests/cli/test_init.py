"""A first scenario fits the project it is written for, and can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rehearse.cli.init import command, scenario
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import Mistake
from rehearse.model import Scenario
from rehearse.protocols import Role
from rehearse.reading import profile
from rehearse.reading.scenario import read
from rehearse.tools.alembic import TOOL as ALEMBIC
from rehearse.tools.sql import TOOL as SQL

DBMATE = "-- migrate:up\nselect {0};\n-- migrate:down\nselect -{0};\n"


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def init(folder: Path, monkeypatch: pytest.MonkeyPatch, *args: str) -> tuple[Scenario, str]:
    monkeypatch.chdir(folder)
    words = args if "--rows" in args else (*args, "--no-rows")
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return read(folder / "rehearse.toml"), done.output


@pytest.mark.parametrize(
    ("made_by", "files", "forward", "back"),
    [
        ("dbmate", {f"db/migrations/2026010{n}_x.sql": DBMATE.format(n) for n in (1, 2)}, "select 2", "select -2"),
        ("goose", {"migrations/2_x.sql": "-- +goose Up\nselect 2;\n-- +goose Down\nselect 3;"}, "select 2", "select 3"),
        (
            "golang-migrate",
            {f"migrations/{n}_x.{way}.sql": f"select '{way}{n}'" for n in (9, 10) for way in ("up", "down")},
            "select 'up10'",
            "select 'down10'",
        ),
        (
            "diesel",
            {
                "migrations/2024-01-01-000000_x/up.sql": "select 1",
                "migrations/2024-01-01-000000_x/down.sql": "select 2",
            },
            "select 1",
            "select 2",
        ),
        (
            "Flyway",
            {"sql/V2__x.sql": "select 2", "sql/V10__y.sql": "select 10", "sql/R__v.sql": "x"},
            "select 10",
            None,
        ),
    ],
)
def test_the_newest_sql_migration_is_rehearsed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made_by: str,
    files: dict[str, str],
    forward: str,
    back: str | None,
) -> None:
    put(tmp_path, files)
    found, output = init(tmp_path, monkeypatch)
    ways = SQL.open(found).ways
    assert f"found {made_by} in" in output
    assert ways.forward[0].statements[0].sql == forward
    assert (ways.back[0].statements[0].sql if ways.back else None) == back
    assert len(SQL.open(found).prepared) == len({name.split(".")[0] for name in files if "R__" not in name}) - 1 or (
        made_by == "diesel"
    )


def test_alembic_is_recognized_by_its_ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"alembic.ini": "[alembic]\nscript_location = alembic\n", "tox.ini": "[tox]\n"})
    found, output = init(tmp_path, monkeypatch)
    assert found.migration.tool == "alembic"
    assert ALEMBIC.open(found)
    assert "found Alembic in alembic.ini" in output


@pytest.mark.parametrize(
    ("files", "made_by", "words"),
    [
        ({"manage.py": ""}, "Django", "python manage.py migrate"),
        ({"knexfile.js": ""}, "knex", "npx knex migrate:up"),
        ({".sequelizerc": ""}, "Sequelize", 'npx sequelize-cli db:migrate --url "$DATABASE_URL"'),
    ],
)
def test_other_tools_run_as_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], made_by: str, words: str
) -> None:
    put(tmp_path, files)
    found, output = init(tmp_path, monkeypatch)
    assert found.migration.tool == "command"
    assert str(found.migration.forward).startswith(words)
    assert f"found {made_by} in" in output


def test_a_folder_without_migrations_gets_a_scenario_to_fill_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, output = init(tmp_path, monkeypatch)
    assert found.migration.forward == "change.up.sql"
    assert "no migrations were recognized" in output


def test_all_that_is_found_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"manage.py": "", "db/migrations/1_x.sql": DBMATE.format(1)})
    _, output = init(tmp_path, monkeypatch)
    assert "found Django" in output
    assert "also there: dbmate in db/migrations" in output


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"rehearse.toml": "mine"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Mistake, match=r"rehearse.toml is there already; .* --force"):
        CliRunner().invoke(command, [], catch_exceptions=False)
    assert (tmp_path / "rehearse.toml").read_text() == "mine"
    assert init(tmp_path, monkeypatch, "--force")


@pytest.mark.parametrize("project", ["", "my shop!", "-x-", '"; drop', "日本"])
@pytest.mark.parametrize("table", ['a"b\n[engine]\nname = "x"', "x\\y\x00"])
def test_odd_names_cannot_break_the_scenario(tmp_path: Path, project: str, table: str) -> None:
    (tmp_path / "x.toml").write_text(scenario(project, None, [(table, 5)]))
    assert read(tmp_path / "x.toml").engine.name == "postgres"


@pytest.mark.slow
def test_tables_of_a_database_are_suggested_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: PostgresDatabase
) -> None:
    with database.connect() as connection:
        connection.execute("create table orders as select generate_series(1, 1234) id; analyze orders")
        connection.execute("create schema app; create table app.items ()")
    before = database.snapshot("before")
    init(tmp_path, monkeypatch, database.url(Role.OWNER))
    text = (tmp_path / "rehearse.toml").read_text()
    assert "#   orders: 1,234 rows" in text
    assert "#   app.items: 0 rows" in text
    assert database.snapshot("after").schema == before.schema


def test_a_database_that_cannot_be_reached_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Mistake, match="no connection"):
        CliRunner().invoke(command, ["postgresql://me:secret@127.0.0.1:1/x"], catch_exceptions=False)
    assert not (tmp_path / "rehearse.toml").exists()


def migrations(*, first: str = "create table customers (id bigint primary key, name text not null)") -> dict[str, str]:
    second = "create table orders (id bigint primary key, customer_id bigint not null references customers)"
    ways = "-- migrate:up\n{};\n-- migrate:down\nselect 1;\n"
    newest = "alter table orders add a int"
    return {f"db/migrations/{n}_x.sql": ways.format(sql) for n, sql in enumerate((first, second, newest), 1)}


@pytest.mark.slow
def test_rows_are_made_where_the_schema_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, migrations())
    found, output = init(tmp_path, monkeypatch, "--rows")
    assert found.data.profile == "rehearse.profile.toml"
    assert "rows for 2 tables" in output
    made = profile.find(found.data.profile, tmp_path)
    assert {name: table.rows for name, table in made.tables.items()} == {"customers": 20_000, "orders": 100_000}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Mistake, match=r"rehearse.toml is there already"):
        CliRunner().invoke(command, [], catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("create table customers (id bigint primary key, name nowhere)", "nowhere"),
        ("create table customers (id bigint primary key, x int not null, check (x > 1 and x < 1))", "customers"),
    ],
)
def test_what_stands_in_the_way_of_rows_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, words: str
) -> None:
    put(tmp_path, migrations(first=first))
    found, output = init(tmp_path, monkeypatch, "--rows")
    assert found.data.profile is None
    assert "note: no rows were made: " in output
    assert words in output.lower()
    assert not (tmp_path / "rehearse.profile.toml").exists()


@pytest.mark.slow
def test_rows_are_those_that_a_database_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: PostgresDatabase
) -> None:
    with database.connect() as connection:
        connection.execute("create table customers as select generate_series(1, 777) id; analyze customers")
    put(tmp_path, migrations())
    found, _ = init(tmp_path, monkeypatch, "--rows", database.url(Role.OWNER))
    assert found.data.profile is not None
    assert profile.find(found.data.profile, tmp_path).tables["customers"].rows == 777
