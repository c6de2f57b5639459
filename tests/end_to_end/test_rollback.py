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


READS = """
[[workload.calls]]
name = "read item"
share = 100
sql = "select id from items where id = :id"
values = { id = "items.id" }
"""


def report(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path.parent / "out" / "report.json").read_text(encoding="utf-8"))
    return found


def rollback(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = report(path)["rollback"]
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
    taken = {(one["what"], one["statement"], one["does"], one["phase"]) for one in found["irreversible"]}
    assert taken == {
        ("2,000 values of items.note", 2, "DROP COLUMN", "forward"),
        ("default of table items column price", 3, "ALTER COLUMN DROP DEFAULT", "forward"),
        ("table items index items_name", 4, "DROP INDEX", "forward"),
        ("comment of table items", 5, "COMMENT", "forward"),
        ("privileges of table items", 6, "REVOKE", "forward"),
        ("value of sequence codes", 7, "SETVAL", "forward"),
    }
    place = f"{tmp_path.name}/up.sql:2"
    (data,) = (one for one in found["irreversible"] if one["table"])
    assert (data["values_lost"], data["sql"], data["file"]) == (2000, "alter table items drop column note", place)
    (says,) = (one["says"] for one in report(path)["findings"] if one["code"] == "F002")
    assert says.startswith("2,000 values of items.note did not come back, 2,000 of them lost; for example key ")
    assert says.endswith(f"; taken by statement 2 of forward (DROP COLUMN at {place})")
    page = (path.parent / "out" / "report.html").read_text(encoding="utf-8")
    assert "Taken and not brought back, by statement" in page
    text = (path.parent / "out" / "report.md").read_text(encoding="utf-8").replace("\\_", "_")
    assert f"statement 2 of forward (DROP COLUMN at {place})" in text


def test_without_a_way_back_the_report_says_what_is_gone_for_good(tmp_path: Path) -> None:
    forward = """
        alter table items rename column name to title;
        update items set note = null where id <= 30;
        alter table items drop column price;
        drop table parts;
        do $$ begin delete from items where id > 1990; end $$;
        """
    base = BASE.replace("create role reader nologin;", "") + "create table parts as select id from items where id <= 7;"
    path = small.scenario(tmp_path, forward, None, base=base, migration="back = false", calls=READS)
    done = small.run(path)
    found = rollback(path)
    assert (found["schema"], found["fidelity"]) == (None, None), done.stderr
    by = {one["what"]: (one["statement"], one["values_lost"], one["rows_lost"]) for one in found["irreversible"]}
    assert by == {
        "10 rows of items": (None, None, 10),
        "30 values of items.note": (3, 30, None),
        "2,000 values of items.price": (4, 2000, None),
        "7 rows of parts": (5, None, 7),
    }
    (unknown,) = (one for one in found["irreversible"] if one["statement"] is None)
    assert "statement 6 is a DO block" in unknown["reason"]
    page = (path.parent / "out" / "report.html").read_text(encoding="utf-8")
    assert "Gone for good: there is no way back" in page


def test_a_faithful_way_back_loses_nothing(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, FAITHFUL_FORWARD, FAITHFUL, base=BASE)
    done = small.run(path)
    assert small.passed(path), done.stdout + done.stderr
    found = rollback(path)
    assert found["fidelity"] == 1.0
    assert not found["schema"]
    assert not found["data"]
    assert not found["again"]
    assert found["irreversible"] == []
