"""A lossy way back: every loss is named in the report's `rollback`, and a faithful one gives none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import small

pytestmark = pytest.mark.slow

BASE = """
create role reader nologin;
create table items (
    id bigint primary key, note text, name text not null, price numeric(10,2) not null default 1
);
create index items_name on items (name);
create sequence codes;
select setval('codes', 500);
comment on table items is 'what the shop sells';
grant select on items to reader;
insert into items select n, 'note ' || n, 'item ' || n, n % 100 from generate_series(1, 2000) n;
analyze;
"""
FORWARD = """
alter table items drop column note;
alter table items alter price drop default;
drop index items_name;
comment on table items is null;
revoke select on items from reader;
select setval('codes', 1, false);
"""
LOSSY = "alter table items add column note text;"
FAITHFUL_FORWARD = """
alter table items rename column note to parked;
alter table items alter price drop default;
drop index items_name;
comment on table items is null;
revoke select on items from reader;
"""
FAITHFUL = """
alter table items rename column parked to note;
alter table items alter price set default 1;
create index items_name on items (name);
comment on table items is 'what the shop sells';
grant select on items to reader;
"""


def rollback(path: Path) -> dict[str, Any]:
    report = json.loads((path.parent / "out" / "report.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = report["rollback"]
    return found


def test_every_loss_of_a_lossy_way_back_is_named(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, FORWARD, LOSSY, base=BASE)
    done = small.run(path)
    assert done.returncode == 1, done.stderr
    found = rollback(path)
    assert [(one["table"], one["column"], one["values_lost"]) for one in found["data"]] == [("items", "note", 2000)]
    named = {(one["object"], one["property"]): (one["before"], one["after"]) for one in found["schema"]}
    assert named["table items column price", "default"] == ("1", None)
    assert any("index items_name" in what and how == "exists" for what, how in named)
    assert named["table items", "comment"] == ("what the shop sells", None)
    assert any(what == "table items" and how == "privileges" for what, how in named)
    assert any("sequence codes" in what for what, _ in named)
    assert len(named) == 5
    assert ("table items", "column order") in {(one["object"], one["property"]) for one in found["physical"]}
    assert found["fidelity"] < 1


def test_a_faithful_way_back_loses_nothing(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, FAITHFUL_FORWARD, FAITHFUL, base=BASE)
    done = small.run(path)
    assert small.passed(path), done.stdout + done.stderr
    found = rollback(path)
    assert found["fidelity"] == 1.0
    assert not found["schema"]
    assert not found["data"]
    assert not found["again"]
