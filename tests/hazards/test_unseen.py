"""Whole migrations of teams' tools, labelled before the linter saw them, are judged as they are labelled."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rehearse.cli.lint_files import Asked, linted

UNSEEN = sorted((Path(__file__).parent / "unseen").glob("*.toml"))
CASES = [one for file in UNSEEN for one in tomllib.loads(file.read_text(encoding="utf-8"))["migration"]]
STYLE = "H9"


def found(one: dict[str, Any], folder: Path) -> set[str]:
    """Return the codes that are found in a migration, but for those of style."""
    engine, _, version = one["engine"].partition(":")
    migration, schema = folder / "change.sql", folder / "schema.sql"
    migration.write_text(one["sql"], encoding="utf-8")
    schema.write_text(one.get("schema", ""), encoding="utf-8")
    transaction = one.get("transaction", "file")
    asked = Asked(engine=engine, version=version, schema=schema, transaction=transaction)
    codes = {hazard.rule.code for judged in linted(migration, asked) for hazard in judged.hazards}
    return {code for code in codes if not code.startswith(STYLE)}


@pytest.mark.parametrize("one", CASES, ids=[f"{one['engine']}: {one['name']}" for one in CASES])
def test_a_migration_is_judged_as_it_is_labelled(one: dict[str, Any], tmp_path: Path) -> None:
    codes = found(one, tmp_path)
    labels = [set(label.split("|")) for label in (*one.get("hazards", ()), *one.get("notes", ()))]
    assert [label for label in labels if not label & codes] == []
    assert codes - set[str]().union(*labels) == set()
