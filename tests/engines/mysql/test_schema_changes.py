"""Of a change of one property that property is found, and nothing else; of none, nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rehearse.engines.mysql.client import connect, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.mending import mend
from rehearse.engines.mysql.server import MysqlServer
from rehearse.model import Snapshot
from rehearse.protocols import Role
from tests.engines.comparing import named
from tests.engines.mysql.corpus import Corpus, corpus, differing, run, severity

pytestmark = pytest.mark.slow

FOLDERS = {name: Path(__file__).parents[1] / name for name in ("mariadb", "mysql")}
CHANGES: dict[str, dict[str, Any]] = {
    name: tomllib.loads((folder / "schema_changes.toml").read_text(encoding="utf-8"))
    for name, folder in FOLDERS.items()
}


@pytest.fixture(scope="module")
def made(server: MysqlServer) -> Iterator[Corpus]:
    yield (found := corpus(server, FOLDERS[server.flavour.name]))
    found.database.drop()


@pytest.fixture(scope="module")
def before(made: Corpus) -> Snapshot:
    with made.fresh() as connection:
        return made.snapshot(connection)


@pytest.mark.parametrize(
    ("server", "name"), [(server, name) for server, changes in CHANGES.items() for name in changes], indirect=["server"]
)
def test_a_change_of_one_property_is_all_that_is_found_and_its_mending_undoes_it(
    made: Corpus, before: Snapshot, name: str
) -> None:
    change = made.changes[name]
    with made.fresh() as connection:
        run(connection, made.sql(name))
        after = made.snapshot(connection)
        found = differing(before, after)
        mends = [mend(one, before, after, is_mariadb=made.is_mariadb) for one in found]
        left = []
        if all(mends):
            run(connection, " ".join(filter(None, mends)))
            left = differing(before, made.snapshot(connection))
    assert left == [], mends
    assert named(found) == {(thing, what) for thing, what in (change["found"], *change.get("follows", ()))}, found
    assert severity(found, *change["found"]) == change.get("severity", "behaviour")


THERE_AND_BACK = {
    "a column": ("alter table orders add x int", "alter table orders drop x"),
    "an index": ("create index n on orders (net)", "drop index n on orders"),
    "a foreign key of no name": (
        "alter table pieces drop foreign key pieces_ibfk_1",
        "alter table pieces add foreign key (order_id) references orders (id)",
    ),
    "a table that others read": ("rename table customers to people", "rename table people to customers"),
    "partitions": ("alter table plain partition by hash (id) partitions 4", "alter table plain remove partitioning"),
    "a row format": ("alter table customers row_format = compressed", "alter table customers row_format = dynamic"),
    "an engine": ("alter table plain engine = myisam", "alter table plain engine = innodb"),
    "a table made anew": (
        "create table newer like plain; rename table plain to older, newer to plain",
        "drop table older; analyze table orders; optimize table orders; alter table orders force",
    ),
    "a key that counts": ("alter table plain add n int auto_increment primary key first", "alter table plain drop n"),
}
TRACES = {
    "an index that a foreign key needed": (
        "alter table pieces add constraint more foreign key (n) references customers (id)",
        "alter table pieces drop foreign key more",
        {("table pieces index more", "exists")},
    ),
    "a conversion that widens and does not narrow": (
        "alter table plain convert to character set utf8mb4",
        "alter table plain convert to character set latin1",
        {("table plain column body", "type"), ("table plain column author", "character set")},
    ),
}


def test_ways_there_and_back_leave_nothing_and_those_that_leave_a_trace_are_told(
    made: Corpus, before: Snapshot
) -> None:
    with made.fresh() as connection:
        for name, (there, back) in THERE_AND_BACK.items():
            run(connection, f"{there};")
            assert differing(before, made.snapshot(connection)), name
            run(connection, f"{back};")
            assert differing(before, made.snapshot(connection)) == [], name
        for name, (there, back, left) in TRACES.items():
            run(connection, f"{there}; {back}")
            after = made.snapshot(connection)
            assert named(differing(before, after)) == left, name
            before = after


def test_a_database_that_is_made_again_is_the_same(made: Corpus, before: Snapshot) -> None:
    with made.fresh() as connection:
        run(connection, "analyze table orders")
        if not made.is_mariadb:
            run(connection, "analyze table orders update histogram on net with 3 buckets")
        assert differing(before, made.snapshot(connection)) == []


def test_a_fork_is_the_same_with_its_rights_and_they_go_with_it(made: Corpus) -> None:
    with made.fresh() as connection:
        run(connection, "insert into customers (email) values ('a'), ('b'); set global event_scheduler = off")
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
    assert mine.schema["table customers counter"] == {"increment": "1", "value": "52"}
    assert left == ()


def test_a_dump_that_is_restored_is_the_same_but_for_rights(made: Corpus, tmp_path: Path) -> None:
    with made.fresh() as connection:
        run(connection, "insert into customers (email) values ('a'), ('b'); set global event_scheduler = off")
        mine = made.snapshot(connection)
        (tmp_path / "dump.sql").write_text(dumped(made.database), encoding="utf-8")
        restored = made.database.server.create("corpus_restored")
        restored.restore(tmp_path / "dump.sql")
        with restored.connect() as restoring:
            theirs = Corpus(restored, "", {}).snapshot(restoring)
        restored.drop()
    found = named(differing(mine, theirs))
    # An event that starts when it is made started, for a dump, when it was made first.
    assert {(thing, what) for thing, what in found if what != "privileges"} <= OF_NO_DUMP


OF_NO_DUMP = {("event often", "schedule"), ("role corpus_role@%", "exists"), ("table kept history", "value")}


def dumped(database: MysqlDatabase) -> str:
    """Return what the server's own program writes of a database."""
    name, where = database.server.flavour.dump, database.server.address
    beside = Path(os.environ.get("REHEARSE_MYSQL_BIN", ""), name)
    program = shutil.which(name) or (str(beside) if beside.exists() else None)
    if program is None:
        pytest.skip(f"there is no {name} here")
    command = [program, f"--socket={where.socket}", f"--user={where.user}", "--routines", "--events", database.name]
    done = subprocess.run(
        command, env={**os.environ, "MYSQL_PWD": where.password}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_what_another_of_our_accounts_makes_again_is_the_same(made: Corpus, before: Snapshot) -> None:
    """The owner's are gone with the way forward, the migration's come with the way back."""
    with made.fresh() as connection, made.database.connect(Role.MIGRATION) as migrating:
        run(
            migrating,
            "drop trigger late; create trigger late after delete on orders for each row set @gone = old.id;"
            "drop view sold; create algorithm = merge sql security invoker view sold as"
            " select id, total from orders where total > 0 with local check option;"
            "drop event often; create event often on schedule every 5 minute do select 2",
        )
        assert differing(before, made.snapshot(connection)) == []


def test_an_account_that_may_only_read_rows_sees_what_it_may(made: Corpus, before: Snapshot) -> None:
    server, name = made.database.server, made.database.name
    with made.fresh() as connection:
        run(connection, f"create user corpus_other identified by 'low'; grant select on {name}.* to corpus_other")
        at = replace(server.address, user="corpus_other", password="low", database=name)
        with connect(at) as low:
            seen = made.snapshot(low)
    tables = {name: one for name, one in before.schema.items() if name.startswith("table ") and " trigger " not in name}
    assert tables.keys() == {name for name in seen.schema if name.startswith("table ")}
    for part in ("foreign key orders_customer", "index note", "check orders_positive"):
        assert seen.schema[f"table orders {part}"] == tables[f"table orders {part}"]
    assert seen.physical == before.physical


def test_no_secret_comes_out(made: Corpus, before: Snapshot) -> None:
    with made.fresh() as connection:
        run(connection, made.sql("where a table's connection leads"))
        found = differing(before, made.snapshot(connection))
    assert len(found) == 1
    assert " CONNECTION=(hidden " in before.schema["table isam"]["declared"]
    assert "hunter22" not in f"{before} {found}"
    assert "other@far" not in f"{found}"


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
