"""`rehearse advise`: a safer way is written for what a migration's SQL changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehearse import hazards, strategies
from rehearse.cli.advise import advised_ways
from rehearse.model.change import Change
from rehearse.strategies import KINDS
from rehearse.tools._split import statements
from tests.cli.test_cli import rehearse
from tests.end_to_end import small

TWO = """
ALTER TABLE parts ADD CONSTRAINT of_item FOREIGN KEY (item_id) REFERENCES items (id) ON DELETE CASCADE;
CREATE INDEX parts_by_item ON parts (item_id, amount);
"""
BASE = small.BASE.replace("not null references items", "not null")


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_what_is_advised_for_a_kind_of_change_is_not_the_plain_way(engine: str) -> None:
    for kind in KINDS:
        change = Change(kind=kind, table="orders")
        assert set(advised_ways(change, engine)) == set(strategies.ways(change, engine)) - {"plain"}


def test_a_migration_that_no_way_is_known_for_is_a_mistake(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, "ALTER TABLE items ADD COLUMN n bigserial;", None)
    done = rehearse("advise", str(path))
    assert done.returncode == 2
    assert "no change that a way is known for: " in done.stderr
    assert "up.sql:1: ALTER TABLE items ADD COLUMN n bigserial" in done.stderr


def test_a_migration_that_nothing_is_said_against_is_not_called_unknown(tmp_path: Path) -> None:
    index = "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON items (price);\n-- migrate:down\n"
    done = rehearse("advise", str(small.scenario(tmp_path, index, None)))
    assert (done.returncode, "the linter has nothing against this SQL" in done.stderr) == (2, True), done.stderr


def test_sql_alone_is_told_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "up.sql").write_text("SELECT 1;", encoding="utf-8")
    done = rehearse("advise", str(tmp_path / "up.sql"))
    assert (done.returncode, "advise needs a scenario" in done.stderr) == (2, True)


@pytest.mark.slow
def test_the_advised_sql_of_two_changes_is_no_outage_and_has_a_way_back(tmp_path: Path) -> None:
    path = small.scenario(tmp_path, TWO, None, base=BASE)
    done = rehearse("advise", str(path), "--no-run", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["code"] for one in found["hazards"]] == ["H108", "H110"]
    assert [one["kind"] for one in found["changes"]] == ["add foreign key", "add index"]
    assert found["back"].index("parts_by_item") < found["back"].index("of_item"), "the last change is undone first"
    known = hazards.beginning("postgres", schema=[one.sql for one in statements(BASE, "base.sql")])
    advised = tuple(hazards.said(one.sql, known) for one in statements(found["forward"], "up.sql"))
    assert [one.rule.code for one in hazards.hazards(hazards.Script(advised, "none"), known) if one.fails] == []
    printed = rehearse("advise", str(path), "--no-run").stdout
    forward, _, back = printed.partition("-- the way back")
    assert "\nCREATE INDEX CONCURRENTLY" in forward
    assert "DROP INDEX" in back
    assert all(line.startswith("--") for line in back.splitlines()[1:] if line), "psql that is given it takes back all"
