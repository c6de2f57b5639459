"""Strategies on one server: the same bytes, the same calls, and who ends elsewhere; what is known after Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import rehearse
from rehearse.cli import comparing
from rehearse.cli.run import Options
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import Missing, ScenarioMistake
from rehearse.events import CallEnded, PhaseRan, StatementRan
from rehearse.model import Recording
from rehearse.rehearsal.contest import contest
from rehearse.rehearsal.ground import Template
from rehearse.rehearsal.progress import Silent
from tests.cli.test_cli import rehearse as command
from tests.end_to_end import small
from tests.end_to_end.test_faults import gone, traces

pytestmark = pytest.mark.slow

TOKEN = "alter table items add token uuid default gen_random_uuid();"
STRATEGIES = f"""
[[strategies]]
name = "at once"
migration = {{ forward = "{TOKEN} create index items_price_idx on items (price);" }}
[[strategies]]
name = "beside"
migration = {{ forward = "{TOKEN} create index concurrently items_price_idx on items (price);", transaction = "none" }}
[[strategies]]
name = "elsewhere"
leftovers = ["kept"]
migration = {{ forward = "{TOKEN} update items set note = 'x' where id = 7; create table kept (id int);" }}
"""
TWO = """
[[strategies]]
name = "one"
migration = { forward = "alter table items add a int;" }
[[strategies]]
name = "two"
migration = { forward = "alter table items add a int null;" }
"""
QUICK = {"baseline": "1s", "lead": "300ms", "settle": "300ms"}


def scenario(folder: Path, strategies: str, *, back: str | None = None) -> Path:
    """Write a small scenario of strategies, by default without a way back, and return its path."""
    path = small.scenario(folder, "", back, migration="" if back else "back = false")
    text = path.read_text(encoding="utf-8").replace('forward = "up.sql"\n', "")
    for key, value in QUICK.items():
        text = text.replace(f'{key} = "{value}"', f'{key} = "200ms"')
    path.write_text(text.replace("[workload]", f"{strategies}[workload]", 1), encoding="utf-8")
    return path


def calls(recording: Recording) -> list[tuple[int, str]]:
    """Return what was due in the baseline: milliseconds from its start, and which call."""
    ran = recording.history.of(PhaseRan)[0]
    frame = recording.history.frame(CallEnded)
    frame = frame[(frame["at_ns"] >= ran.at_ns) & (frame["at_ns"] < ran.at_ns + 150_000_000)]
    first = int(frame["at_ns"].iloc[0])
    return [((at - first) // 1_000_000, call) for at, call in zip(frame["at_ns"], frame["call"], strict=True)]


def test_strategies_meet_the_same_rows_and_calls_and_one_ends_elsewhere(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command("compare", str(scenario(tmp_path, STRATEGIES)), "--repeats", "1", "--json", f"--out={out}")
    assert done.returncode in (0, 1, 3), done.stderr  # a busy machine fails them all, or leaves all in doubt
    found = json.loads(done.stdout)
    strategies: dict[str, Any] = {one["name"]: one for one in found["strategies"]}
    assert strategies["at once"]["end"]["is_first"] and strategies["beside"]["end"]["is_alternative"]
    assert any("items.token is another in each run" in one for one in strategies["beside"]["end"]["not_compared"])
    end = strategies["elsewhere"]["end"]
    assert not end["is_alternative"] and strategies["elsewhere"]["rank"] is None
    assert end["leftovers"] == ["kept"]
    assert "items.note: 1 value otherwise, for example 'x' and not NULL" in end["differs"]
    assert any("index" in one and "is missing" in one for one in end["differs"])
    assert len(end["differs"]) == 2, "what chance made is none of them"
    recordings = [rehearse.load(out / one["runs"][0]["folder"]) for one in strategies.values()]
    assert len({calls(one)[0][1] for one in recordings}) == 1
    sent = [calls(one) for one in recordings]
    shortest = min(map(len, sent))  # a phase ends when it ends: the last calls of one may not be due in another
    assert shortest > 5
    assert sent[0][:shortest] == sent[1][:shortest] == sent[2][:shortest]
    starts = [one.snapshots["start"].tables for one in recordings]
    assert all(start["items"].is_like(starts[0]["items"]) for start in starts)
    assert {one["place"] for strategy in strategies.values() for one in strategy["runs"]} == {1, 2, 3}
    again = json.loads(command("compare", str(out), "--json").stdout)
    assert (again["says"], again["winner"]) == (found["says"], found["winner"])
    assert again["strategies"][2]["end"] == found["strategies"][2]["end"]


def test_a_copy_has_the_same_rows_and_nothing_in_the_servers_cache(
    server: PostgresServer, database: PostgresDatabase
) -> None:
    with database.connect() as connection:
        connection.execute("create table items (id int primary key, name text)")
        connection.execute("insert into items select n, repeat('x', 200) from generate_series(1, 20000) n")
    start = database.snapshot("start")
    copy = Template(database, start, ()).fork(server, f"{database.name}_copy")
    try:
        assert cached(server, database.name) > 100, "the one that was read is in the cache"
        assert cached(server, copy.name) < 5
        assert copy.snapshot("start").tables["items"].is_like(start.tables["items"])
    finally:
        copy.drop()


def cached(server: PostgresServer, name: str) -> int:
    """Return how many pages of a database the server holds in its own cache."""
    count = "select count(*) from pg_buffercache where reldatabase = (select oid from pg_database where datname = %s)"
    with server.connect() as connection:
        connection.execute("create extension if not exists pg_buffercache")
        found = connection.execute(count, [name]).fetchone()
        connection.execute("drop extension pg_buffercache")
    assert found is not None
    return int(found[0])


def test_ctrl_c_writes_what_is_known_and_leaves_nothing_running(tmp_path: Path, room: Path) -> None:
    out = tmp_path / "out"
    path = scenario(tmp_path, TWO)
    asked = [sys.executable, "-m", "rehearse", "compare", str(path), f"--out={out}"]
    with subprocess.Popen(asked, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 60
        while not list(out.glob("*/1/junit.xml")) and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130, told
    assert "what is known so far" in told and "Traceback" not in told
    found = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert "not all runs were made: interrupted" in found["remarks"]
    assert sum(len(one["runs"]) for one in found["strategies"]) >= 1
    assert gone(room), traces(room)
    room.rmdir()


CHANGE = """
[change]
kind = "change type"
table = "items"
columns = "id"
type = "text"
"""


def test_a_way_that_cannot_be_written_is_told_and_the_others_are_compared(tmp_path: Path) -> None:
    path = scenario(tmp_path, CHANGE.replace('"id"', '"price"'))
    options = Options(scale=None, seed=None, via=None, budgets=())
    _, ways = comparing.strategies_of([path], None, options, ways="plain,careful,expand", only=())
    with contest(ways, Silent()) as going:
        refused = {one.name: one.refused for one in going.entries}
    assert "written anew under its lock; take 'expand'" in str(refused["careful"])
    assert refused["plain"] is None and refused["expand"] is None
    path = scenario(tmp_path / "key", CHANGE)
    _, ways = comparing.strategies_of([path], None, options, ways="all", only=())
    with pytest.raises(ScenarioMistake, match=r"plain: change\.columns: items\.id is part of a foreign key"):
        contest(ways, Silent()).__enter__()


_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
MARIADB = """
[[strategies]]
name = "by copy"
migration = { forward = "alter table items add stock int not null default 0, algorithm=copy;" }
[[strategies]]
name = "instant"
migration = { forward = "alter table items add stock int not null default 0, algorithm=instant;" }
"""


def test_strategies_on_mariadb_end_in_the_same_place(tmp_path: Path) -> None:
    path = scenario(tmp_path, MARIADB, back="alter table items drop stock;")
    (tmp_path / "base.sql").write_text(
        "create table items (id bigint primary key, name text not null, price numeric(10,2) not null, note text);\n"
        "insert into items select seq, concat('item ', seq), seq % 100, null from seq_1_to_5000;\n",
        encoding="utf-8",
    )
    done = command("compare", str(path), "--engine=mariadb", "--repeats=1", "--json", f"--out={tmp_path / 'out'}")
    if done.returncode == Missing.exit_code and not done.stdout and shutil.which("mariadbd", path=_PLACES) is None:
        pytest.skip(done.stderr)
    found = json.loads(done.stdout)
    assert all(one["end"]["is_alternative"] for one in found["strategies"])
    ran = {one["name"]: rehearse.load(tmp_path / "out" / one["runs"][0]["folder"]) for one in found["strategies"]}
    used = {name: {sql.algorithm for sql in one.history.of(StatementRan)} for name, one in ran.items()}
    assert "COPY" in used["by copy"] and "COPY" not in used["instant"]
