"""A server starts, serves its roles, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pymysql
import pytest

from rehearse import registry
from rehearse.engines.mysql import named
from rehearse.engines.mysql.client import Connection, execute, interruption, opened, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import ScenarioMistake
from rehearse.events import Remarked
from rehearse.model import EngineChoice, Setting
from rehearse.protocols import Comparable, Forkable, LoadsFiles, Role, Watchable
from tests.conftest import KeepingJournal
from tests.engines.mysql.comparing import run
from tests.engines.test_server import PROJECT, eventually

pytestmark = pytest.mark.slow


def test_each_role_connects_as_itself(shop: MysqlDatabase) -> None:
    for role in Role:
        with shop.connect(role) as connection:
            assert rows(connection, "SELECT user(), database()")[0] == (
                f"rehearse_{role}@localhost",
                shop.name,
            )


def test_the_migration_may_change_the_schema_and_the_application_may_not(shop: MysqlDatabase) -> None:
    with shop.connect(Role.MIGRATION) as connection:
        execute(connection, "CREATE TABLE t (id int PRIMARY KEY)")
    with shop.connect(Role.APPLICATION) as connection:
        assert execute(connection, "INSERT INTO t VALUES (1)") == 1
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            execute(connection, "ALTER TABLE t ADD COLUMN a int")
    with shop.connect(Role.OBSERVER) as connection:
        assert rows(connection, "SELECT id FROM t") == ((1,),)


def test_it_can_do_what_a_rehearsal_asks_for(shop: MysqlDatabase) -> None:
    for seam in (Forkable, LoadsFiles, Comparable, Watchable):
        assert isinstance(shop, seam)


def test_no_password_is_in_a_process_list_a_file_or_a_text(server: MysqlServer) -> None:
    assert server.pid is not None
    process = psutil.Process(server.pid)
    folder = Path(process.cmdline()[1].partition("=")[2]).parent
    said = " ".join([*process.cmdline(), str(process.environ()), repr(server), repr(server.logins)])
    said += "".join(path.read_text(errors="replace") for path in folder.glob("*") if path.is_file())
    with server.connect() as connection:
        history = rows(connection, "SELECT sql_text FROM performance_schema.events_statements_history_long")
    said += " ".join(str(text) for (text,) in history)
    for login in server.logins.values():
        assert login.password not in said
    assert not (folder / "init.sql").exists()


def test_a_server_is_gone_when_its_block_is_left(server: MysqlServer) -> None:
    name = server.flavour.name
    with registry.engine(name).start(EngineChoice(name=name, via="binary"), KeepingJournal()) as other:
        assert isinstance(other, MysqlServer)
        assert other.pid is not None and other.address.socket is not None
        pid, folder = other.pid, other.address.socket.parent
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)
    assert not folder.exists()


def test_a_setting_of_production_is_obeyed_or_a_reader_is_told(server: MysqlServer) -> None:
    journal = KeepingJournal()
    wanted: dict[str, Setting] = {"innodb_lock_wait_timeout": 7, "port": 3306, "max_connections": 123}
    choice = EngineChoice(name=server.flavour.name, via="binary", settings=wanted)
    with registry.engine(server.flavour.name).start(choice, journal) as other:
        settings = other.settings()
    assert (settings["innodb_lock_wait_timeout"], settings["max_connections"]) == ("7", "123")
    assert any("engine.settings.port" in one.says for one in journal.events if isinstance(one, Remarked))


def test_a_setting_that_does_not_exist_is_a_mistake_in_the_servers_words(server: MysqlServer) -> None:
    choice = EngineChoice(name=server.flavour.name, via="binary", settings={"innodb_bufer_pool_size": "1G"})
    with (
        pytest.raises(ScenarioMistake, match="innodb_bufer_pool_size"),
        registry.engine(server.flavour.name).start(choice, KeepingJournal()),
    ):
        pass


def test_a_way_that_is_not_there_says_which_are(server: MysqlServer) -> None:
    choice = EngineChoice(name=server.flavour.name, via="embedded")
    with (
        pytest.raises(ScenarioMistake, match="'binary'"),
        registry.engine(server.flavour.name).start(choice, KeepingJournal()),
    ):
        pass


def test_settings_that_speed_up_a_load_are_back_afterwards(server: MysqlServer) -> None:
    with server.connect() as connection:
        query = "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit"
        with server.loading():
            assert rows(connection, query) == ((0,),)
        assert rows(connection, query) == ((1,),)


def test_databases_on_a_server_of_the_users_are_marked_and_removed(server: MysqlServer, tmp_path: Path) -> None:
    with server.connect() as connection:
        execute(connection, "CREATE DATABASE precious")
        url = server.url(Role.OWNER, "")
        with registry.engine(server.flavour.name).start(
            EngineChoice(name=server.flavour.name, via="url", url=url), KeepingJournal()
        ) as theirs:
            made = theirs.create("rehearsal")
            assert made.name.startswith("rehearse_")
            (tmp_path / "dump.sql").write_text("USE precious;\nCREATE TABLE t (id int);\n")
            with pytest.raises(ScenarioMistake, match=r"dump.sql:1: ERROR 1044"):
                made.run_file(tmp_path / "dump.sql")  # type: ignore[attr-defined]
            with pymysql.connect(**_parts(made.url(Role.MIGRATION))) as migration, migration.cursor() as cursor:
                cursor.execute("CREATE TABLE t (id int)")
            accounts = {user for (user,) in rows(connection, "SELECT user FROM mysql.user")}
        left = {name for (name,) in rows(connection, "SHOW DATABASES")}
        assert "precious" in left and made.name not in left
        assert len(accounts - {user for (user,) in rows(connection, "SELECT user FROM mysql.user")}) == 3
        execute(connection, "DROP DATABASE precious")


def test_what_a_server_of_the_users_still_runs_of_ours_is_ended_first(server: MysqlServer) -> None:
    name = server.flavour.name
    choice = EngineChoice(name=name, via="url", url=server.url(Role.OWNER, ""))
    journal = KeepingJournal()
    held, waits = "SELECT get_lock('rehearse_held', 0)", "SELECT id FROM t WHERE get_lock('rehearse_held', 600)"
    ours = "SELECT id FROM information_schema.processlist WHERE user LIKE 'rehearse_migration_%' AND command = 'Query'"
    with server.connect() as connection:
        with registry.engine(name).start(choice, journal) as theirs:
            made = theirs.create("rehearsal")
            assert isinstance(made, MysqlDatabase)
            run(made, "create table t (id int); insert into t values (1)")
            execute(connection, held)
            migration = opened(made.server.at(Role.MIGRATION, made.name))
            waiting = threading.Thread(target=lambda: _ends(migration, waits))
            waiting.start()
            assert eventually(lambda: rows(connection, ours))
        waiting.join()
        migration.close()
        assert not rows(connection, "SHOW DATABASES LIKE 'rehearse\\_%%'")
        assert not [one for one in journal.events if isinstance(one, Remarked)]


def test_what_cannot_be_removed_from_a_server_of_the_users_is_told_and_keeps_its_mark(
    server: MysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named, "_WAIT_S", 1)
    name, url = server.flavour.name, server.url(Role.OWNER, "")
    journal = KeepingJournal()
    with server.connect() as connection:
        with registry.engine(name).start(EngineChoice(name=name, via="url", url=url), journal) as theirs:
            made = theirs.create("rehearsal")
            assert isinstance(made, MysqlDatabase) and made.server.token
            run(made, "create table t (id int)")
            execute(connection, f"LOCK TABLES {made.name}.t READ")
        told = [one.says for one in journal.events if isinstance(one, Remarked)]
        assert told[0].startswith(f"left on the server of engine.url: database {made.name} (ERROR 1205")
        assert [one.split("account ")[1].partition("_")[2].partition(";")[0] for one in sorted(told[1:])] == [
            f"{role}_{made.server.token}@%" for role in ("application", "migration", "observer")
        ]
        execute(connection, "UNLOCK TABLES")
        assert named.sweep(url, made.server.token, server.flavour.ours) == []
        assert not rows(connection, "SHOW DATABASES LIKE 'rehearse\\_%%'")


def test_an_error_of_clearing_up_does_not_hide_an_interruption() -> None:
    def cleared(first: type[BaseException]) -> BaseException | None:
        try:
            try:
                raise first
            finally:
                raise pymysql.err.InterfaceError(0, "")
        except pymysql.err.MySQLError as error:
            return interruption(error)

    assert isinstance(cleared(KeyboardInterrupt), KeyboardInterrupt)
    assert cleared(ValueError) is None


def _ends(connection: Connection, query: str) -> None:
    with pytest.raises(pymysql.err.MySQLError):
        rows(connection, query)


def _parts(url: str) -> dict[str, object]:
    found = urlsplit(url)
    return {
        "host": found.hostname,
        "port": found.port,
        "user": found.username,
        "password": found.password,
        "database": found.path.lstrip("/"),
    }


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_dies_leaves_nothing(server: MysqlServer, how: signal.Signals) -> None:
    assert server.pid  # else there is no server here, and that is the skip's to say
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.engines.mysql.lives", server.flavour.name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=PROJECT,
    ) as parent:
        assert parent.stdout
        where = json.loads(parent.stdout.readline())
        assert psutil.pid_exists(where["pid"])
        parent.send_signal(how)
        assert eventually(lambda: not psutil.pid_exists(where["pid"]) and not Path(where["folder"]).exists())
