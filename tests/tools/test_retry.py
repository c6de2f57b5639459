"""`-- rehearse:retry`: a lock that does not come in time is given up, and asked for again."""

from __future__ import annotations

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import Mistake
from rehearse.events import Event, StatementRan
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import MigrationFailed, Role
from rehearse.registry import tool
from rehearse.tools._retry import Retry, retry
from rehearse.tools._runner import blocks
from rehearse.tools._split import delimited_statements, statements
from tests.conftest import KeepingJournal


def test_the_marker_says_how() -> None:
    (one,) = statements(
        "-- rehearse:retry lock_timeout=50ms attempts=3 pause=2s backoff=2\nALTER TABLE t ADD a int;", "up.sql"
    )
    assert one.retry == Retry(lock_timeout_ns=50_000_000, attempts=3, pause_ns=2_000_000_000, backoff=2)
    (usual,) = delimited_statements("-- rehearse:retry\nALTER TABLE t ADD a int;", "up.sql")
    assert usual.retry == Retry()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("lock_timout=1s", "up.sql:1: rehearse:retry: 'lock_timout' is not known; did you mean 'lock_timeout'"),
        ("pause=5", "up.sql:1: rehearse:retry: '5' is not a duration"),
        ("attempts=0", "there is one attempt at least"),
        ("backoff=0.5", "backoff=0.5 is not from 1 to 10"),
    ],
)
def test_what_is_wrong_with_a_marker_is_told(words: str, says: str) -> None:
    with pytest.raises(Mistake, match=says):
        retry(f"-- rehearse:retry {words}", "up.sql:1")


def test_a_block_goes_to_its_commit_and_one_without_is_a_mistake() -> None:
    text = "-- rehearse:retry\nBEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\nSELECT 3;"
    assert [[one.sql for one in block] for block in blocks(statements(text, "up.sql"))] == [
        ["BEGIN", "SELECT 1", "SELECT 2", "COMMIT"],
        ["SELECT 3"],
    ]
    with pytest.raises(Mistake, match=r"up\.sql:2: rehearse:retry: there is no COMMIT behind this BEGIN"):
        list(blocks(statements("-- rehearse:retry\nBEGIN;\nSELECT 1;", "up.sql")))


def test_pauses_grow_are_jittered_by_the_seed_and_have_an_end() -> None:
    one = Retry(pause_ns=1_000_000_000, backoff=2)
    pauses = [one.pause_after_ns(attempt, "seed") for attempt in (1, 2, 3)]
    assert pauses == [one.pause_after_ns(attempt, "seed") for attempt in (1, 2, 3)]
    assert pauses != [one.pause_after_ns(attempt, "other") for attempt in (1, 2, 3)]
    assert all(0.75 <= pause / (1e9 * 2**place) <= 1.25 for place, pause in enumerate(pauses))
    assert one.pause_after_ns(500, "seed") <= 75_000_000_000
    assert Retry(attempts=9_000, backoff=10).pause_after_ns(8_999, "seed") <= 75_000_000_000


def test_a_file_that_is_one_transaction_cannot_be_tried_again() -> None:
    choice = MigrationChoice(forward="-- rehearse:retry\nALTER TABLE t ADD a int;")
    with pytest.raises(Mistake, match="rehearse:retry makes each attempt a transaction of its own"):
        tool("sql").open(Scenario(name="x", migration=choice))


class Releasing(KeepingJournal):
    """A journal that ends another session's transaction when an attempt has failed so often."""

    def __init__(self, after: int, release: object) -> None:
        super().__init__()
        self.left = after
        self.release = release

    def write(self, event: Event, /) -> None:
        super().write(event)
        if isinstance(event, StatementRan) and event.retried:
            self.left -= 1
            if self.left == 0:
                self.release()  # type: ignore[operator]


def ran(journal: KeepingJournal) -> list[tuple[str, int | None, bool, str | None]]:
    return [(one.sql, one.attempt, one.retried, one.code) for one in journal.events if isinstance(one, StatementRan)]


BLOCK = """
-- rehearse:retry lock_timeout=20ms attempts={attempts} pause=1ms backoff=1
BEGIN;
CREATE TABLE made (a int);
ALTER TABLE held ADD COLUMN a int;
COMMIT;
SHOW lock_timeout;
"""


@pytest.mark.slow
def test_a_block_is_rolled_back_and_run_again_until_the_lock_is_free(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as holder, holder.cursor() as cursor:
        cursor.execute("CREATE TABLE held (id int)")
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM held")
        journal = Releasing(2, lambda: cursor.execute("ROLLBACK"))
        choice = MigrationChoice(forward=BLOCK.format(attempts=5), transaction="none")
        tool("sql").open(Scenario(name="x", migration=choice)).forward(database.url(Role.MIGRATION), journal)
        found = ran(journal)
        failed = [
            ("CREATE TABLE made (a int)", True, False, None),
            ("ALTER TABLE held ADD COLUMN a int", True, True, "55P03"),
        ]
        for attempt in (1, 2):
            assert [(sql, at == attempt, again, code) for sql, at, again, code in found if at == attempt][1:3] == failed
        assert [sql for sql, at, *_ in found if at == 3] == [
            "BEGIN", "CREATE TABLE made (a int)", "ALTER TABLE held ADD COLUMN a int", "COMMIT",
        ]  # fmt: skip
        assert found[-1] == ("SHOW lock_timeout", None, False, None)
        cursor.execute("SELECT count(*) FROM information_schema.columns WHERE table_name IN ('made', 'held')")
        assert cursor.fetchone() == (3,)


@pytest.mark.slow
def test_when_all_attempts_are_spent_the_migration_has_failed_and_nothing_stays(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as holder, holder.cursor() as cursor:
        cursor.execute("CREATE TABLE held (id int)")
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM held")
        journal = KeepingJournal()
        migration = tool("sql").open(
            Scenario(name="x", migration=MigrationChoice(forward=BLOCK.format(attempts=2), transaction="none"))
        )
        with pytest.raises(MigrationFailed, match="canceling statement due to lock timeout"):
            migration.forward(database.url(Role.MIGRATION), journal)
        assert [again for sql, _, again, code in ran(journal) if code == "55P03"] == [True, False]
        cursor.execute("ROLLBACK")
        cursor.execute("SELECT to_regclass('made')")
        assert cursor.fetchone() == (None,)


@pytest.mark.slow
def test_another_error_is_not_tried_again(database: PostgresDatabase) -> None:
    journal = KeepingJournal()
    choice = MigrationChoice(forward="-- rehearse:retry\nALTER TABLE nowhere ADD a int;", transaction="none")
    with pytest.raises(MigrationFailed, match="does not exist"):
        tool("sql").open(Scenario(name="x", migration=choice)).forward(database.url(Role.MIGRATION), journal)
    assert [(at, again) for sql, at, again, code in ran(journal) if code] == [(1, False)]
