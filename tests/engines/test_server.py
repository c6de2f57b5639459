"""A server starts anywhere, serves its roles, and leaves nothing behind however its parent ends."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql

import rehearse
from rehearse.engines import _local, _watchdog
from rehearse.engines.postgres import ENGINE, binaries, cluster
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import NotDisposable, ScenarioMistake, ServerFailed
from rehearse.events import Remarked
from rehearse.model import EngineChoice
from rehearse.protocols import Forkable, Role

pytestmark = pytest.mark.slow

LIVES = Path(__file__).with_name("lives.py")
PROJECT = Path(rehearse.__file__).parents[1]


def eventually(is_so: Callable[[], object], limit_s: float = 20.0) -> bool:
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_gone(where: dict[str, Any]) -> bool:
    return not Path(where["folder"]).exists() and not psutil.pid_exists(where["pid"])


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]]:
    """Start a rehearsal's server in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(choice: dict[str, Any], *words: str, **options: Any) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        python = options.pop("python", sys.executable)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])} | options.pop("env", {})
        command = [python, LIVES, json.dumps(choice), *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **options)
        started.append(process)
        assert process.stdout
        return process, json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_dies_leaves_nothing(start, how: signal.Signals) -> None:
    parent, where = start({}, "wait", stderr=subprocess.DEVNULL)
    family = psutil.Process(where["pid"]).children(recursive=True)
    parent.send_signal(how)
    assert eventually(lambda: is_gone(where))
    assert eventually(lambda: not any(_watchdog._runs(one) for one in family))


def test_impatient_interrupts_leave_nothing(start) -> None:
    parent, where = start({}, "wait", stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while parent.poll() is None and time.monotonic() < deadline:
        parent.send_signal(signal.SIGINT)
    assert eventually(lambda: is_gone(where))


def test_a_second_interrupt_while_all_is_taken_down_leaves_nothing(monkeypatch) -> None:
    def interrupted(*_args: object, **_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_watchdog, "take_down", interrupted)
    monkeypatch.setattr(cluster, "_end", interrupted)
    with pytest.raises(KeyboardInterrupt), cluster.running(binaries.embedded(None), {}) as running:
        where = {"pid": running.process.pid, "folder": str(running.folder)}
        raise KeyboardInterrupt
    running.process.wait(timeout=10)
    assert eventually(lambda: is_gone(where))


def test_a_stopped_backend_does_not_keep_a_dead_parents_server(start) -> None:
    parent, where = start({}, "wait")
    psutil.Process(where["pid"]).children()[0].suspend()
    parent.kill()
    assert eventually(lambda: is_gone(where))


def test_what_a_dead_rehearsal_and_its_dead_watchdog_left_is_removed_by_the_next(start, monkeypatch) -> None:
    parent, where = start({}, "wait")
    for dog in psutil.Process(parent.pid).children():
        if "_watchdog" in " ".join(dog.cmdline()):
            dog.kill()
    parent.kill()
    parent.wait()
    assert not is_gone(where)
    monkeypatch.setattr(_local, "_SETTLED_S", 0)
    folders = _local.abandoned(Path(where["folder"]).parent)
    for folder in (one for one in folders if str(one) == where["folder"]):
        _watchdog.take_down(folder, folder / "data" / "postmaster.pid")
    assert eventually(lambda: is_gone(where))


def test_two_servers_live_beside_each_other(start) -> None:
    first = start({}, "wait")[1]
    second = start({}, "wait")[1]
    assert first["pid"] != second["pid"]


def test_an_installed_version_is_used(journal) -> None:
    try:
        found = binaries.installed("15")
    except binaries.Missing as missing:
        pytest.skip(str(missing))
    with ENGINE.start(EngineChoice(via="binary", version="15"), journal) as server:
        assert server.version == found.version
        database = server.create("old")
        database.fork("copy").drop()


def opened(folder: Path) -> None:
    """Let others go into a folder of pytest's, however deep it lies: a process of several has one more above it."""
    for one in (folder, *folder.parents):
        if "pytest-" in one.name or "pytest-" in str(one.parent):
            one.chmod(0o755)


def test_an_ordinary_user_can_start_a_server(start, tmp_path: Path) -> None:
    user, python = ordinary_user()
    home = tmp_path / "home"
    home.mkdir()
    opened(home)
    os.chown(home, user.pw_uid, user.pw_gid)
    other: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    as_user = other if os.geteuid() == 0 else {}  # whoever is not root may become nobody else, not even itself
    parent, where = start({}, python=python, env={"HOME": str(home)}, cwd="/", **as_user)
    assert parent.wait() == 0
    assert is_gone(where)
    assert list(home.glob("**/templates/postgres-*"))


def ordinary_user() -> tuple[pwd.struct_passwd, str]:
    """Return someone who is not root, and a Python and a project that they can read."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()), sys.executable
    nobody = pwd.getpwnam("nobody")
    user = _local.User(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    modules = [LIVES, Path(psycopg.__file__), binaries.embedded(None).program("postgres")]
    for python in map(Path, (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")):
        if _local.can_read([python, *modules], user) and version_of(python) == version_of(Path(sys.executable)):
            return nobody, str(python)
    pytest.skip("user nobody cannot read a Python of this version with our packages; clone to where all can read")


def version_of(python: Path) -> str:
    return subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.rpartition(".")[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server as someone else")
def test_programs_in_a_closed_folder_are_copied_for_the_servers_user(tmp_path: Path, monkeypatch) -> None:
    embedded = binaries.embedded(None)
    package = embedded.folder.parents[1]
    closed = tmp_path / "closed"
    for folder in package.parent.glob(f"{package.name}*"):
        if folder.name in (package.name, f"{package.name}.libs"):
            shutil.copytree(folder, closed / folder.name, symlinks=True)
    closed.chmod(0o700)
    opened(tmp_path)
    monkeypatch.setenv("REHEARSE_CACHE", str(tmp_path / "cache"))
    hidden = binaries.Installation(closed / embedded.folder.relative_to(package.parent), embedded.version)
    with cluster.running(hidden, {}) as running:
        assert psutil.Process(running.process.pid).exe().startswith(str(tmp_path / "cache"))


def test_the_first_start_keeps_a_template_for_the_next(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("REHEARSE_CACHE", str(tmp_path))
    took = []
    for _ in range(2):
        began = time.perf_counter()
        with cluster.running(binaries.embedded(None), {}):
            took.append(time.perf_counter() - began)
    assert len([one for one in tmp_path.glob("templates/*") if one.is_dir()]) == 1
    with capsys.disabled():
        print(f"\nfirst start {took[0]:.2f} s, from the template {took[1]:.2f} s")


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("REHEARSE_CACHE", str(tmp_path / "file"))
    with cluster.running(binaries.embedded(None), {}) as running:
        assert running.data.exists()


def test_no_password_stands_in_any_process(server: PostgresServer, database: PostgresDatabase) -> None:
    with database.connect(Role.APPLICATION), psycopg.connect(database.url(Role.MIGRATION)):
        shown = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    passwords = [login.password for login in server.logins.values()]
    assert all(passwords)
    assert not [line for line in shown if any(str(word) in line for word in passwords)]


def test_no_password_is_logged(server: PostgresServer) -> None:
    assert server.log_path
    logged = server.log_path.read_text()
    assert not [login for login in server.logins.values() if str(login.password) in logged]


@pytest.mark.parametrize("role", list(Role))
def test_each_role_connects_under_its_own_name(database: PostgresDatabase, role: Role) -> None:
    with psycopg.connect(database.url(role)) as connection:
        found = connection.execute("SELECT current_user, current_setting('application_name')").fetchone()
    assert found == (database.server.logins[role].user, f"rehearse-{role}")


def test_the_application_can_use_what_the_migration_makes(database: PostgresDatabase) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE SCHEMA sales; CREATE TABLE sales.orders (id serial, n int)")
        connection.execute("CREATE TABLE here (id bigint GENERATED ALWAYS AS IDENTITY)")
    with database.connect(Role.APPLICATION) as connection:
        connection.execute("INSERT INTO sales.orders (n) VALUES (1); UPDATE sales.orders SET n = 2")
        connection.execute("INSERT INTO here DEFAULT VALUES; DELETE FROM here")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE here")
    with database.connect(Role.OBSERVER) as connection:
        assert connection.execute("SELECT n FROM sales.orders").fetchone() == (2,)


def test_only_the_migrations_statements_are_logged(database: PostgresDatabase) -> None:
    for role in (Role.MIGRATION, Role.APPLICATION):
        with database.connect(role) as connection:
            connection.execute(f"SELECT 'said by {role} of {database.name}'")  # type: ignore[call-overload]
    assert database.server.log_path
    log = database.server.log_path
    assert eventually(lambda: f"said by migration of {database.name}" in log.read_text())
    assert f"said by application of {database.name}" not in log.read_text()
    assert all(json.loads(line) for line in log.read_text().splitlines())


def test_settings_of_production_are_obeyed_and_told(journal) -> None:
    choice = EngineChoice(settings={"work_mem": "7MB", "deadlock_timeout": "2s", "jit": False, "port": 5432})
    with ENGINE.start(choice, journal, sessions=900) as server:
        settings = server.settings()
        assert server.address.port != 5432
    assert settings["work_mem"] == "7MB"
    assert settings["deadlock_timeout"] == "2s"
    assert settings["jit"] == "off"
    assert settings["max_connections"] == "1000"
    assert [one.says for one in journal.events if isinstance(one, Remarked) and "settings.port" in one.says]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shared_bufers": "1GB"}, ("engine.settings.shared_bufers", "unrecognized", "did you mean 'shared_buffers'")),
        ({"work_mem": "lots"}, ("engine.settings.work_mem", "invalid value")),
        ({"max_connections": -1}, ("engine.settings.max_connections", "outside the valid range")),
    ],
)
def test_a_setting_that_the_server_does_not_take_is_a_mistake(journal, settings: dict, words: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioMistake) as error, ENGINE.start(EngineChoice(settings=settings), journal):
        pass
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_server_that_does_not_start_says_why(journal) -> None:
    choice = EngineChoice(settings={"shared_preload_libraries": "pg_stat_statements", "wal_level": "minimal"})
    with pytest.raises(ServerFailed, match="wal_level"), ENGINE.start(choice, journal):
        pass


def test_a_server_that_dies_is_told_with_its_last_words(journal) -> None:
    with pytest.raises(ServerFailed, match="died"), ENGINE.start(EngineChoice(), journal) as server:
        with server.connect() as connection:
            os.kill(server.pid or 0, signal.SIGKILL)
            assert eventually(lambda: not psutil.pid_exists(connection.info.backend_pid))
        server.connect()


def test_a_port_that_someone_takes_first_is_no_failure(monkeypatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1], _local.free_port()])
        monkeypatch.setattr(_local, "free_port", lambda: next(ports))
        with cluster.running(binaries.embedded(None), {}) as running:
            assert running.port != taken.getsockname()[1]


def test_what_speeds_up_a_load_is_switched_back(server: PostgresServer) -> None:
    usual = server.settings()
    with server.loading():
        assert eventually(lambda: server.settings().get("fsync") == "off")
    assert server.settings() == usual


def test_a_fork_has_the_same_bytes_rights_and_settings(database: PostgresDatabase) -> None:
    assert isinstance(database, Forkable)
    name = database.name
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 1000) AS n")
        connection.execute(f"ALTER DATABASE {name} SET search_path = a, public")  # type: ignore[call-overload]
        connection.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")  # type: ignore[call-overload]
        connection.execute(f"GRANT CONNECT ON DATABASE {name} TO rehearse_observer")  # type: ignore[call-overload]
    left_over = database.connect(Role.MIGRATION)
    copy = database.fork(f"{name}_copy")
    left_over.close()
    assert described(copy) == described(database)
    with pytest.raises(psycopg.OperationalError):
        copy.connect(Role.APPLICATION)
    copy.drop()


def described(database: PostgresDatabase) -> list[Any]:
    with database.connect() as connection:
        rows = connection.execute("SELECT sum(hashtext(t::text)), current_setting('search_path') FROM public.t AS t")
        rights = "SELECT datacl::text, datdba::regrole::text FROM pg_database WHERE datname = current_database()"
        return [*rows.fetchall(), *connection.execute(rights).fetchall()]


def test_a_database_is_dropped_under_its_sessions(server: PostgresServer) -> None:
    database = server.create("dropped")
    with database.connect(Role.APPLICATION):
        database.drop()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        database.connect()


# --- a server that the user names


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.url(Role.OWNER, "postgres")


def test_on_a_named_server_only_our_own_databases_are_touched(server: PostgresServer, url: str, journal) -> None:
    theirs = server.create("theirs")
    with ENGINE.start(EngineChoice(via="url", url=url), journal) as named:
        ours = named.create("shop")
        assert ours.name.startswith("rehearse_")
        copy = ours.fork("copy")
        with psycopg.connect(copy.url(Role.APPLICATION)) as connection:
            assert connection.execute("SELECT current_user").fetchone() != ("rehearse",)
        foreign = PostgresDatabase(theirs.name, named)
        for deed in (foreign.drop, lambda: foreign.fork("stolen"), lambda: foreign.run_file(Path("any.sql"))):
            with pytest.raises(NotDisposable, match="theirs"):
                deed()
    assert left_by_us(server) == []
    theirs.drop()


def left_by_us(server: PostgresServer) -> list[str]:
    with server.connect() as connection:
        return [
            name
            for query in (
                "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') LIKE 'rehearse%'",
                "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE 'rehearse%'",
            )
            for (name,) in connection.execute(query).fetchall()
        ]


def test_a_database_that_was_just_being_made_leaves_nothing_on_a_named_server(
    server: PostgresServer, url: str, journal
) -> None:
    def there() -> list[str]:
        query = "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1"
        with server.connect() as connection:
            return [name for (name,) in connection.execute(query).fetchall()]

    before = there()
    with server.connect() as connection:
        connection.execute("CREATE DATABASE rehearse_of_another")
    try:
        with ENGINE.start(EngineChoice(via="url", url=url), journal) as named:
            made = named.create("unmarked")
            with server.connect() as connection:
                connection.execute(sql.SQL("COMMENT ON DATABASE {} IS NULL").format(sql.Identifier(made.name)))
        assert sorted(there()) == sorted([*before, "rehearse_of_another"])
    finally:
        with server.connect() as connection:
            connection.execute("DROP DATABASE rehearse_of_another")


def test_a_parent_that_dies_leaves_nothing_on_a_named_server(start, server: PostgresServer, url: str) -> None:
    parent, where = start({"via": "url", "url": url}, "wait")
    assert where["name"] in left_by_us(server)
    parent.kill()
    assert eventually(lambda: left_by_us(server) == [])


@pytest.mark.parametrize(
    ("abilities", "said"), [("CREATEDB", "told apart"), ("CREATEDB CREATEROLE", "may not grant pg_monitor")]
)
def test_a_user_with_few_rights_is_enough(
    server: PostgresServer, url: str, journal, tmp_path: Path, abilities: str, said: str
) -> None:
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE plain LOGIN {abilities} PASSWORD 'plain-secret'")  # type: ignore[call-overload]
    plain = url.replace("rehearse:", "plain:").replace(str(server.logins[Role.OWNER].password), "plain-secret")
    path = tmp_path / "base.sql"
    path.write_text("CREATE TABLE t (n int); INSERT INTO t VALUES (1);")
    with ENGINE.start(EngineChoice(via="url", url=plain), journal) as named:
        database = named.create("shop")
        database.run_file(path)
        copy = database.fork("copy")
        with psycopg.connect(copy.url(Role.APPLICATION)) as connection:
            assert connection.execute("SELECT * FROM t").fetchone() == (1,)
    assert [one for one in journal.events if isinstance(one, Remarked) and said in one.says]
    assert left_by_us(server) == []
    with server.connect() as connection:
        connection.execute("DROP ROLE plain")


def test_a_user_who_may_create_no_database_is_a_mistake(server: PostgresServer, url: str, journal) -> None:
    observer = server.url(Role.OBSERVER, "postgres")
    with pytest.raises(ScenarioMistake, match="CREATEDB"), ENGINE.start(EngineChoice(via="url", url=observer), journal):
        pass


def test_a_named_server_that_is_not_there_is_said(journal) -> None:
    nowhere = f"postgresql://someone@127.0.0.1:{_local.free_port()}/postgres"
    with pytest.raises(ServerFailed, match="connection"), ENGINE.start(EngineChoice(via="url", url=nowhere), journal):
        pass
