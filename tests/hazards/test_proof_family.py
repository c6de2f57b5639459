"""What the linter claims of MySQL and MariaDB is what a rehearsal there measures: bad examples, watched."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from rehearse.engines.mysql.client import execute
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.events import LockTaken, StatementRan
from rehearse.hazards import RULES, Rule
from rehearse.hazards.proof import proof
from rehearse.hazards.rules._shop import MYSQL_SHOP
from rehearse.protocols import MigrationFailed, Role
from rehearse.rehearsal.watching import watching
from rehearse.tools._layouts import Script
from rehearse.tools._runner import runner
from rehearse.tools._split import splitter
from tests.conftest import KeepingJournal
from tests.engines.mysql.comparing import numbers
from tests.hazards.test_rules import found

pytestmark = pytest.mark.slow

ROWS = 5_000
PROVABLE = [
    rule for rule in RULES if rule.proof == "rehearsal" and "mysql" in rule.engines and "postgres" not in rule.engines
]
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> MysqlServer:
    given = request.getfixturevalue(request.param)
    assert isinstance(given, MysqlServer)
    return given


@pytest.fixture
def fresh(server: MysqlServer) -> Iterator[MysqlDatabase]:
    database = server.create(f"hazard_{next(_numbers)}")
    with database.connect(Role.MIGRATION) as connection:
        for sql in MYSQL_SHOP.split(";")[:-1]:
            execute(connection, sql)
        execute(connection, f"INSERT INTO customers SELECT seq, 'name', 'mail' FROM {numbers(1000)}")
        execute(
            connection,
            "INSERT INTO orders (id, number, customer_id, status, code, total) "
            f"SELECT seq, seq, 1 + seq % 1000, 'new', 'code', 1 FROM {numbers(ROWS)}",
        )
    yield database
    database.drop()


def run(database: MysqlDatabase, sql: str) -> tuple[list[StatementRan], list[LockTaken]]:
    """Run a migration as a scenario's is run; return its statements and locks as they were watched."""
    journal = KeepingJournal()
    watch = database.watch(journal)
    script = Script(tuple(splitter("mysql")(sql, "up.sql", 1)), "up.sql", "none")
    running = runner(database.url(Role.MIGRATION), {}, journal=journal, onlooker=watch.onlooker)
    with watching(watch.probes, journal), running as runs, suppress(MigrationFailed):
        runs.run([script])
    statements = [one for one in journal.events if isinstance(one, StatementRan)]
    watch.finish(statements)
    return statements, [one for one in journal.events if isinstance(one, LockTaken)]


@pytest.mark.parametrize("rule", PROVABLE, ids=lambda rule: rule.code)
def test_a_bad_example_is_done_as_is_claimed(fresh: MysqlDatabase, rule: Rule) -> None:
    flavour = "mariadb" if fresh.server.flavour.name == "mariadb" else "mysql"
    example = replace(rule.bad[flavour], version=".".join(fresh.server.version.split(".")[:2]))
    with fresh.connect(Role.MIGRATION) as connection:
        for one in splitter("mysql")(example.schema, "schema.sql", 1):
            execute(connection, one.sql)
    statements, locks = run(fresh, example.sql)
    (hazard, *_) = [one for one in found(flavour, example) if one.rule is rule]
    own = next(one for one in statements if one.sql == hazard.sql)
    judged = proof(hazard, own, locks)
    assert judged.status == "measured", judged.says
