"""Scenario files are read whole, and every complaint names file, key and a near miss."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from rehearse.errors import ScenarioMistake
from rehearse.model import OfCapacity
from rehearse.reading.scenario import parse, read, schema, with_budget, with_options
from rehearse.units import NS_PER_MS, NS_PER_S

WHOLE = """
name = "orders-status"
why = "ORD-812"
seed = 812
[data]
profile = "shop"
scale = 0.05
[engine]
name = "postgres"
version = "18"
settings = { shared_buffers = "256MB" }
[migration]
schema = "schema.sql"
forward = ["a.sql", "b.sql"]
back = "down.sql"
[[migration.effects]]
table = "orders"
column = "status"
[workload]
sessions = 24
rate = "400/s"
baseline = "5s"
[[workload.calls]]
name = "read order"
share = 70
sql = "select * from orders where id = :id"
values = { id = "orders.id" }
[budget]
blocked = "500ms"
slowdown = 2.0
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_scenario_is_read_in_its_units(tmp_path: Path) -> None:
    scenario = read(written(tmp_path, WHOLE))
    assert scenario.budget.blocked == 500 * NS_PER_MS
    assert scenario.workload.rate == 400.0
    assert scenario.workload.baseline == 5 * NS_PER_S
    assert scenario.workload.calls[0].values == {"id": "orders.id"}
    assert scenario.folder == tmp_path
    assert scenario.migration.effects[0].column == "status"


def test_the_shipped_schema_accepts_what_is_read_and_refuses_a_typo() -> None:
    values = tomllib.loads(WHOLE)
    jsonschema.validate(values, schema())
    values["engine"]["vesion"] = "18"
    with pytest.raises(jsonschema.ValidationError, match="vesion"):
        jsonschema.validate(values, schema())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('via = "x"', 'vai = "docker"'), "engine.vai: there is no such key; did you mean 'via'?"),
        (('via = "x"', 'via = "dokcer"'), "engine.via = 'dokcer'; did you mean 'docker'?"),
        (('via = "x"', 'via = "url"'), "engine.url: via = 'url' needs the URL"),
        (('via = "x"', 'url = "postgresql://h/d"'), "write via = 'url'"),
        (('via = "x"', 'image = "postgres:16"'), "engine.image is a container's but engine.via = 'embedded'"),
        (('via = "x"', 'via = "docker"\nmemory = "much"'), "engine.memory = 'much': 'much' is not a size"),
        (('via = "x"', 'via = "docker"\ncpus = 0'), "engine.cpus = 0"),
    ],
)
def test_a_typo_names_file_key_and_near_miss(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    text = WHOLE.replace('version = "18"', change[1])
    with pytest.raises(ScenarioMistake) as caught:
        read(written(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "a.toml"))
    assert words in str(caught.value)


def test_every_complaint_is_told_at_once(tmp_path: Path) -> None:
    text = WHOLE.replace('"400/s"', '"fast"').replace('blocked = "500ms"', "blocked = 500").replace("sql =", "sqll =")
    with pytest.raises(ScenarioMistake) as caught:
        read(written(tmp_path, text))
    lines = str(caught.value).splitlines()
    assert any("workload.rate = 'fast'" in line and "'400/s'" in line for line in lines)
    assert any("budget.blocked = 500" in line and "'250ms'" in line for line in lines)
    assert any("workload.calls[0].sqll" in line and "'sql'" in line for line in lines)


def test_files_that_are_not_there_or_not_toml_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ScenarioMistake, match="there is no such file"):
        read(tmp_path / "b.toml")
    with pytest.raises(ScenarioMistake, match="is a folder"):
        read(tmp_path)
    with pytest.raises(ScenarioMistake, match=r"not valid TOML.*line 1"):
        read(written(tmp_path, "name = ?\n"))


def test_two_sources_of_data_are_refused() -> None:
    with pytest.raises(ScenarioMistake, match="data names profile and load; keep one"):
        parse({"name": "a", "data": {"profile": "shop", "load": ["x.sql"]}})


def test_a_profile_without_a_schema_is_refused() -> None:
    with pytest.raises(ScenarioMistake, match=r"migration\.schema"):
        parse({"name": "a", "data": {"profile": "shop"}})


def test_production_is_known_by_a_profile_alone() -> None:
    with pytest.raises(ScenarioMistake, match=r"data.statistics: production is known by a profile alone"):
        parse({"name": "a", "data": {"load": ["x.sql"], "statistics": "production"}})
    with pytest.raises(ScenarioMistake, match=r"data.statistics = 'prodution'; did you mean 'production'\?"):
        parse({"name": "a", "data": {"profile": "shop", "statistics": "prodution"}})


def test_a_containers_volumes_are_beside_the_scenario(tmp_path: Path) -> None:
    engine = 'version = "18"\nvia = "docker"\nvolumes = ["./keys:/etc/keys", "/srv/more:/more:rw"]'
    scenario = read(written(tmp_path, WHOLE.replace('version = "18"', engine)))
    assert scenario.engine.volumes == [f"{tmp_path}/keys:/etc/keys", "/srv/more:/more:rw"]


def test_another_version_on_the_command_line_is_not_the_files_image() -> None:
    values = {"name": "a", "engine": {"via": "docker", "image": "postgres:16"}}
    assert parse(values, engine="postgres:17").engine.image is None


def test_the_command_line_overrides_the_file() -> None:
    scenario = parse({"name": "a"}, engine="postgres:15")
    changed = with_options(scenario, scale=0.1, seed=3, via="binary", budget=["blocked=20ms"])
    assert (changed.data.scale, changed.seed) == (0.1, 3)
    assert (changed.engine.name, changed.engine.version, changed.engine.via) == ("postgres", "15", "binary")
    assert changed.budget.blocked == 20 * NS_PER_MS
    named = with_options(scenario, via="postgresql://u:p@h/d")
    assert (named.engine.via, named.engine.url) == ("url", "postgresql://u:p@h/d")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("blokced=1s", "did you mean 'blocked'?"),
        ("blocked=1", "'1' is not a duration"),
        ("slowdown=fast", "slowdown=fast"),
        ("fidelity=7", "fidelity=7"),
    ],
)
def test_a_wrong_budget_is_a_mistake(change: str, words: str) -> None:
    with pytest.raises(ScenarioMistake) as caught:
        with_budget(parse({"name": "a"}), [change])
    assert words in str(caught.value)


def test_a_budget_can_be_left_unasked() -> None:
    assert with_budget(parse({"name": "a"}), ["blocked=none"]).budget.blocked is None


def test_every_key_of_a_scenario_is_described() -> None:
    described = schema()
    for name, part in {"": described, **described["$defs"]}.items():
        for key, value in part.get("properties", {}).items() if not name.endswith("OfOneEngine") else ():
            assert key == "$schema" or value.get("description"), f"{name}.{key}"


def test_a_rate_may_be_a_share_of_the_capacity(tmp_path: Path) -> None:
    text = 'name = "s"\n[workload]\nrate = "{}% of capacity"\n'
    assert read(written(tmp_path, text.format(60))).workload.rate == OfCapacity(0.6)
    with pytest.raises(ScenarioMistake, match="between 1 % and 300 %"):
        read(written(tmp_path, text.format(900)))


@pytest.mark.parametrize(
    ("curve", "says"),
    [
        ("[['1s', 1], ['2s', 2]]", "begins at '0s'"),
        ("[['0s', 1]]", "two points or more"),
        ("[['0s', 0], ['2s', 0]]", "no calls"),
    ],
)
def test_a_curve_that_is_none_is_told(tmp_path: Path, curve: str, says: str) -> None:
    with pytest.raises(ScenarioMistake, match=says) as mistake:
        read(written(tmp_path, f'name = "s"\n[workload]\ncurve = {curve}\n'))
    assert "workload.curve" in str(mistake.value)


def test_rows_that_nothing_makes_are_a_mistake_and_tables_meant_empty_are_none(tmp_path: Path) -> None:
    text = 'name = "s"\n[data]\ntables = {{ orders = {} }}\n'
    with pytest.raises(ScenarioMistake, match=r"data\.tables\.orders: rows are made from a profile alone"):
        read(written(tmp_path, text.format("'50k'")))
    assert read(written(tmp_path, text.format(0))).data.tables == {"orders": 0}
