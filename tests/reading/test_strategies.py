"""[[strategies]]: one Scenario each, its own keys in the place of the scenario's; complaints name their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearse.errors import ScenarioMistake
from rehearse.model import Scenario, Strategy
from rehearse.reading import strategies
from rehearse.reading.scenario import parse

PLAIN = {"name": "plain", "migration": {"forward": "alter table a add b int;"}}
CAREFUL = {
    "name": "with care",
    "migration": {"forward": "careful.sql", "transaction": "none", "timeout": "3s"},
    "workload": {"deploy": "before"},
    "deploys": 2,
}
BASE: dict[str, Any] = {
    "name": "a",
    "data": {"load": ["x.sql"]},
    "migration": {"back": "down.sql", "settings": {"lock_timeout": "1s"}},
    "strategies": [PLAIN, CAREFUL],
}


def made(*choices: dict[str, Any], **values: Any) -> Scenario:
    return parse({**BASE, "strategies": list(choices), **values})


def refused(*choices: dict[str, Any], **values: Any) -> str:
    with pytest.raises(ScenarioMistake) as refusal:
        made(*choices, **values)
    return str(refusal.value)


def test_a_strategy_has_the_scenarios_keys_but_for_its_own() -> None:
    plain, careful = strategies.expanded(parse(BASE))
    assert [one.name for one in (plain, careful)] == ["a-plain", "a-with-care"]
    assert [strategies.named(one) for one in (plain, careful)] == ["plain", "with care"]
    assert (plain.migration.forward, plain.migration.transaction) == ("alter table a add b int;", "file")
    assert (careful.migration.forward, careful.migration.transaction) == ("careful.sql", "none")
    assert careful.migration.timeout == 3_000_000_000
    assert {one.migration.back for one in (plain, careful)} == {"down.sql"}
    assert careful.migration.settings == {"lock_timeout": "1s"}
    assert (plain.workload.deploy, careful.workload.deploy) == ("after", "before")
    assert careful.data == plain.data


def test_a_strategy_may_change_a_key_of_the_scenarios_own_way() -> None:
    migration = {"forward": "up.sql"}
    patient = {"name": "patient", "migration": {"settings": {"lock_timeout": "10s"}}}
    (found,) = strategies.expanded(made(patient, migration=migration))
    assert (found.migration.forward, found.migration.settings) == ("up.sql", {"lock_timeout": "10s"})


def test_without_strategies_it_is_the_scenario_as_it_is_written() -> None:
    (found,) = strategies.expanded(made(migration={"forward": "up.sql"}))
    assert strategies.named(found) == "as written"


def test_what_is_said_for_one_engine_holds_there() -> None:
    both = {"name": "b", "migration": {"forward": "pg.sql", "mariadb": {"forward": "maria.sql"}}}
    found = made(both)
    assert strategies.expanded(found)[0].migration.forward == "pg.sql"
    there = parse({**BASE, "strategies": [both]}, engine="mariadb")
    assert strategies.expanded(there)[0].migration.forward == "maria.sql"


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"name": "b", "migration": {"forwrd": "x"}}, "strategies[0].migration.forwrd: there is no such key; did"),
        ({"name": "b", "migration": {"forward": "x", "timeout": "long"}}, "strategies[0].migration.timeout = 'long'"),
        ({"name": "b", "migration": {"forward": "x", "transaction": "fil"}}, "did you mean 'file'?"),
        ({"name": "b", "migration": {"forward": "x"}, "workload": {"rate": "fast"}}, "[0].workload.rate = 'fast'"),
        ({"name": "b"}, "strategies[0].migration.forward: name the strategy's files or SQL here, or a way"),
        ({"migration": {"forward": "x"}}, "strategies[0].name: a strategy needs a name"),
        ({"way": "careful"}, "strategies[0].way = 'careful': a way makes the change that [change] describes"),
        ({"name": "b", "wya": "plain"}, "strategies[0].wya: there is no such key; did you mean 'way'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_strategy_is_said_by_its_place(choice: dict[str, Any], says: str) -> None:
    assert says in refused(choice)


def test_two_strategies_have_two_names_and_two_folders() -> None:
    assert "another strategy is called so" in refused(PLAIN, PLAIN)
    assert "another strategy is called so" in refused(PLAIN, {**PLAIN, "name": "Plain"})
    assert strategies.folder_name("one / two, three.") == "one-two-three"


def test_one_strategy_can_be_run_by_itself() -> None:
    whole = parse(BASE)
    assert strategies.single(whole, "plain").migration.forward == "alter table a add b int;"
    with pytest.raises(ScenarioMistake, match="did you mean 'plain'"):
        strategies.single(whole, "plan")
    with pytest.raises(ScenarioMistake, match=r"`rehearse compare` runs all of them.*'plain', 'with care'"):
        strategies.single(whole)
    own = made(PLAIN, migration={"forward": "up.sql"})
    assert strategies.single(own).strategies == []
    with pytest.raises(ScenarioMistake, match="it has no"):
        strategies.single(made(migration={"forward": "up.sql"}), "plain")


def test_a_way_becomes_what_the_library_writes_for_it() -> None:
    change = {"kind": "set not null", "table": "a", "columns": "b"}
    careful = {"way": "careful", "migration": {"settings": {"lock_timeout": "50ms"}}}
    (found,) = strategies.expanded(made(careful, change=change))
    assert found.migration.forward is None and strategies.named(found) == "careful"
    text = Strategy(name="careful", says="…", forward="select 2;", back=None, deploys=3, deploy="before")
    written = strategies.with_way(found, text)
    assert (written.name, written.migration.forward, written.migration.back) == ("a-careful", "select 2;", "down.sql")
    assert written.migration.settings == {"lock_timeout": "50ms"}
    assert (written.migration.transaction, written.workload.deploy) == ("none", "before")
    assert written.strategies[0].deploys == 3


def test_ways_of_the_command_line_come_besides() -> None:
    found = strategies.expanded(made(PLAIN, change={"kind": "add index", "table": "a"}), ["careful"])
    assert [strategies.named(one) for one in found] == ["plain", "careful"]


def test_the_file_is_named(tmp_path: Path) -> None:
    from rehearse.reading.scenario import read  # noqa: PLC0415

    path = tmp_path / "s.toml"
    path.write_text('name = "a"\n[[strategies]]\nname = "b"\n', encoding="utf-8")
    with pytest.raises(ScenarioMistake, match=r"s.toml: strategies\[0\].migration.forward"):
        read(path)
