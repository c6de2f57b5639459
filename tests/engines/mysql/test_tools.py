"""Tools that tell nothing of their statements, rehearsed as a whole: the server's own record has them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rehearse
from rehearse.errors import Missing
from rehearse.events import StatementRan
from rehearse.model import Recording
from rehearse.reports._document import document
from tests.tools.test_alembic import ENV_INI, INI, revision

pytestmark = pytest.mark.slow

SCENARIO = """
name = "tools"
data.load = ["base.sql"]
engine = {{ name = "{engine}", via = "binary" }}
[migration]
{migration}
[workload]
sessions = 1
rate = "20/s"
baseline = "500ms"
lead = "100ms"
settle = "100ms"
[[workload.calls]]
name = "read"
sql = "select note from items where id = :id"
values = {{ id = "items.id" }}
"""
BASE = """
create table items (id int primary key, note varchar(40));
create table digits (d int primary key);
insert into digits values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
insert into items select 1 + n, 'kept' from (select a.d * 100 + b.d * 10 + c.d as n from digits a, digits b, digits c) x
    where n < 200;
"""
SCRIPT = """
import os, pymysql
from urllib.parse import urlsplit
url = urlsplit(os.environ["DATABASE_URL"])
connection = pymysql.connect(host=url.hostname, port=url.port, user=url.username, password=url.password,
                             database=url.path[1:])
with connection.cursor() as cursor:
    for sql in ("BEGIN", "INSERT INTO items VALUES (201, 'new')", "ALTER TABLE items ADD COLUMN tag int",
                "UPDATE items SET tag = 1 WHERE id = 1", "ROLLBACK", "ALTER TABLE items MODIFY note varchar(300)"):
        cursor.execute(sql)
"""


@pytest.fixture(params=["mariadb", "mysql"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rehearsed(folder: Path, engine: str, migration: str) -> Recording:
    (folder / "base.sql").write_text(BASE, encoding="utf-8")
    (folder / "s.toml").write_text(SCENARIO.format(migration=migration, engine=engine), encoding="utf-8")
    try:
        return rehearse.run(folder / "s.toml")
    except Missing as missing:
        pytest.skip(str(missing).partition(";")[0])


def test_alembic_runs_and_its_statements_are_the_servers_own(tmp_path: Path, engine: str) -> None:
    (tmp_path / "alembic/versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(INI.format(url="mysql+pymysql://production/never"))
    (tmp_path / "alembic/env.py").write_text(ENV_INI)
    (tmp_path / "myapp.py").write_text("")
    up, down = "op.execute('alter table items add column tag int')", "op.execute('alter table items drop column tag')"
    revision(tmp_path, "aaa", None, up, down)
    recording = rehearsed(tmp_path, engine, 'tool = "alembic"\nback = false')
    ran = {one.sql: one for one in recording.history.of(StatementRan) if one.sql.startswith("alter")}
    assert {sql: (one.algorithm, one.rewrites, one.error) for sql, one in ran.items()} == {
        "alter table items add column tag int": ("INSTANT", (), None)
    }
    assert "the migration's statements" not in str(rehearse.judge(recording))


def test_a_command_tells_what_its_ddl_committed_on_the_way(tmp_path: Path, engine: str) -> None:
    (tmp_path / "up.py").write_text(SCRIPT)
    recording = rehearsed(tmp_path, engine, f'tool = "command"\nforward = "{sys.executable} up.py"\nback = false')
    ran = [one for one in recording.history.of(StatementRan) if not one.sql.startswith("SET ")]
    assert [(one.sql.split()[0], one.transaction, one.commits, one.algorithm) for one in ran] == [
        ("BEGIN", 1, False, None),
        ("INSERT", 1, False, None),
        ("ALTER", 1, True, "metadata only"),
        ("UPDATE", 2, False, None),
        ("ROLLBACK", 2, False, None),
        ("ALTER", None, False, "COPY"),
    ]
    assert len({one.session for one in ran}) == 1
    assert recording.snapshots["forward"].tables["items"].rows == 201, "what was rolled back was committed before"


HALF = """
alter table items add column tag int;
update items set tag = 1 where id <= 50;
alter table items add unique index by_note (note);
alter table items add column never int;
"""


def test_what_a_failed_migration_left_is_told_and_whether_it_runs_again(tmp_path: Path, engine: str) -> None:
    (tmp_path / "up.sql").write_text(HALF, encoding="utf-8")
    recording = rehearsed(tmp_path, engine, 'forward = "up.sql"\nback = false')
    report = document(recording, rehearse.judge(recording))
    assert report.failure is not None
    assert report.failure.statements == 3, "BEGIN, which the first ALTER commits, and two that stay"
    assert {one.object for one in report.failure.schema} == {"table items column tag"}
    assert report.failure.retry_error is not None and "1060: Duplicate column name 'tag'" in report.failure.retry_error
    failed, left = (one for one in rehearse.judge(recording).findings if one.code == "D002")
    assert "1062" in failed.says
    assert "run again on that, it fails" in left.says and "column tag" in left.says
