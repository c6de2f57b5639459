"""The same SQL, sent by tools of several languages: the same statements, transactions and locks are seen of each."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearse.engines.postgres import binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import LockTaken, StatementRan
from rehearse.model import MigrationChoice, Scenario
from rehearse.protocols import Role
from rehearse.rehearsal.watching import watching
from rehearse.tools.sql import TOOL
from tests.engines.test_watch import of
from tests.engines.truth import Kept

pytestmark = pytest.mark.slow

PAUSE_MS = 60  # each lock is held across a pause, so that looks of 5 ms find them all
PAUSE = f"SELECT pg_sleep({PAUSE_MS / 1_000})"
TRANSACTIONS = (
    ("ALTER TABLE orders ADD COLUMN note text", PAUSE, "UPDATE orders SET note = 'it''s' WHERE id <= 100", PAUSE),
    (
        "CREATE INDEX orders_note ON orders (note)",
        "ALTER TABLE items ADD FOREIGN KEY (order_id) REFERENCES orders",
        PAUSE,
    ),
)
SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, status text);
CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint);
INSERT INTO orders SELECT n, 'new' FROM generate_series(1, 1000) n;
"""
NODE = """
const { Client } = require('pg');
(async () => {
  const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const client = new Client({ connectionString: asked.url });
  await client.connect();
  for (const sql of asked.statements) await client.query(sql);
  await client.end();
})().catch((error) => { console.error(error); process.exit(1); });
"""
PSYCOPG = """
import json, sys, psycopg
asked = json.load(sys.stdin)
with psycopg.connect(asked["url"], autocommit=True) as connection:
    for sql in asked["statements"]:
        connection.execute(sql)
"""
ALEMBIC_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
with create_engine(url).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
Way = Callable[[PostgresDatabase, Kept, Path], None]


def ours(database: PostgresDatabase, journal: Kept, folder: Path) -> None:
    """Run our own tool, a file a transaction."""
    files = []
    for number, statements in enumerate(TRANSACTIONS):
        files.append(folder / f"{number}.sql")
        files[-1].write_text("".join(f"{sql};\n" for sql in statements), encoding="utf-8")
    migration = TOOL.open(Scenario(name="same", migration=MigrationChoice(forward=tuple(map(str, files)))))
    assert journal.onlooker is not None
    migration.watch(journal.onlooker)
    migration.forward(database.url(Role.MIGRATION), journal)


def psql(database: PostgresDatabase, journal: Kept, folder: Path) -> None:
    """Run psql on a script."""
    script = "".join(f"{sql};\n" for sql in plain())
    # the test server is thrown away, so its password may stand among the arguments
    program = binaries.embedded(None).program("psql")
    command = [program, "-qX", "-v", "ON_ERROR_STOP=1", "-d", database.url(Role.MIGRATION)]
    told(command, script)


def psycopg(database: PostgresDatabase, journal: Kept, folder: Path) -> None:
    """Run a script of the project's own."""
    asked = {"url": database.url(Role.MIGRATION), "statements": plain()}
    told([sys.executable, "-c", PSYCOPG], json.dumps(asked))


def node(database: PostgresDatabase, journal: Kept, folder: Path) -> None:
    """Run a script on Node.js, with its most used driver."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no Node.js: install nodejs and npm")
    done = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "pg@8"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm could not install pg@8: {done.stderr.strip()[:200]}")
    asked = {"url": database.url(Role.MIGRATION), "statements": plain()}
    told(["node", "-e", NODE], json.dumps(asked), cwd=folder)


def alembic(database: PostgresDatabase, journal: Kept, folder: Path) -> None:
    """Run Alembic's own command, a revision a transaction."""
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n", encoding="utf-8")
    (folder / "alembic" / "env.py").write_text(ALEMBIC_ENV, encoding="utf-8")
    for number, statements in enumerate(TRANSACTIONS):
        down = repr(f"r{number - 1}") if number else "None"
        body = "".join(f"    op.execute({sql!r})\n" for sql in statements)
        text = f"from alembic import op\nrevision = 'r{number}'\ndown_revision = {down}\n\n\ndef upgrade():\n{body}"
        (versions / f"r{number}.py").write_text(text, encoding="utf-8")
    url = database.url(Role.MIGRATION)
    told([sys.executable, "-m", "alembic", "upgrade", "head"], "", cwd=folder, DATABASE_URL=url)


def plain() -> list[str]:
    return [sql for statements in TRANSACTIONS for sql in ("BEGIN", *statements, "COMMIT")]


def told(command: list[object], text: str, *, cwd: Path | None = None, **words: str) -> None:
    """Run a program that reads `text`."""
    given = {"input": text, "cwd": cwd, "env": os.environ | words, "text": True}
    done = subprocess.run(list(map(str, command)), capture_output=True, check=False, **given)
    assert done.returncode == 0, done.stderr


WAYS: dict[str, Way] = {"ours": ours, "psql": psql, "psycopg": psycopg, "alembic": alembic, "node": node}


@pytest.mark.parametrize("way", WAYS)
def test_the_timeline_is_the_same_whoever_sends_the_statements(
    database: PostgresDatabase, way: str, tmp_path: Path
) -> None:
    with database.connect(Role.MIGRATION) as connection:
        connection.execute(SCHEMA)
    database.grant()
    journal = Kept()
    watch = database.watch(journal)
    journal.onlooker = watch.onlooker
    with watching(watch.probes, journal):
        WAYS[way](database, journal, tmp_path)
    ran = of(journal, StatementRan) or list(watch.statements())
    watch.finish(ran)
    assert transactions(ran) == list(TRANSACTIONS)
    assert locks(journal, ran) == LOCKS
    pauses = [one.ended_ns - one.at_ns for one in ran if words(one.sql) == PAUSE]
    assert all(PAUSE_MS - 1 < pause / 1e6 < PAUSE_MS + 40 for pause in pauses), pauses
    assert all(one.ended_ns <= later.at_ns + 1_000_000 for one, later in itertools.pairwise(ran))


def words(sql: str) -> str:
    return sql.strip().rstrip(";")


def transactions(ran: list[StatementRan]) -> list[tuple[str, ...]]:
    """Return the statements of TRANSACTIONS that were seen, by transaction; a tool's own ones are left out."""
    wanted = {sql for statements in TRANSACTIONS for sql in statements}
    found: dict[int | None, list[str]] = {}
    for one in ran:
        if words(one.sql) in wanted:
            found.setdefault(one.transaction, []).append(words(one.sql))
    return [tuple(statements) for statements in found.values()]


def locks(journal: Kept, ran: list[StatementRan]) -> dict[tuple[str, str], str]:
    """Return the statement that asked for each lock on a table of ours which lasted, by table and mode."""
    by_n = {one.n: words(one.sql) for one in ran}
    return {
        (one.table, one.mode): by_n[one.statement]
        for one in of(journal, LockTaken)
        if one.table in ("orders", "items") and one.index is None and one.stops
    }


LOCKS = {
    ("orders", "AccessExclusiveLock"): "ALTER TABLE orders ADD COLUMN note text",
    ("orders", "ShareLock"): "CREATE INDEX orders_note ON orders (note)",
    ("orders", "ShareRowExclusiveLock"): "ALTER TABLE items ADD FOREIGN KEY (order_id) REFERENCES orders",
    ("items", "ShareRowExclusiveLock"): "ALTER TABLE items ADD FOREIGN KEY (order_id) REFERENCES orders",
}
