"""A statement under `-- rehearse:backfill`: its batches are statements of the migration."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import Mistake
from rehearse.events import StatementRan
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import MigrationFailed, Role
from rehearse.tools.sql import TOOL, SqlMigration
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow

TEXT = "-- rehearse:backfill batch=100 batch_time=off\nupdate t set b = a * 2 where b is null;"


@pytest.fixture
def url(database: PostgresDatabase) -> str:
    database.grant()
    url = database.url(Role.MIGRATION)
    with psycopg.connect(url) as connection:
        connection.execute("create table t (a int primary key, b int)")
        connection.execute("insert into t select g, null from generate_series(1, 250) g")
    return url


def opened(forward: str, **choice: Any) -> SqlMigration:
    return TOOL.open(Scenario(name="x", migration=MigrationChoice(forward=forward, transaction="none", **choice)))


def ran(journal: KeepingJournal) -> list[StatementRan]:
    return [one for one in journal.events if isinstance(one, StatementRan)]


def test_each_batch_is_a_transaction_of_the_migration(url: str, journal: KeepingJournal) -> None:
    opened(TEXT + " select 1;").forward(url, journal)
    found = ran(journal)
    assert [one.sql.split()[0] for one in found] == ["BEGIN", "update", "COMMIT"] * 3 + ["select"]
    assert [one.rows for one in found if one.sql.startswith("update")] == [100, 100, 50]
    assert [one.transaction for one in found] == [1, 1, 1, 2, 2, 2, 3, 3, 3, None]
    assert {one.file for one in found[:-1]} == {"migration.forward:2"}
    assert '"t"."a" > 100 AND "t"."a" <= 200' in found[4].sql


def test_the_sessions_settings_are_as_before_afterwards(url: str, journal: KeepingJournal) -> None:
    text = TEXT + "select set_config('x.y', current_setting('lock_timeout') || current_setting('datestyle'), false);"
    text += "insert into t select 251, 1 where current_setting('x.y') = '7sGerman, DMY'"
    opened(text, settings={"lock_timeout": "7s", "datestyle": "German"}).forward(url, journal)
    assert ran(journal)[-1].rows == 1


def test_rows_that_are_left_fail_the_migration(url: str, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed, match=r"migration.forward:2: 1 row .* not right .* such as the one with key 7"):
        opened(TEXT.replace("a * 2", "nullif(a, 7)")).forward(url, journal)


def test_a_batch_that_fails_is_rolled_back_and_fails_the_migration(url: str, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed, match=r"migration.forward:2: .* division by zero"):
        opened(TEXT.replace("a * 2", "a / (a - 150)")).forward(url, journal)
    assert [one.sql.split()[0] for one in ran(journal)] == ["BEGIN", "update", "COMMIT", "BEGIN", "update", "ROLLBACK"]
    assert (ran(journal)[4].code, ran(journal)[4].retried) == ("22012", False)


def test_a_lock_that_is_not_had_is_a_statement_that_failed_and_is_tried_again(
    url: str, journal: KeepingJournal
) -> None:
    with psycopg.connect(url) as other:
        other.execute("update t set b = 0 where a = 50")

        class Freeing(KeepingJournal):
            def write(self, event: Any, /) -> None:
                super().write(event)
                if isinstance(event, StatementRan) and event.error:
                    other.rollback()

        freeing = Freeing()
        opened(TEXT.replace("batch=100", "batch=100 lock_timeout=50ms")).forward(url, freeing)
    failed = [one for one in ran(freeing) if one.error]
    assert [(one.code, one.retried) for one in failed] == [("55P03", True)]
    assert sum(one.rows or 0 for one in ran(freeing) if one.sql.startswith("update")) == 250


def test_workers_have_connections_of_their_own_and_count_together(url: str, journal: KeepingJournal) -> None:
    opened(TEXT.replace("batch=100", "batch=20 workers=2")).forward(url, journal)
    found = ran(journal)
    assert sum(one.rows or 0 for one in found if one.sql.startswith("update")) == 250
    assert sorted(one.n for one in found) == list(range(1, len(found) + 1))
    by_transaction = {one.transaction: one.session for one in found}
    assert all(by_transaction[one.transaction] == one.session for one in found)
    assert len(by_transaction) == len(found) / 3


def test_a_time_out_ends_it(url: str, journal: KeepingJournal) -> None:
    text = TEXT.replace("batch=100", "batch=100 pause=60ms")
    with pytest.raises(MigrationFailed, match="cancelled after 100 ms"):
        opened(text, timeout=100_000_000).forward(url, journal)


def test_it_needs_transactions_of_its_own(url: str) -> None:
    with pytest.raises(Mistake, match="rehearse:backfill makes each batch a transaction of its own"):
        TOOL.open(Scenario(name="x", migration=MigrationChoice(forward=TEXT)))


def test_a_statement_that_cannot_be_cut_fails_with_its_place(url: str, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed, match=r"migration.forward:2: the statement is neither UPDATE nor INSERT"):
        opened("-- rehearse:backfill\ndelete from t;").forward(url, journal)
