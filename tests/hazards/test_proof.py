"""What the linter claims is what servers do: each provable rule's examples are run, and their locks are looked at.

On a table of many rows. A scan is told by the rows that the server counts as read one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.events import LockTaken, StatementRan
from rehearse.hazards import RULES, Hazard, Rule
from rehearse.hazards.proof import proof
from rehearse.hazards.rule import Example
from rehearse.hazards.rules._shop import shop
from rehearse.protocols import Ask, Effects, MigrationFailed, Onlooker, Role
from rehearse.rehearsal.watching import watching
from rehearse.tools._layouts import Script
from rehearse.tools._runner import runner
from rehearse.tools._split import splitter
from tests.conftest import KeepingJournal
from tests.hazards.test_rules import found

pytestmark = pytest.mark.slow

ROWS = 50_000
_numbers = itertools.count(1)
FILL = f"""
INSERT INTO customers SELECT g, 'name', 'mail' FROM generate_series(1, 1000) g;
INSERT INTO orders (id, number, customer_id, status, code, total, made, extra)
SELECT g, g, 1 + g % 1000, 'new', 'code', 1, now(), '{{}}' FROM generate_series(1, {ROWS}) g;
"""
SCANNED = "SELECT relid::regclass::text, seq_tup_read::text FROM pg_stat_xact_user_tables WHERE seq_tup_read > 0"


@dataclass
class Scanning:
    """An onlooker that asks, besides, which tables the open transaction has read row by row."""

    inner: Onlooker
    scans: dict[int, set[str]] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)

    def between(self, session: int, statement: int, ask: Ask | None, /) -> Effects:
        effects = self.inner.between(session, statement, ask)
        if ask is not None:
            now = {str(table): int(rows or 0) for table, rows in ask(SCANNED)}
            fresh = {table for table, rows in now.items() if rows - self.before.get(table, 0) >= 1000}
            self.scans[statement], self.before = fresh, now
        return effects


@dataclass(frozen=True)
class Run:
    """What was seen of an example's run."""

    statements: list[StatementRan]
    locks: list[LockTaken]
    scans: dict[int, set[str]]

    def own(self, sql: str) -> StatementRan:
        return next(one for one in self.statements if one.sql == sql)

    def closed(self, one: StatementRan) -> set[str]:
        """Return the tables that a statement, or its transaction before it, has closed."""
        before = {other.n for other in self.statements if one.transaction and other.transaction == one.transaction}
        asked = {number for number in before if number < one.n} | {one.n}
        return {lock.table for lock in self.locks if lock.stops and lock.statement in asked}


@pytest.fixture(scope="module", params=["server", "installed"])
def filled(request: pytest.FixtureRequest) -> Iterator[PostgresDatabase]:
    """A shop with many orders, to be copied for each example; on the embedded server, and on an older one."""
    server: PostgresServer = request.getfixturevalue(request.param)
    database = server.create("hazards")
    with database.connect(Role.MIGRATION) as connection:
        connection.execute((shop("postgres") + FILL).encode())
    database.grant()
    yield database
    database.drop()


def ran(database: PostgresDatabase, example: Example) -> Run:
    """Run an example as the migration of a scenario is run, and look at it as a rehearsal does."""
    split = splitter("postgres")
    with database.connect(Role.MIGRATION) as connection:
        for one in split(example.schema, "schema.sql", 1):
            connection.execute(one.sql.encode())
    journal = KeepingJournal()
    watch = database.watch(journal)
    scanning = Scanning(watch.onlooker)
    mode = example.transaction if example.transaction == "file" else "none"
    script = Script(tuple(split(example.sql, "up.sql", 1)), "up.sql", mode)
    running = runner(database.url(Role.MIGRATION), {}, journal=journal, onlooker=scanning)
    with watching(watch.probes, journal), running as runs, suppress(MigrationFailed):
        runs.run([script])
    statements = [one for one in journal.events if isinstance(one, StatementRan)]
    watch.finish(statements)
    return Run(statements, [one for one in journal.events if isinstance(one, LockTaken)], scanning.scans)


PROVABLE = [rule for rule in RULES if rule.proof == "rehearsal" and "postgres" in rule.engines]


@pytest.fixture
def fresh(filled: PostgresDatabase) -> Iterator[PostgresDatabase]:
    copy = filled.fork(f"hazard_{next(_numbers)}")
    yield copy
    copy.drop()


@pytest.mark.parametrize("rule", PROVABLE, ids=lambda rule: rule.code)
def test_a_bad_example_does_on_a_server_what_is_claimed(fresh: PostgresDatabase, rule: Rule) -> None:
    example = rule.bad["postgres"]
    run = ran(fresh, example)
    hazards = of(rule, found("postgres", replace(example, version=str(fresh.server.major))))
    assert hazards
    for hazard in hazards:
        own = run.own(hazard.sql)
        judged = proof(hazard, own, run.locks)
        assert judged.status == "measured", judged.says
        if own.transaction is not None and own.error is None:  # else what it reads is not told
            assert set(hazard.claim.scans) <= run.scans[own.n]


@pytest.mark.parametrize("rule", PROVABLE, ids=lambda rule: rule.code)
def test_a_good_example_closes_no_table_for_a_time_that_grows_with_its_rows(
    fresh: PostgresDatabase, rule: Rule
) -> None:
    run = ran(fresh, rule.good["postgres"])
    assert [one.error for one in run.statements if one.error] == []
    for one in run.statements:
        assert not one.rewrites, one.sql
        assert not run.closed(one) & run.scans.get(one.n, set()), one.sql


def of(rule: Rule, hazards: Sequence[Hazard]) -> list[Hazard]:
    return [one for one in hazards if one.rule is rule]
