"""Whether calls behave after back as at the start, in whole rehearsals under traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import small

pytestmark = pytest.mark.slow

BASE = (
    small.BASE
    + """
create function label(price numeric) returns text language sql stable as $$ select 'costs ' || price $$;
create view dear as select id, name, price from items where price >= 50;
create index items_note on items (note);
"""
)
READS = """
[[workload.calls]]
name = "price item"
share = 20
sql = "update items set price = :price where id = :id"
values = { id = "items.id", price = "items.price" }
[[workload.calls]]
name = "label"
share = 30
sql = "select label(price) from items where id = :id"
values = { id = "items.id" }
[[workload.calls]]
name = "dear ones"
share = 20
sql = "select count(*), sum(price) from dear"
[[workload.calls]]
name = "by note"
share = 30
sql = "select id, name from items where note = :note order by id"
values = { note = "items.note" }
"""


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    return found


def test_back_that_restores_all_leaves_every_call_as_it_was(tmp_path: Path) -> None:
    forward = "alter table items add a int; create index items_a on items (a);"
    small.run(small.scenario(tmp_path, forward, "alter table items drop a;", base=BASE, calls=READS))
    found = report(tmp_path)
    rollback = found["rollback"]
    assert (rollback["behaviour_fidelity"], rollback["behaviour"]) == (1.0, [])
    assert rollback["lost_statistics"] == []
    assert {one["code"]: one["status"] for one in found["verdict"]["checks"]}["F004"] == "passed"


def test_a_function_and_an_index_that_back_leaves_otherwise_change_an_answer_and_a_plan(tmp_path: Path) -> None:
    forward = """
create or replace function label(price numeric) returns text language sql stable as $$ select 'price ' || price $$;
drop index items_note;
"""
    back = """
create or replace function label(price numeric) returns text language sql stable as $$ select 'cost ' || price $$;
"""
    done = small.run(small.scenario(tmp_path, forward, back, base=BASE, calls=READS))
    found = report(tmp_path)
    after_back = [one for one in found["rollback"]["behaviour"] if one["state"] == "back"]
    told = {(one["call"], one["what"]): one for one in after_back}
    assert set(told) == {("label", "result"), ("by note", "plan")}
    assert "costs" in told["label", "result"]["before"]
    assert "cost " in told["label", "result"]["after"]
    assert "items_note" in told["by note", "plan"]["before"]
    assert told["by note", "plan"]["cause"] is None
    assert found["rollback"]["behaviour_fidelity"] == 0.75
    assert "F004" in {one["code"] for one in found["findings"]}
    assert "planned otherwise after back: by note" in done.stdout


def test_statistics_that_back_loses_are_told_as_the_cause_of_a_plan(tmp_path: Path) -> None:
    base = BASE + "update items set note = 'the same' where id > 20; analyze items;"
    forward = "alter table items add a int;"
    back = """
alter table items drop a;
alter table items add kept text; update items set kept = note; alter table items drop note;
alter table items rename kept to note; create index items_note on items (note);
"""
    small.run(small.scenario(tmp_path, forward, back, base=base, calls=READS))
    rollback = report(tmp_path)["rollback"]
    assert "items.note" in rollback["lost_statistics"]
    plans = [one for one in rollback["behaviour"] if (one["state"], one["what"]) == ("back", "plan")]
    assert [one["call"] for one in plans] == ["by note"], rollback["behaviour"]
    assert "items.note" in plans[0]["cause"]
    assert rollback["behaviour_fidelity"] == 1.0
