"""SQL migrations on a server: what ran, when, in which transaction, and how it failed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import Remarked, StatementRan
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import Ask, Effects, MigrationFailed, NoWayBack, Role
from rehearse.tools.sql import TOOL, SqlMigration
from tests.conftest import KeepingJournal

pytestmark = pytest.mark.slow


def opened(**choice: Any) -> SqlMigration:
    return TOOL.open(Scenario(name="x", migration=MigrationChoice(**choice)))


def ran(journal: KeepingJournal) -> list[StatementRan]:
    return [one for one in journal.events if isinstance(one, StatementRan)]


def sqls(journal: KeepingJournal) -> list[str]:
    return [one.sql for one in ran(journal)]


class Looking:
    """An onlooker that keeps what it was told, and asks."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, list[str | None] | None]] = []

    def between(self, session: int, statement: int, ask: Ask | None, /) -> Effects:
        modes = "SELECT string_agg(mode, ' ') FROM pg_locks WHERE pid = pg_backend_pid() AND relation >= 16384"
        rows: Sequence[Sequence[str | None]] | None = None if ask is None else ask(modes)
        self.calls.append((statement, None if rows is None else list(rows[0])))
        return Effects(wal_bytes=statement, rewrites=("t",))


@pytest.fixture
def url(database: PostgresDatabase) -> str:
    database.grant()
    return database.url(Role.MIGRATION)


def test_a_file_runs_in_one_transaction_with_its_times(url: str, journal: KeepingJournal) -> None:
    before = time.monotonic_ns()
    opened(forward="create table t (a int);\nselect pg_sleep(0.05);\ninsert into t values (1), (2)").forward(
        url, journal
    )
    found = ran(journal)
    assert sqls(journal)[0] == "BEGIN"
    assert sqls(journal)[-1] == "COMMIT"
    assert [one.n for one in found] == [1, 2, 3, 4, 5]
    assert {one.transaction for one in found} == {1}
    assert found[3].rows == 2
    assert found[2].file == "migration.forward:2"
    assert 50_000_000 <= found[2].ended_ns - found[2].at_ns < 1_000_000_000
    assert before <= found[0].at_ns <= found[-1].ended_ns <= time.monotonic_ns()


def test_what_a_comment_passes_over_is_written_down(url: str, journal: KeepingJournal) -> None:
    opened(forward="create table t (a int);\n-- rehearse:ignore H401 of this test\ndrop table t").forward(url, journal)
    assert [one.ignored for one in ran(journal)] == [(), (), ("H401",), ()]


def test_a_failure_names_its_place_and_undoes_the_file(url: str, journal: KeepingJournal) -> None:
    migration = opened(forward="create table t (a int);\n\nselect 1/0;\nselect 2;")
    with pytest.raises(MigrationFailed, match=r"migration.forward:3 \(statement 3\): ERROR: division by zero"):
        migration.forward(url, journal)
    assert sqls(journal) == ["BEGIN", "create table t (a int)", "select 1/0", "ROLLBACK"]
    assert (ran(journal)[2].code, ran(journal)[2].error) == ("22012", "ERROR: division by zero")
    opened(forward="create table t (a int);").forward(url, journal)


def test_what_newer_servers_know_is_for_the_server_to_refuse(url: str, journal: KeepingJournal) -> None:
    with pytest.raises(MigrationFailed, match=r"migration.forward:2 .* syntax error at or near .selec."):
        opened(forward="select 1;\nselec 2;").forward(url, journal)


def test_an_index_concurrently_in_a_transaction_gets_the_servers_words(url: str, journal: KeepingJournal) -> None:
    text = "create table t (a int); create index concurrently i on t (a);"
    with pytest.raises(MigrationFailed, match="cannot run inside a transaction block"):
        opened(forward=text).forward(url, journal)
    opened(forward=text, transaction="none").forward(url, journal)


def test_each_statement_for_itself_is_looked_at_before_its_locks_go(url: str, journal: KeepingJournal) -> None:
    opened(forward="create table t (a int); create type e as enum ('a');").forward(url, KeepingJournal())
    text = "alter table t add b int; create index concurrently i on t (a); alter type e add value 'b'; vacuum t"
    migration, looking = opened(forward=text, transaction="statement"), Looking()
    migration.watch(looking)
    migration.forward(url, journal)
    alter, index, add, vacuum = (one.strip() for one in text.split(";"))
    assert sqls(journal) == ["BEGIN", alter, "COMMIT", index, "BEGIN", add, "COMMIT", vacuum]
    assert [number for number, _ in looking.calls] == list(range(9))
    assert looking.calls[2][1] == ["AccessExclusiveLock"]
    assert [one.transaction for one in ran(journal)] == [1, 1, 1, None, 2, 2, 2, None]
    assert (ran(journal)[1].wal_bytes, ran(journal)[1].rewrites) == (2, ("t",))


def test_the_onlooker_cannot_ask_in_a_failed_transaction(url: str, journal: KeepingJournal) -> None:
    migration, looking = opened(forward="select 1/0;"), Looking()
    migration.watch(looking)
    with pytest.raises(MigrationFailed):
        migration.forward(url, journal)
    assert looking.calls[2] == (2, None)
    assert looking.calls[3] == (3, [None])


def test_what_only_the_server_knows_to_stand_alone_is_run_again_by_itself(url: str, journal: KeepingJournal) -> None:
    table = "create table p (a int) partition by range (a); create table p1 partition of p for values from (0) to (9);"
    opened(forward=table).forward(url, KeepingJournal())
    migration = opened(forward="reindex table p;", transaction="none")
    migration.watch(Looking())
    migration.forward(url, journal)
    assert sqls(journal) == ["BEGIN", "ROLLBACK", "reindex table p"]


@pytest.mark.parametrize(
    ("name", "mark"), [("1_a.sql", "-- migrate:up transaction:false\n"), ("1_a.up.sql", ""), ("m/up.sql", "")]
)
def test_a_file_sent_as_one_query_may_hold_one_index_concurrently_and_nothing_else(
    url: str, journal: KeepingJournal, tmp_path: Path, name: str, mark: str
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/metadata.toml").write_text("run_in_transaction = false")
    opened(forward="create table t (a int);").forward(url, KeepingJournal())
    scenario = Scenario(name="x", file=tmp_path / "x.toml", migration=MigrationChoice(forward=name))
    (tmp_path / name).write_text(f"{mark}create index concurrently i on t (a);")
    TOOL.open(scenario).forward(url, journal)
    (tmp_path / name).write_text(f"{mark}create index concurrently j on t (a); select 1;")
    with pytest.raises(MigrationFailed, match="cannot run inside a transaction block"):
        TOOL.open(scenario).forward(url, journal)


def test_begin_and_commit_in_the_file_are_obeyed(url: str, journal: KeepingJournal) -> None:
    text = "begin; create table t (a int); savepoint s; select 1; rollback to s; commit; create table u (a int);"
    migration = opened(forward=text, transaction="none")
    migration.watch(Looking())
    migration.forward(url, journal)
    assert [one.transaction for one in ran(journal)] == [1] * 6 + [2] * 3


def test_a_file_of_golang_migrate_with_its_own_begin_is_obeyed(
    url: str, journal: KeepingJournal, tmp_path: Path
) -> None:
    (tmp_path / "1_a.up.sql").write_text("BEGIN; create table t (a int); COMMIT;")
    choice = MigrationChoice(forward="1_a.up.sql")
    TOOL.open(Scenario(name="x", file=tmp_path / "x.toml", migration=choice)).forward(url, journal)
    assert sqls(journal) == ["BEGIN", "create table t (a int)", "COMMIT"]
    assert not [one for one in journal.events if isinstance(one, Remarked)]


def test_a_way_back_that_is_not_there_says_where_it_was_looked_for(url: str, journal: KeepingJournal) -> None:
    with pytest.raises(NoWayBack, match=r"migration\.back is not given"):
        opened(forward="select 1;").back(url, journal)


def test_a_statement_that_outlives_the_time_out_is_cancelled(url: str, journal: KeepingJournal) -> None:
    began = time.monotonic()
    with pytest.raises(MigrationFailed, match=r"cancelled after 100 ms \(migration.timeout\): ERROR: canceling"):
        opened(forward="select pg_sleep(30); select 2;", timeout=100_000_000).forward(url, journal)
    assert time.monotonic() - began < 10
    assert sqls(journal)[-1] == "ROLLBACK"
    assert ran(journal)[1].code == "57014"


def test_a_time_out_between_statements_stops_the_next(url: str, journal: KeepingJournal) -> None:
    opened(forward="create table t (a int); insert into t values (1);").forward(url, KeepingJournal())
    text = "-- rehearse:repeat pause=20ms\nupdate t set a = a + 1"
    with pytest.raises(MigrationFailed, match="cancelled after 100 ms"):
        opened(forward=text, transaction="none", timeout=100_000_000).forward(url, journal)


def test_a_batched_backfill_runs_until_no_row_is_left(url: str, journal: KeepingJournal) -> None:
    opened(forward="create table t as select n, null::int b from generate_series(1, 95) n;").forward(
        url, KeepingJournal()
    )
    text = "-- rehearse:repeat pause=1ms\nupdate t set b = 1 where n in (select n from t where b is null limit 10);"
    migration = opened(forward=text, transaction="none")
    migration.watch(Looking())
    migration.forward(url, journal)
    assert [one.rows for one in ran(journal) if one.sql.startswith("update")] == [10] * 9 + [5, 0]
    assert {one.file for one in ran(journal)} == {"migration.forward:2"}


def test_a_repetition_without_end_is_a_failure(url: str, journal: KeepingJournal) -> None:
    opened(forward="create table t (a int); insert into t values (1);").forward(url, KeepingJournal())
    with pytest.raises(MigrationFailed, match="still affects rows after 5 repetitions"):
        opened(forward="-- rehearse:repeat limit=5\nupdate t set a = 1", transaction="none").forward(url, journal)


def test_settings_are_the_sessions_and_unknown_ones_get_the_servers_words(url: str, journal: KeepingJournal) -> None:
    migration = opened(
        forward="create table t (a int); insert into t select current_setting('lock_timeout') = '1s';",
        settings={"lock_timeout": "1s"},
    )
    with pytest.raises(MigrationFailed, match="boolean"):
        migration.forward(url, journal)
    with pytest.raises(MigrationFailed, match=r"migration.settings.lock_timeoot = 1: ERROR: unrecognized"):
        opened(forward="select 1;", settings={"lock_timeoot": 1}).forward(url, journal)


def test_notices_are_kept_up_to_a_limit(url: str, journal: KeepingJournal) -> None:
    text = "do $$ begin for i in 1 .. 1000 loop raise notice 'row %', i; end loop; end $$;"
    opened(forward=text).forward(url, journal)
    says = [one.says for one in journal.events if isinstance(one, Remarked)]
    assert says[0] == "NOTICE: row 1"
    assert len(says) == 200


def test_rows_behind_copy_are_loaded(url: str, journal: KeepingJournal) -> None:
    text = "create table t (a int, b text);\nCOPY t FROM stdin;\n1\tit's; here\n2\t\\N\n\\.\nselect * from t;"
    opened(forward=text).forward(url, journal)
    assert [one.rows for one in ran(journal)][2:4] == [2, 2]


def test_a_dump_leaves_no_search_path_to_the_next_file(url: str, journal: KeepingJournal, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("\\restrict x\nselect set_config('search_path', '', false);\n\\unrestrict x\n")
    (tmp_path / "b.sql").write_text("create table t (a int);")
    choice = MigrationChoice(schema=["a.sql", "b.sql"], forward="alter table t add b int;")
    migration = TOOL.open(Scenario(name="x", file=tmp_path / "x.toml", migration=choice))
    migration.prepare(url)
    migration.forward(url, journal)


def test_a_server_that_is_gone_is_a_failure_and_not_a_crash(journal: KeepingJournal, url: str) -> None:
    with pytest.raises(MigrationFailed, match="could not connect"):
        opened(forward="select 1;").forward("postgresql://x@127.0.0.1:1/x", journal)
    with pytest.raises(MigrationFailed, match="terminat"):
        opened(forward="select pg_terminate_backend(pg_backend_pid());").forward(url, journal)
