"""A project's own alembic.ini and env.py, run in a process of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.errors import ScenarioMistake
from rehearse.events import Remarked
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import MigrationFailed, NoWayBack, Role
from rehearse.tools.alembic import TOOL, AlembicMigration, Project, sqlalchemy_url
from tests.conftest import KeepingJournal

INI = """
[alembic]
script_location = %(here)s/alembic
prepend_sys_path = .
sqlalchemy.url = {url}

[loggers]
keys = root,alembic
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[logger_alembic]
level = INFO
handlers =
qualname = alembic
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(levelname)-5.5s [%(name)s] %(message)s
"""
ENV_INI = """
from logging.config import fileConfig
from alembic import context
from sqlalchemy import engine_from_config, pool
import myapp

fileConfig(context.config.config_file_name)
section = context.config.get_section(context.config.config_ini_section, {})
assert context.config.get_main_option("sqlalchemy.url") == section["sqlalchemy.url"]
with engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
ENV_OS = """
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["{name}"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
ENV_OWN_DRIVER = ENV_OS.replace(
    'os.environ["{name}"]', 'os.environ["{name}"].replace("postgresql://", "postgresql+psycopg://")'
)
ENV_ASYNC = """
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    section = context.config.get_section(context.config.config_ini_section)
    engine = async_engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)

asyncio.run(main())
"""
REVISION = """
from alembic import op
revision = {revision!r}
down_revision = {before!r}
def upgrade():
    {up}
def downgrade():
    {down}
"""


def revision(folder: Path, name: str, before: Any, up: str, down: str = "pass") -> None:
    text = REVISION.format(revision=name, before=before, up=up, down=down)
    (folder / "alembic/versions" / f"{name}_x.py").write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "alembic/versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(INI.format(url="postgresql://production/never"))
    (tmp_path / "alembic/env.py").write_text(ENV_INI)
    (tmp_path / "myapp.py").write_text("")
    revision(tmp_path, "aaa", None, "op.execute('create table t (a int)')", "op.execute('drop table t')")
    revision(tmp_path, "bbb", "aaa", "op.execute('alter table t add b int')", "op.execute('alter table t drop b')")
    revision(tmp_path, "ccc", "bbb", "op.execute('alter table t add c int')", "op.execute('alter table t drop c')")
    return tmp_path


def opened(folder: Path, **choice: Any) -> AlembicMigration:
    migration = MigrationChoice(tool="alembic", **choice)
    return TOOL.open(Scenario(name="x", file=folder / "x.toml", migration=migration))


@pytest.fixture
def url(database: PostgresDatabase) -> str:
    database.grant()
    return database.url(Role.MIGRATION)


def columns(database: PostgresDatabase) -> list[str]:
    ask = "select attname from pg_attribute where attrelid = to_regclass('t') and attnum > 0 and not attisdropped"
    with database.connect() as connection:
        return sorted(name for (name,) in connection.execute(ask))


def walked(migration: AlembicMigration, database: PostgresDatabase, url: str) -> list[str]:
    """Return the columns after prepare, forward and back."""
    journal = KeepingJournal()
    migration.prepare(url)
    seen = ["".join(columns(database))]
    migration.forward(url, journal)
    seen.append("".join(columns(database)))
    migration.back(url, journal)
    return [*seen, "".join(columns(database))]


@pytest.mark.slow
def test_the_newest_revision_is_the_change(project: Path, database: PostgresDatabase, url: str) -> None:
    assert walked(opened(project), database, url) == ["ab", "abc", "ab"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "end", "seen"),
    [("aaa", "ccc", ["a", "abc", "a"]), ("base", "bbb", ["", "ab", ""]), (None, "bbb", ["a", "ab", "a"])],
)
def test_any_pair_of_revisions_may_be_chosen(
    project: Path, database: PostgresDatabase, url: str, start: str | None, end: str, seen: list[str]
) -> None:
    options = {"to": end} | ({"from": start} if start else {})
    assert walked(opened(project, options=options), database, url) == seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "options"),
    [
        (ENV_OS.format(name="DATABASE_URL"), {}),
        (ENV_OS.format(name="APP_DB"), {"env": {"APP_DB": "$DATABASE_URL"}}),
        (ENV_OWN_DRIVER.format(name="DATABASE_URL"), {}),
    ],
)
def test_an_env_py_may_look_into_the_environment(
    project: Path, database: PostgresDatabase, url: str, env: str, options: dict[str, Any]
) -> None:
    (project / "alembic/env.py").write_text(env)
    assert walked(opened(project, options=options), database, url) == ["ab", "abc", "ab"]


@pytest.mark.slow
def test_an_asynchronous_env_py_runs(project: Path, database: PostgresDatabase, url: str) -> None:
    pytest.importorskip("asyncpg", reason="needs asyncpg: uv pip install asyncpg")
    (project / "alembic/env.py").write_text(ENV_ASYNC)
    assert walked(opened(project), database, url) == ["ab", "abc", "ab"]


@pytest.mark.slow
def test_a_downgrade_that_is_not_implemented_is_no_way_back(project: Path, url: str, journal: KeepingJournal) -> None:
    revision(project, "ddd", "ccc", "pass", "raise NotImplementedError('rows are gone')")
    migration = opened(project)
    migration.prepare(url)
    migration.forward(url, journal)
    with pytest.raises(NoWayBack, match=r"(?s)not implemented.*ddd_x.py.*rows are gone"):
        migration.back(url, journal)


@pytest.mark.slow
def test_an_error_ends_with_the_servers_words(project: Path, url: str, journal: KeepingJournal) -> None:
    revision(project, "ddd", "ccc", "op.execute('alter table t add c int')")
    migration = opened(project)
    migration.prepare(url)
    with pytest.raises(MigrationFailed, match=r'alembic, forward: .*column "c" of relation "t" already exists'):
        migration.forward(url, journal)
    assert any("Running upgrade ccc -> ddd" in one.says for one in journal.events if isinstance(one, Remarked))


@pytest.mark.slow
def test_a_merge_wants_to_know_where_it_starts(project: Path, url: str) -> None:
    revision(project, "ccd", "bbb", "pass")
    revision(project, "mmm", ("ccc", "ccd"), "pass")
    with pytest.raises(MigrationFailed, match=r"merges ccc, ccd: name one in migration.options.from"):
        opened(project).prepare(url)


@pytest.mark.slow
def test_a_project_that_breaks_on_import_is_a_failure_with_its_words(project: Path, url: str) -> None:
    (project / "alembic/env.py").write_text("import not_there")
    with pytest.raises(MigrationFailed, match="alembic, prepare: ModuleNotFoundError: No module named 'not_there'"):
        opened(project).prepare(url)


@pytest.mark.slow
def test_session_settings_are_obeyed(project: Path, url: str, journal: KeepingJournal) -> None:
    revision(project, "ddd", "ccc", "op.execute('set local statement_timeout to default; select pg_sleep(5)')")
    migration = opened(project, settings={"statement_timeout": "50ms"})
    migration.prepare(url)
    with pytest.raises(MigrationFailed, match="statement timeout"):
        migration.forward(url, journal)


def test_a_url_with_percent_signs_and_a_socket_is_understood() -> None:
    url = "postgresql://me:p%40x%25@/db?host=%2Ftmp%2Fa%20b&port=5433&application_name=rehearse"
    assert sqlalchemy_url(url, None) == url
    assert sqlalchemy_url(url, "psycopg").startswith(
        "postgresql+psycopg://me:p%40x%25@/db?host=%2Ftmp%2Fa+b&port=5433&app"
    )
    assert sqlalchemy_url(url, "asyncpg") == "postgresql+asyncpg://me:p%40x%25@/db?host=%2Ftmp%2Fa+b&port=5433"


@pytest.mark.parametrize(
    ("url", "env", "importable", "driver"),
    [
        ("postgresql://x/y", "", ("psycopg2", "psycopg"), None),
        ("postgresql://x/y", "", ("psycopg",), "psycopg"),
        ("postgresql+psycopg://x/y", "", ("psycopg2", "psycopg"), "psycopg"),
        ("postgresql+asyncpg://x/y", "", ("psycopg", "asyncpg"), "asyncpg"),
        ("postgresql+asyncpg://x/y", "", ("psycopg",), "psycopg"),
        ("", "async_engine_from_config(", ("psycopg2", "asyncpg"), "asyncpg"),
        ("", "async_engine_from_config(", ("psycopg",), "psycopg"),
    ],
)
def test_the_driver_is_the_projects_own(
    tmp_path: Path, url: str, env: str, importable: tuple[str, ...], driver: str | None
) -> None:
    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic/env.py").write_text(env)
    (tmp_path / "alembic.ini").write_text(INI.format(url=url))
    assert Project(tmp_path / "alembic.ini", "alembic", "python").driver(importable) == driver


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ini": "alembik.ini"}, r"options.ini: there is no file 'alembik.ini'; did you mean 'alembic.ini'\?"),
        ({"too": "x"}, r"options.too: unknown; did you mean 'to'\?"),
        ({"python": "no/such/python"}, "options.python: .* does not run"),
    ],
)
def test_what_is_written_wrong_is_a_mistake(project: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioMistake, match=says):
        opened(project, options=options)
