"""What the schema promises is verified from the rows, and the migration answers for what it broke alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearse.engines.mysql import invariants
from rehearse.engines.mysql.client import execute
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.events import InvariantTried

pytestmark = pytest.mark.slow

SCRIPT = """
create table parents (id int primary key, name varchar(40) not null unique);
create table children (id int primary key auto_increment, parent_id int, note varchar(20), amount int,
    key (parent_id), constraint belongs foreign key (parent_id) references parents (id),
    constraint few check (amount < 100 and note <> 'it''s'));
insert into parents values (1, 'one'), (2, 'two');
insert into children (parent_id, note, amount) values (1, 'a', 1), (2, 'b', 2), (null, null, null)
"""


@pytest.fixture(scope="module")
def pair(server: MysqlServer) -> Iterator[tuple[MysqlDatabase, MysqlDatabase]]:
    """A database and the copy of how it was at the start."""
    now = server.create("promises")
    run(now, SCRIPT)
    start = now.fork("promises_start")
    yield now, start
    start.drop()
    now.drop()


def run(database: MysqlDatabase, script: str) -> None:
    with database.connect() as connection:
        for statement in script.split(";"):
            execute(connection, statement)


def broken(found: list[InvariantTried]) -> dict[tuple[str, str], tuple[int | None, str | None]]:
    assert not [one for one in found if one.error], found
    return {(one.kind, one.name): (one.rows, one.example) for one in found if one.rows}


def test_nothing_is_broken_of_what_is_kept(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    found = invariants.tried(*pair, "forward")
    assert broken(found) == {}
    assert {one.kind for one in found} == {"foreign key", "check", "unique", "sequence", "heap"}


def test_what_is_proven_unchanged_is_not_read_again(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    found = invariants.tried(*pair, "forward", unchanged={"parents", "children"})
    assert {one.kind for one in found if one.is_unchanged} == {"foreign key", "check", "unique", "sequence", "heap"}


def test_an_orphan_is_found_that_came_while_checks_were_off(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    run(pair[0], "set foreign_key_checks = 0; insert into children values (77, 99, 'x', 1)")
    try:
        found = invariants.tried(*pair, "forward")
        assert broken(found) == {("foreign key", "belongs"): (1, "77")}
        (one,) = (one for one in found if one.kind == "foreign key")
        assert one.rows_before == 0
    finally:
        run(pair[0], "delete from children where id = 77")


def test_a_row_that_a_check_forbids_is_found(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    mariadb = "set check_constraint_checks = 0; insert into children values (78, 1, 'x', 500)"
    mysql = """
        alter table children alter check few not enforced;
        insert into children values (78, 1, 'x', 500)
    """
    run(pair[0], mariadb if pair[0].server.flavour.name == "mariadb" else mysql)
    try:
        found = invariants.tried(*pair, "forward")
        assert broken(found) == {("check", "few"): (1, "78")}
        (one,) = (one for one in found if one.kind == "check")
        assert one.flaw == (None if pair[0].server.flavour.name == "mariadb" else "NOT ENFORCED")
    finally:
        run(pair[0], "delete from children where id = 78; alter table children drop constraint few")
        run(
            pair[0],
            "alter table children add constraint few check (amount < 100 and note <> 'it''s')",
        )


def test_what_was_broken_at_the_start_is_told_to_have_been(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    for one in pair:
        run(one, "set foreign_key_checks = 0; insert into children values (79, 99, 'x', 1)")
    try:
        (found,) = (one for one in invariants.tried(*pair, "forward") if one.kind == "foreign key")
        assert (found.rows, found.rows_before) == (1, 1)
    finally:
        for one in pair:
            run(one, "delete from children where id = 79")


def test_a_promise_that_is_new_has_no_start(pair: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    run(pair[0], "alter table parents add unique key newer (name, id)")
    try:
        (found,) = (one for one in invariants.tried(*pair, "forward") if one.name == "newer")
        assert found.is_new and found.rows == 0
    finally:
        run(pair[0], "alter table parents drop key newer")
