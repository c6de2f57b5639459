"""Databases whose shape nobody designed for us, for benches of what a profile is worth: pgbench's own, and a webshop's.

The webshop is django-oscar: its 93 tables, with all their indexes and foreign keys, come from the published package,
by its own migrations, in a virtual environment of its own that is kept in the user's cache. oscar/*.sql fills 41 of
them with two million rows. What a program of PostgreSQL must know to connect is in its environment, never in its words.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from rehearse import datasets
from rehearse.engines.postgres import ENGINE, binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.profiling import profile
from rehearse.engines.postgres.roles import Connection
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import EngineChoice
from rehearse.profiles.describing import Tier
from rehearse.profiles.privacy import Gate
from rehearse.profiles.writing import toml
from rehearse.protocols import Role
from rehearse.reading import profile as profiles
from rehearse.recording.journal import ListingJournal

OSCAR = "django-oscar==4.2.1"
# What the shop's owner would vouch for: lists of the world, the shop's own words, codes whose names look personal.
PUBLIC = (
    "address_country.*",
    "catalogue_product*.code",
    "catalogue_productclass.*",
    "*.tax_code",
    "*.state",
    "*address.title",
    "pgbench_branches.*",
    "pgbench_tellers.*",
)
FILLS = sorted((Path(__file__).parent / "oscar").glob("*.sql"))
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
_MIGRATE = """
import os
import django
from django.conf import settings
from django.core.management import call_command
from oscar import INSTALLED_APPS, defaults
names = dict(NAME="PGDATABASE", USER="PGUSER", PASSWORD="PGPASSWORD", HOST="PGHOST", PORT="PGPORT")
place = {key: os.environ.get(name, "") for key, name in names.items()}
settings.configure(
    **{name: value for name, value in vars(defaults).items() if name.isupper()},
    INSTALLED_APPS=INSTALLED_APPS,
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **place}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
    SECRET_KEY="bench", SITE_ID=1, USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0, skip_checks=True)
"""
# Without enforcement no trigger is called for each row; enforced again, every row is looked at (PostgreSQL 18).
_FOREIGN_KEYS = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1, 2"
_ENFORCE = "ALTER TABLE {} ALTER CONSTRAINT {} {}"
# Beside pgbench's own transaction, whose accounts are all alike: few accounts that are asked for again and again.
_SKEWED = r"""
\set aid random_zipfian(1, 100000 * :scale, 1.1)
\set bid 1 + :aid % :scale
\set tid random_exponential(1, 10 * :scale, 4.0)
\set delta random_gaussian(-5000, 5000, 3.0)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
"""
_TABLES = (
    "SELECT oid::regclass::text, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


@contextmanager
def bench_server() -> Iterator[PostgresServer]:
    """Start a server that holds a source in its buffers; it does not sync, and never vacuums by itself."""
    with ENGINE.start(EngineChoice(settings={"shared_buffers": "1GB"}), ListingJournal()) as server, server.loading():
        yield server


def pgbench(
    server: PostgresServer, name: str = "pgbench", *, scale: int = 10, transactions: int = 16_000
) -> PostgresDatabase:
    """Return pgbench's tables after so many transactions, half of them skewed; not vacuumed since; seconds."""
    database = server.create(name)
    steps = ("-q", "-s", str(scale), "-I", "dtGvpf")
    _run(database, "pgbench", "-i", *steps)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_SKEWED)
        script.flush()
        for what in (("-b", "tpcb-like"), ("-f", script.name)):
            each = str(transactions // 4)
            _run(database, "pgbench", "-n", "-s", str(scale), "--random-seed=7", "-c", "2", "-t", each, *what)
    database.grant()
    with database.connect() as connection:
        connection.execute("ANALYZE")
    return database


def oscar(server: PostgresServer, name: str = "oscar") -> PostgresDatabase:
    """Return the webshop, filled and vacuumed; about 40 s, the first time a minute more."""
    database = server.create(name)
    database.restore(_schema(server))
    with database.connect() as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")  # random() then gives the same rows every time
        keys = connection.execute(_FOREIGN_KEYS).fetchall()
        _enforce(connection, keys, "NOT ENFORCED")
        for path in FILLS:
            connection.execute(path.read_bytes())
        _enforce(connection, keys, "ENFORCED")
        connection.execute("VACUUM ANALYZE")
    database.grant()
    return database


def emptied(source: PostgresDatabase, name: str) -> PostgresDatabase:
    """Return a new database with the schema of another, and no rows."""
    database = source.server.create(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schema.dump"
        _run(source, "pg_dump", "-Fc", "--schema-only", "-f", str(path), role=Role.OWNER)
        database.restore(path)
    database.grant()
    return database


def rows(database: PostgresDatabase) -> dict[str, int]:
    """Return the rows of each table, counted."""
    count = sql.SQL("SELECT count(*) FROM {}")
    with database.connect() as connection:
        tables = connection.execute(_TABLES).fetchall()
        counted = {name: connection.execute(count.format(sql.SQL(quoted))).fetchone() for quoted, name in tables}
    return {name: found[0] for name, found in counted.items() if found}


def uniform(source: PostgresDatabase, name: str) -> PostgresDatabase:
    """Return what a profile that knows nothing but the number of rows gives: default shapes, by type and name."""
    known = {table: {"rows": count} for table, count in rows(source).items()}
    database = emptied(source, name)
    tables = datasets.open_tables(profiles.parse({"name": "uniform", "tables": known}), database.structure())
    database.load(tables, ListingJournal())
    return database


def generated(source: PostgresDatabase, tier: Tier, *, seed: int = 1) -> PostgresDatabase:
    """Return a database with the source's schema, whose rows come from the source's profile as a file holds it."""
    taken, remarks, _ = profile(source, tier=tier, gate=Gate(public=PUBLIC))
    read = profiles.parse(tomllib.loads(toml(taken, remarks)))
    database = emptied(source, f"{source.name}_{tier}_{seed}")
    database.load(datasets.open_tables(read, database.structure(), seed=seed), ListingJournal())
    return database


def copies(source: PostgresDatabase) -> dict[str, PostgresDatabase]:
    """Return the databases to hold against a source, by what each is; the first is the control, the source's bytes."""
    return {
        "A/A: a fork": source.fork(f"{source.name}_fork"),
        "row counts only": uniform(source, f"{source.name}_uniform"),
        "from a profile, sample": generated(source, "sample"),
    }


def _enforce(connection: Connection, keys: list[tuple[str, str]], how: str) -> None:
    for table, key in keys:
        connection.execute(sql.SQL(_ENFORCE).format(sql.SQL(table), sql.Identifier(key), sql.SQL(how)))


def _run(database: PostgresDatabase, program: str, *words: str, role: Role = Role.MIGRATION) -> None:
    path = binaries.program(program, database.server.installation, at_least=database.server.major)
    _checked([str(path), *words], database, role)


def _checked(command: list[str], database: PostgresDatabase, role: Role, script: str = "") -> None:
    done = subprocess.run(
        command, input=script, capture_output=True, text=True, env=_environment(database, role), check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr}")


def _environment(database: PostgresDatabase, role: Role) -> dict[str, str]:
    words = conninfo_to_dict(database.url(role))
    return {**os.environ, **{name: str(words[key]) for key, name in _VARIABLES.items() if words.get(key)}}


def _schema(server: PostgresServer) -> Path:
    """Return a dump of what the package's migrations make; kept in the cache, since they take 15 s."""
    folder = platformdirs.user_cache_path("rehearse-bench") / OSCAR.replace("==", "-")
    dump = folder / f"schema-{server.major}.dump"
    if dump.exists():
        return dump
    database = server.create("oscar_schema")
    _checked([str(_python(folder)), "-"], database, Role.MIGRATION, _MIGRATE)
    written = dump.with_suffix(".part")
    _run(database, "pg_dump", "-Fc", "-f", str(written), role=Role.OWNER)
    written.rename(dump)
    database.drop()
    return dump


def _python(folder: Path) -> Path:
    """Return the Python of an environment that has the package; installs it where it is missing."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", OSCAR, "psycopg[binary]"], check=True)
        (folder / "installed").touch()
    return python


def main() -> None:
    """Build both and tell their size."""
    with bench_server() as server:
        for database in (pgbench(server), oscar(server)):
            counts = rows(database)
            filled = sum(count > 0 for count in counts.values())
            print(f"{database.name}: {sum(counts.values()):,} rows, {filled} of {len(counts)} tables filled")


if __name__ == "__main__":
    main()
