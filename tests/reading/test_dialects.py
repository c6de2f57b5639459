"""A table named for an engine says what is otherwise there; what is effective is all that anybody sees."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

import rehearse
from rehearse.errors import OtherDialect, ScenarioMistake
from rehearse.model import Scenario
from rehearse.reading import dialects
from rehearse.reading.scenario import left_out, parse, read, schema
from rehearse.recording.folder import scenario_from_json, scenario_to_json

WHOLE = """
name = "both"
[data]
load = ["base.sql"]
[data.mariadb]
load = ["base.mariadb.sql"]
[engine]
version = "18"
settings = { shared_buffers = "256MB" }
[engine.mariadb]
via = "binary"
settings = { innodb_buffer_pool_size = "256M" }
[migration]
forward = "up.sql"
back = "down.sql"
transaction = "statement"
[migration.mariadb]
forward = "up.mariadb.sql"
[[workload.calls]]
name = "read order"
share = 70
sql = "select note from orders where id = :id limit 1"
values = { id = "orders.id" }
[workload.calls.mariadb]
sql = "select /* theirs */ note from orders where id = :id limit 1"
[budget]
blocked = "500ms"
[budget.mariadb]
blocked = "2s"
"""


def both(text: str = WHOLE, engine: str | None = None) -> Scenario:
    return parse(tomllib.loads(text), where="a.toml", engine=engine)


def test_without_a_word_the_files_own_engine_has_its_keys() -> None:
    scenario = both()
    assert scenario.migration.forward == "up.sql"
    assert scenario.data.load == ["base.sql"]
    assert (scenario.engine.version, scenario.engine.via) == ("18", "embedded")
    assert scenario.workload.calls[0].sql == "select note from orders where id = :id limit 1"


def test_another_engine_has_the_keys_of_its_tables_and_the_others_besides() -> None:
    scenario = both(engine="mariadb:10.11")
    assert (scenario.migration.forward, scenario.migration.back) == ("up.mariadb.sql", "down.sql")
    assert scenario.migration.transaction == "statement"
    assert scenario.data.load == ["base.mariadb.sql"]
    assert (scenario.engine.name, scenario.engine.version, scenario.engine.via) == ("mariadb", "10.11", "binary")
    assert scenario.engine.settings == {"innodb_buffer_pool_size": "256M"}, "a key is replaced whole"
    call = scenario.workload.calls[0]
    assert (call.share, call.values) == (70, {"id": "orders.id"})
    assert call.sql == "select /* theirs */ note from orders where id = :id limit 1"
    assert scenario.budget.blocked == 2_000_000_000


def test_what_is_recorded_is_what_was_effective() -> None:
    scenario = both(engine="mariadb")
    values = scenario_to_json(scenario)
    assert values["migration"]["forward"] == "up.mariadb.sql"
    assert "mariadb" not in values["migration"]
    assert scenario_from_json(values) == scenario


def test_the_version_of_the_files_own_engine_is_not_anothers() -> None:
    assert both(engine="mariadb").engine.version is None
    assert both(engine="postgres").engine.version is None, "the newest that is here"
    assert both(WHOLE.replace('via = "binary"', 'version = "11"'), engine="mariadb").engine.version == "11"


def test_a_server_that_a_url_names_is_not_anothers() -> None:
    text = WHOLE.replace('version = "18"', 'via = "url"\nurl = "postgresql://h/d"').replace('via = "binary"', "")
    assert (both(text).engine.url, both(text, "postgres:17").engine.url) == ("postgresql://h/d", "postgresql://h/d")
    assert (both(text, "mariadb").engine.via, both(text, "mariadb").engine.url) == ("binary", None)


def test_settings_of_another_dialect_are_left_out_and_that_is_told(tmp_path: Path) -> None:
    own = 'image = "postgres:16"\nvolumes = ["./a:/a"]\nvia = "docker"\ncpus = 2'
    session = '[migration]\nsettings = { search_path = "app" }'
    text = WHOLE.replace('version = "18"', own).replace('via = "binary"', "").replace("[migration]", session)
    text += '[workload]\nsettings = { search_path = "app" }\n[workload.mysql]\nsettings = { sql_mode = "ANSI" }\n'
    text = text.replace('[engine.mariadb]\n\nsettings = { innodb_buffer_pool_size = "256M" }\n', "")
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    theirs = read(tmp_path / "a.toml", engine="mariadb:10.11")
    assert (theirs.engine.settings, theirs.engine.image, theirs.engine.volumes) == ({}, None, [])
    assert (theirs.engine.via, theirs.engine.cpus) == ("docker", 2), "what any server has stays"
    assert (theirs.migration.settings, theirs.workload.settings) == ({}, {"sql_mode": "ANSI"})
    assert left_out(theirs, "mariadb:10.11") == (
        "left out, since it is for postgres: [engine] image, [engine] settings, [engine] volumes, [migration] settings;"
        " say in [engine.mariadb] and [migration.mariadb] what holds for mariadb"
    )
    same = read(tmp_path / "a.toml", engine="postgres:15")
    assert (same.engine.settings, same.migration.settings) == ({"shared_buffers": "256MB"}, {"search_path": "app"})
    assert left_out(same, "postgres:15") is None


def test_session_settings_of_mysql_hold_for_mariadb_and_its_servers_do_not() -> None:
    text = 'name = "a"\n[engine]\nname = "mysql"\nsettings = { a = 1 }\n[migration]\nsettings = { b = 2 }\n'
    mariadb = both(text, "mariadb")
    assert (mariadb.engine.settings, mariadb.migration.settings) == ({}, {"b": 2})


def test_the_words_for_mysql_hold_for_mariadb_where_its_own_do_not_say_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialects, "names", lambda: ("mariadb", "mysql", "postgres"))
    text = (
        WHOLE + '[migration.mysql]\nforward = "up.mysql.sql"\nback = "down.mysql.sql"\n[engine.mysql]\nversion = "9"\n'
    )
    mariadb = both(text, engine="mariadb")
    assert (mariadb.migration.forward, mariadb.migration.back) == ("up.mariadb.sql", "down.mysql.sql")
    assert mariadb.engine.version is None, "MySQL's server is not MariaDB's"
    mysql = both(text, engine="mysql")
    assert (mysql.migration.forward, mysql.engine.version, mysql.data.load) == ("up.mysql.sql", "9", ["base.sql"])


@pytest.mark.parametrize(
    ("was", "is_", "says"),
    [
        (
            "[migration.mariadb]",
            "[migration.mariabd]",
            "migration.mariabd: there is no such key; did you mean 'mariadb'?",
        ),
        (
            "[data.mariadb]\nload",
            "[data.mariadb]\nlaod",
            "data.mariadb.laod: there is no such key; did you mean 'load'?",
        ),
        ('blocked = "2s"', 'blocked = "2"', "budget.mariadb.blocked = '2': '2' is not a duration"),
        ('via = "binary"', 'via = "binray"', "engine.mariadb.via = 'binray'; did you mean 'binary'?"),
        ("[workload.calls.mariadb]", "[workload.calls.mariadbs]", "workload.calls[0].mariadbs: there is no such key"),
        ("[data.mariadb]\n", "[data.mariadb]\npostgres = {}\n", "data.mariadb.postgres: there is no such key"),
    ],
)
def test_a_mistake_in_a_table_for_another_engine_is_told_where_it_stands(was: str, is_: str, says: str) -> None:
    for engine in (None, "mariadb"):
        with pytest.raises(ScenarioMistake) as caught:
            both(WHOLE.replace(was, is_), engine=engine)
        assert str(caught.value).startswith(f"a.toml: {says}"), caught.value


def test_an_engine_that_there_is_not_is_told_with_a_near_miss(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(WHOLE, encoding="utf-8")
    with pytest.raises(
        ScenarioMistake, match="--engine postgers:15: no engine is called 'postgers'; did you mean 'post"
    ):
        read(tmp_path / "a.toml", engine="postgers:15")


def test_a_migration_for_other_engines_says_for_which(monkeypatch: pytest.MonkeyPatch) -> None:
    only = 'name = "a"\n[migration.postgres]\nforward = "pg.sql"\n'
    with pytest.raises(
        OtherDialect, match=r"a.toml: the scenario's migration is written for postgres; for mariadb write"
    ):
        both(only, engine="mariadb")
    assert both(only).migration.forward == "pg.sql"
    monkeypatch.setattr(dialects, "names", lambda: ("mariadb", "mysql", "postgres"))
    with pytest.raises(OtherDialect, match="written for mariadb and postgres; for mysql"):
        both(engine="mysql")


def test_a_scenario_without_tables_for_engines_runs_as_it_is() -> None:
    assert both('name = "a"\n[migration]\nforward = "up.sql"\n', engine="mariadb").migration.forward == "up.sql"
    tuned = 'name = "a"\n[migration]\nforward = "up.sql"\n[migration.postgres]\ntransaction = "none"\n'
    assert both(tuned, engine="mariadb").migration.transaction == "file"


def test_the_shipped_schema_knows_the_tables_of_engines() -> None:
    values = tomllib.loads(WHOLE)
    jsonschema.validate(values, schema())
    del values["workload"]["calls"][0]["sql"]
    jsonschema.validate(values, schema())
    values["data"]["mariadb"]["laod"] = []
    with pytest.raises(jsonschema.ValidationError, match="laod"):
        jsonschema.validate(values, schema())


def test_every_part_of_a_file_may_have_a_table_for_an_engine() -> None:
    text = """
name = "a"
[workload.mariadb]
settings = { lock_wait_timeout = 2 }
[[workload.company]]
name = "report"
sql = "select 1"
[workload.company.mariadb]
sql = "select 2"
[[migration.effects]]
table = "orders"
column = "note"
rule = "a || b"
[migration.effects.mariadb]
rule = "concat(a, b)"
[[integrity.assert]]
name = "none"
sql = "select 1 limit 0"
[integrity.assert.mariadb]
sql = "select 2 limit 0"
"""
    scenario = both(text, engine="mariadb")
    assert scenario.workload.settings == {"lock_wait_timeout": 2}
    assert scenario.workload.company[0].sql == "select 2"
    assert scenario.migration.effects[0].rule == "concat(a, b)"
    assert scenario.integrity.asserts[0].sql == "select 2 limit 0"
    assert both(text).integrity.asserts[0].sql == "select 1 limit 0"
    jsonschema.validate(tomllib.loads(text), schema())


def test_what_a_key_of_that_name_means_elsewhere_is_left_alone() -> None:
    values = 'name = "a"\n[migration.options.mariadb]\nurl = "x"\n[data.tables]\nmariadb = "0"\n'
    for engine in (None, "mariadb"):
        scenario = both(values, engine=engine)
        assert scenario.migration.options == {"mariadb": {"url": "x"}}
        assert scenario.data.tables == {"mariadb": "0"}


def test_the_library_reads_for_an_engine_once() -> None:
    values = tomllib.loads(WHOLE)
    read_for = rehearse.scenario(values, engine="postgres")
    assert read_for.migration.forward == "up.sql"
    with pytest.raises(ScenarioMistake, match="both: it is read for postgres already"):
        rehearse.run(read_for, engine="mariadb")


@pytest.mark.parametrize(
    ("part", "via"),
    [
        ({"name": "mariadb"}, "binary"),
        ({"name": "mysql", "image": "mysql:9"}, "docker"),
        ({"name": "mariadb", "url": "mysql://u@h/d"}, "url"),
        ({"name": "mariadb", "via": "docker"}, "docker"),
        ({"name": "postgres"}, "embedded"),
    ],
)
def test_without_a_word_a_server_comes_by_a_way_that_its_engine_has(part: dict[str, str], via: str) -> None:
    assert parse({"name": "x", "engine": part, "migration": {"forward": "select 1;", "back": False}}).engine.via == via
