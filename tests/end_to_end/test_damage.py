"""Damage that a migration does to data under traffic: each loss is found with its key, its column and both values."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import small

pytestmark = pytest.mark.slow

# Read at first, written back later: what calls wrote between is overwritten with what was read.
BY_TABLE = """
create table items_read as select id, name, price, note from items;
select pg_sleep(0.7);
update items set name = r.name, price = r.price, note = coalesce(r.note, 'none')
from items_read r where r.id = items.id;
drop table items_read;
"""
BY_SCRIPT = """
import os, time, psycopg
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    rows = connection.execute("select id, name, price, note from items order by id").fetchall()
    time.sleep(0.7)
    with connection.cursor() as cursor:
        cursor.executemany(
            "update items set name = %s, price = %s, note = %s where id = %s",
            [(name, price, note or "none", key) for key, name, price, note in rows],
        )
"""
DECLARED = '[[migration.effects]]\ntable = "items"\ncolumn = "note"\nback = false\n'


def report(path: Path) -> dict[str, Any]:
    done = small.run(path)
    assert done.returncode in (0, 1, 3), done.stderr
    found: dict[str, Any] = json.loads((path.parent / "out" / "report.json").read_text(encoding="utf-8"))
    return found


def table(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["integrity"]["tables"] if one["table"] == name)


@pytest.mark.parametrize("way", ["a table", "a script"])
def test_a_backfill_that_writes_back_what_it_has_read_loses_updates_that_are_named(tmp_path: Path, way: str) -> None:
    migration = DECLARED + '[migration.settings]\napplication_name = "naive"'
    path = small.scenario(tmp_path, BY_TABLE, "select 1;", migration='transaction = "none"\n' + migration)
    if way == "a script":
        (tmp_path / "run.py").write_text(BY_SCRIPT, encoding="utf-8")
        text = path.read_text(encoding="utf-8").replace('transaction = "none"', 'tool = "command"')
        text = text.replace('"up.sql"', f'"{sys.executable} run.py"').replace('"down.sql"', '"true"')
        path.write_text(text, encoding="utf-8")
    found = report(path)
    lost = table(found, "items")
    assert lost["lost_writes"] > 3
    assert {one["column"] for one in lost["wrong_writes"]} == {"price"}
    for one in lost["wrong_writes"]:
        assert float(one["found"]) == int(one["key"]) % 100, "what the row held at the start is there again"
        assert float(one["written"]) != float(one["found"])
        assert one["call"] == "price item"
    (says,) = [one["says"] for one in found["findings"] if (one["code"], one["phase"]) == ("I001", "forward")]
    first = lost["wrong_writes"][0]
    assert f"key {first['key']}: price = '{first['written']}' was written, '{first['found']}' is there" in says
    assert not lost["columns"] or [one["column"] for one in lost["columns"]] == ["note"]


LABEL = """
alter table items add label text;
create function label_of() returns trigger language plpgsql as $$
begin new.label = new.name || ' at ' || new.price; return new; end $$;
create trigger label before {events} on items for each row execute function label_of();
update items set label = name || ' at ' || price;
"""
NO_LABEL = "alter table items drop label; drop trigger label on items; drop function label_of();"
UPSERT = """
[[workload.calls]]
name = "upsert item"
sql = "insert into items (id, name, price) values (:id, 'n', :price) on conflict (id) do update set price = :price"
values = { id = "items.id", price = { min = 500, max = 900 } }
"""
RULE = "name || ' at ' || CAST(price AS text)"


@pytest.mark.parametrize(
    ("events", "calls"),
    [("insert or update of name", small.CALLS), ("insert", UPSERT)],
    ids=["an update of one column", "on conflict do update"],
)
def test_a_trigger_that_misses_a_path_is_found_though_no_rule_was_declared(
    tmp_path: Path, events: str, calls: str
) -> None:
    found = report(small.scenario(tmp_path / "a", LABEL.format(events=events), NO_LABEL, calls=calls))
    (rule,) = found["integrity"]["rules"]
    assert (rule["table"], rule["column"], rule["rule"], rule["code"]) == ("items", "label", RULE, "I004")
    assert rule["warns"] and rule["broken"] == rule["by_calls"] > 0
    for one in rule["examples"]:
        assert one["found"].rpartition(" at ")[0] == one["ruled"].rpartition(" at ")[0]
        assert one["found"] != one["ruled"] and int(one["key"]) <= 2000
    first = rule["examples"][0]
    assert f"not in key {first['key']} ('{first['found']}' is there, '{first['ruled']}' by the rule)" in rule["says"]
    assert "I004" not in {one["code"] for one in found["findings"]}, "a rule that is only inferred fails no run"

    declared = small.scenario(
        tmp_path / "b", LABEL.format(events=events), NO_LABEL, calls=calls, migration=rule["effect"]
    )
    again = report(declared)
    assert "I004" in {one["code"] for one in again["findings"]}, "the offered lines, pasted, hold every row to the rule"
    assert again["integrity"]["rules"] == []


COPY = """
create table items2 (id bigint primary key, name text, price numeric(10,2));
create function copied() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then insert into items2 values (new.id, new.name, new.price) on conflict do nothing;
  else update items2 set name = new.name, price = new.price where id = new.id; end if;
  return null;
end $$;
create trigger copied after insert or update on items for each row execute function copied();
insert into items2 select id, name, price from items on conflict do nothing;
"""
MOVES = """
[[workload.calls]]
name = "read item"
share = 85
sql = "select name, price from items where id = :id"
values = { id = "items.id" }
[[workload.calls]]
name = "move item"
share = 15
sql = "update items set id = id + 1000000 where id = :id"
values = { id = "items.id" }
"""


def test_a_trigger_that_misses_an_update_of_the_key_is_found_in_the_copy(tmp_path: Path) -> None:
    base = small.BASE.replace(" references items", "")
    back = "drop trigger copied on items; drop function copied(); drop table items2;"
    found = report(small.scenario(tmp_path, COPY, back, base=base, calls=MOVES))
    name, price = sorted(found["integrity"]["rules"], key=lambda one: one["column"])
    assert (name["rule"], price["rule"]) == tuple(
        f"(SELECT p.{column} FROM items p WHERE p.id = items2.id)" for column in ("name", "price")
    )
    assert name["warns"] and price["warns"], found["integrity"]["rules"]
    for one in name["examples"]:
        assert (one["found"], one["ruled"]) == (f"item {one['key']}", None), "the row has another key in items"


RULES = """
alter table items add cents int, add shown text;
update items set cents = price * 100, shown = upper(name);
"""


def test_an_offered_rule_stands_in_every_report(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, RULES, "alter table items drop cents, drop shown;", calls="")
    done = small.run(path)
    said = " ".join(done.stdout.split())
    assert "items.cents = price * 100 holds in all 2,000 rows" in said
    out = tmp_path / "out"
    for name in ("report.md", "report.html"):
        text = (out / name).read_text(encoding="utf-8")
        assert "upper(name)" in text and "[[migration.effects]]" in text
    pasted = "\n".join(one["effect"] for one in report(path)["integrity"]["rules"])
    found = report(small.scenario(tmp_path / "b", RULES, "alter table items drop cents, drop shown;", migration=pasted))
    assert found["integrity"]["rules"] == []
    broken = [one["says"] for one in found["findings"] if one["code"] == "I004"]
    assert all("cents" in one for one in broken), "calls write prices, and nobody keeps cents in step"
