"""From which write on the way back loses some, and what keeps it from running, in whole rehearsals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import small

pytestmark = pytest.mark.slow

NOTES = """
[[workload.calls]]
name = "note item"
share = 30
sql = "update items set note = :note where id = :id"
values = { id = "items.id", note = { constant = "a note of more than twenty letters" } }
[[workload.calls]]
name = "read item"
share = 70
sql = "select name, price from items where id = :id"
values = { id = "items.id" }
"""


def rolled_back(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    rollback: dict[str, Any] = found["rollback"]
    return rollback


def test_back_that_cuts_values_says_the_first_write_that_it_loses(tmp_path: Path) -> None:
    forward, back = "alter table items add a int;", "alter table items drop a; update items set note = left(note, 12);"
    small.run(small.scenario(tmp_path, forward, back, calls=NOTES))
    found = rolled_back(tmp_path)["point_of_no_return"]
    assert found["writes_lost"] > 5
    assert (found["call"], found["table"], found["column"]) == ("note item", "items", "note")
    assert (found["written"], found["found"]) == ("a note of more than twenty letters", "a note of mo")
    assert found["at_ms"] is not None
    for name in ("report.md", "report.html"):
        assert "Point of no return" in (tmp_path / "out" / name).read_text(encoding="utf-8")


def test_back_that_keeps_all_has_no_such_point(tmp_path: Path) -> None:
    done = small.run(small.scenario(tmp_path, "alter table items add a int;", "alter table items drop a;"))
    found = rolled_back(tmp_path)["point_of_no_return"]
    assert (found["says"], found["writes_lost"], found["at_ms"]) == (
        "none: back keeps every acknowledged write",
        0,
        None,
    )
    assert "point of no return  none" in done.stdout


LABELS = (
    NOTES.replace('name = "note item"', 'name = "label item"\nversion = "new"').replace("set note", "set label")
    + """
[[workload.calls]]
name = "read old"
version = "old"
sql = "select id from items where id = :id"
values = { id = "items.id" }
"""
)


def test_values_of_a_column_that_back_takes_away_are_lost_from_the_first_on(tmp_path: Path) -> None:
    forward, back = "alter table items add label text;", "alter table items drop label;"
    small.run(small.scenario(tmp_path, forward, back, calls=LABELS))
    found = rolled_back(tmp_path)["point_of_no_return"]
    assert found["writes_lost"] > 0
    assert (found["call"], found["table"], found["column"], found["found"]) == ("label item", "items", "label", None)
    assert found["at_ms"] > 0
    assert "which back takes away" in found["says"]


def test_values_that_back_may_carry_over_are_not_called_lost(tmp_path: Path) -> None:
    back = "update items set note = label where label is not null; alter table items drop label;"
    small.run(small.scenario(tmp_path, "alter table items add label text;", back, calls=LABELS))
    found = rolled_back(tmp_path)["point_of_no_return"]
    assert found is None or not any("label" in (found[key] or "") for key in ("column", "call")), found


def test_rows_written_meanwhile_that_block_the_way_back_are_counted(tmp_path: Path) -> None:
    base = small.BASE + "alter table items alter note type varchar(20);"
    forward, back = "alter table items alter note type text;", "alter table items alter note type varchar(20);"
    done = small.run(small.scenario(tmp_path, forward, back, base=base, calls=NOTES))
    rollback = rolled_back(tmp_path)
    assert rollback["point_of_no_return"] is None
    blocked = rollback["blocked"]
    assert (blocked["code"], blocked["call"]) == ("22001", "note item")
    (one,) = blocked["in_the_way"]
    assert (one["table"], one["rule"], one["rows_before"]) == ("items", "type varchar(20) of note", 0)
    assert one["rows"] > 0
    assert len(one["keys"]) == min(one["rows"], 20)
    assert "back is blocked by rows" in done.stdout
