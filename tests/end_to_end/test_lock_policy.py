"""What is foreseen of a policy of lock time-outs comes true on a server."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from rehearse.engines.postgres.company import company
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import CompanyKept, PhaseRan, StatementRan
from rehearse.measures.lock_policy import Policy, foreseen, holds
from rehearse.model import CompanyChoice, MigrationChoice, Scenario
from rehearse.protocols import Role
from rehearse.registry import tool
from rehearse.testing.recordings import recorded, scenario
from rehearse.units import NS_PER_MS
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

BLOCKS = 25
POLICY = Policy(lock_timeout_ns=40 * NS_PER_MS, attempts=50, pause_ns=70 * NS_PER_MS, backoff=1)
REPORT = CompanyChoice(name="report", sql="select from held", hold=150 * NS_PER_MS, every=250 * NS_PER_MS)
MARKER = "-- rehearse:retry lock_timeout=40ms attempts=50 pause=70ms backoff=1"


def test_the_share_of_attempts_that_get_the_lock(database: PostgresDatabase) -> None:
    """The table is held for 150 of every 250 ms; blocks begin at random moments, by seed."""
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE held (id int)")
    database.grant()
    moments = random.Random(7)
    text = "\n".join(
        f"SELECT pg_sleep({moments.uniform(0, 0.25):.3f});\n{MARKER}\nALTER TABLE held ALTER id SET DEFAULT {n};"
        for n in range(BLOCKS)
    )
    journal = KeepingJournal()
    choice = MigrationChoice(forward=text, transaction="none")
    begun = time.monotonic_ns()
    with company(database.url(Role.APPLICATION), [REPORT], {}, journal):
        tool("sql").open(Scenario(name="x", migration=choice)).forward(database.url(Role.MIGRATION), journal)
    ended = time.monotonic_ns()

    tried = [one for one in journal.events if isinstance(one, StatementRan) and one.sql.startswith("ALTER")]
    share = sum(not one.retried for one in tried) / len(tried)
    assert sum(one.error is None for one in tried) == BLOCKS

    of = scenario()
    of = replace(of, workload=replace(of.workload, company=[REPORT]))
    kept = [one for one in journal.events if isinstance(one, CompanyKept)]
    baseline = PhaseRan(at_ns=begun, ended_ns=ended, name="baseline", acted_ns=None, finished_ns=None)
    seen = holds(recorded([baseline, *kept], of=of, calls=()), "held")
    found = foreseen(seen, POLICY)
    assert found.gets == 1
    assert found.share == pytest.approx(share, abs=0.25)
    assert BLOCKS * found.attempts == pytest.approx(len(tried), rel=0.5)
    assert found.attempts > 1.2 and len(tried) > BLOCKS * 1.2
