"""Of a change of one property that property is found, and nothing else; of none, nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearse.engines.mysql.client import rows
from rehearse.engines.mysql.server import MysqlServer
from rehearse.model import Snapshot
from tests.engines.comparing import named
from tests.engines.mariadb.corpus import Corpus, corpus, differing, run, severity

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent
CHANGES = tomllib.loads((FOLDER / "schema_changes.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(mariadb: MysqlServer) -> Iterator[Corpus]:
    yield (found := corpus(mariadb, FOLDER))
    found.database.drop()


@pytest.fixture(scope="module")
def before(made: Corpus) -> Snapshot:
    with made.fresh() as connection:
        return made.snapshot(connection)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_property_is_all_that_is_found(made: Corpus, before: Snapshot, name: str) -> None:
    change = CHANGES[name]
    with made.fresh() as connection:
        run(connection, made.sql(name))
        found = differing(before, made.snapshot(connection))
    assert named(found) == {(thing, what) for thing, what in (change["found"], *change.get("follows", ()))}, found
    assert severity(found, *change["found"]) == change.get("severity", "behaviour")


def test_a_database_that_is_made_again_is_the_same(made: Corpus, before: Snapshot) -> None:
    with made.fresh() as connection:
        assert differing(before, made.snapshot(connection)) == []


def test_a_fork_is_the_same_with_its_rights_and_they_go_with_it(made: Corpus, before: Snapshot) -> None:
    with made.fresh() as connection:
        run(connection, "insert into customers (email) values ('a'), ('b'); select nextval(invoices)")
        mine = made.snapshot(connection)
        fork = made.database.fork("corpus_fork")
        with fork.connect() as forked:
            theirs = Corpus(fork, "", {}).snapshot(forked)
        fork.drop()
        left = rows(
            connection, "SELECT 1 FROM information_schema.table_privileges WHERE table_schema = %s", [fork.name]
        )
    assert differing(mine, theirs) == []
    assert mine.schema == theirs.schema
    assert (mine.schema["table customers counter"], left) == ({"increment": "1", "value": "52"}, ())


def test_what_repeats_itself_is_told_once_and_what_is_not_known_is_told_by_the_servers_words(before: Snapshot) -> None:
    column = before.schema["table orders column note"]
    other = {**column, "declared": "`note` varchar(200) WITH SOMETHING NEW"}
    after = Snapshot(
        name="one", at_ns=0, took_ns=0, physical={}, tables={},
        schema={**before.schema, "table orders column note": other},
    )  # fmt: skip
    assert named(differing(before, after)) == {("table orders column note", "declared")}
    other["type"] = "text"
    assert named(differing(before, after)) == {("table orders column note", "type")}
