"""What a scenario says must hold of the data: asked before, while the migration acts, and after each way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rehearse.errors import ScenarioMistake
from rehearse.reading.scenario import parse
from tests.end_to_end import small

pytestmark = pytest.mark.slow

ASSERTS = """
[[integrity.assert]]
name  = "no price below zero"
sql   = "select id, price from items where price < 0;"
every = "100ms"
[[integrity.assert]]
name   = "every part has its item"
sql    = "select p.id from parts p left join items i on i.id = p.item_id where i.id is null -- none"
[[integrity.assert]]
name   = "new column is filled"
sql    = "select id from items where filled is null"
states = ["forward", "again"]
"""
FORWARD = """
alter table items add filled int default 1;
update items set price = -1 where id = 7;
select pg_sleep(0.6);
update items set price = 1 where id = 7;
delete from parts where id > 3990;
update parts set item_id = 1 where id = 3;
"""
BACK = "alter table items drop filled; update items set price = -5 where id = 9;"


def test_an_assertion_that_breaks_is_named_with_its_moment_and_a_row(tmp_path: Path) -> None:
    migration = 'transaction = "none"'
    path = small.scenario(tmp_path, FORWARD, BACK, migration=migration, calls="", more="")
    path.write_text(path.read_text(encoding="utf-8") + ASSERTS, encoding="utf-8")
    small.run(path)
    found: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    says = [one["says"] for one in found["findings"] if one["code"] == "I004"]
    assert any("'no price below zero' does not hold while forward went on: 1 row" in one for one in says), says
    assert any(
        "'no price below zero' does not hold after back" in one and "for example id = 9, price = -5.00" in one
        for one in says
    ), says
    assert not any("every part" in one or "filled" in one for one in says), says


LABEL = """
alter table items add label text;
create function label_of() returns trigger language plpgsql as $$ begin new.label = new.name || '!'; return new; end $$;
create trigger label before insert on items for each row execute function label_of();
update items set label = name || '!';
"""
RENAMING = """
[[workload.calls]]
name = "rename item"
sql = "update items set name = name || 'x' where id = :id"
values = { id = "items.id" }
"""
EFFECT = """
[[migration.effects]]
table  = "items"
column = "label"
rule   = "name || '!'"
"""


def test_a_trigger_that_misses_an_update_breaks_the_rule_of_its_column(tmp_path: Path) -> None:
    back = "alter table items drop label; drop trigger label on items; drop function label_of();"
    broken = small.scenario(tmp_path / "a", LABEL, back, calls=RENAMING, migration=EFFECT)
    whole = LABEL.replace("before insert", "before insert or update")
    kept = small.scenario(tmp_path / "b", whole, back, calls=RENAMING, migration=EFFECT)
    for path, wanted in ((broken, {"I004"}), (kept, set())):
        small.run(path)
        found = json.loads((path.parent / "out" / "report.json").read_text(encoding="utf-8"))
        says = [one["says"] for one in found["findings"] if one["code"] == "I004"]
        assert {one["code"] for one in found["findings"]} & {"I004"} == wanted, says
        assert all("items.label is name || '!'" in one for one in says)
        assert all(
            re.search(r"for example there = (.+)!, by the rule = \1x+!, id = \d+, name = \1x", one) for one in says
        )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('[[integrity.assert]]\nname = "typo"\nsql = "select id fromm items"', "integrity.assert 'typo': syntax error"),
        ('[[integrity.assert]]\nname = "two"\nsql = "select 1; select 2"', "assert 'two': it must be one query"),
        ('[[integrity.assert]]\nname = "new"\nsql = "select nothing from items"', "leave 'start' and 'back' out"),
        ('[[workload.company]]\nname = "report"\nsql = "select 1 fromm items"', "workload.company[0].sql ('report')"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_run_is_a_mistake_before_anything_is_measured(tmp_path: Path, more: str, says: str) -> None:
    path = small.scenario(tmp_path, "alter table items add a int;", "alter table items drop a;")
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    done = small.run(path)
    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())


def test_an_effect_on_nothing_that_is_there_is_told(tmp_path: Path) -> None:
    effect = '[[migration.effects]]\ntable = "itemz"\ncolumn = "note"'
    path = small.scenario(tmp_path, "alter table items add a int;", "alter table items drop a;", migration=effect)
    assert small.run(path).returncode == 3
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "itemz.note is there neither before nor after" in text


def test_a_name_that_is_given_twice_and_an_unknown_key_are_mistakes() -> None:
    twice = [{"name": "a", "sql": "select 1"}, {"name": "a", "sql": "select 2"}]
    with pytest.raises(ScenarioMistake, match="a name is given twice"):
        parse({"name": "x", "integrity": {"assert": twice}})
    with pytest.raises(ScenarioMistake, match="needs a column"):
        parse({"name": "x", "migration": {"effects": [{"table": "items", "rule": "1"}]}})
    with pytest.raises(ScenarioMistake, match="did you mean 'states'"):
        parse({"name": "x", "integrity": {"assert": [{"name": "a", "sql": "select 1", "state": ["start"]}]}})
