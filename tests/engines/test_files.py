"""SQL files and dumps are loaded whole, owned by the migration's role, and an error names its line."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from rehearse.engines.postgres import binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import Mistake, ScenarioMistake
from rehearse.events import Remarked
from rehearse.protocols import LoadsFiles, Role

pytestmark = pytest.mark.slow

SHOP = """\
-- a shop
\\restrict abc
SET transaction_timeout_of_a_newer_server = 0;
CREATE SCHEMA sales;
CREATE TABLE sales.orders (id bigint PRIMARY KEY, note text);
ALTER TABLE sales.orders OWNER TO shop_owner;
COPY sales.orders (id, note) FROM stdin;
1\tone; 'two'
2\t\\N
\\.
CREATE FUNCTION sales.twice(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 2 * n; END;
CREATE SEQUENCE free_numbers;
CREATE VIEW notes AS SELECT note FROM sales.orders;
GRANT SELECT ON sales.orders TO shop_reader;
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "base.sql") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_database_says_that_it_loads_files(database: PostgresDatabase) -> None:
    assert isinstance(database, LoadsFiles)


def test_a_plain_file_is_loaded_with_its_rows(database: PostgresDatabase, write) -> None:
    database.run_file(write(SHOP))
    with database.connect(Role.APPLICATION) as connection:
        rows = connection.execute("SELECT id, note FROM sales.orders ORDER BY id").fetchall()
        assert rows == [(1, "one; 'two'"), (2, None)]
        connection.execute("INSERT INTO sales.orders SELECT nextval('free_numbers') + 10, 'new'")


def test_what_a_file_makes_belongs_to_the_migration(database: PostgresDatabase, write) -> None:
    database.run_file(write(SHOP))
    with database.connect(Role.MIGRATION) as connection:
        connection.execute("ALTER TABLE sales.orders ADD COLUMN extra int")
        connection.execute("CREATE OR REPLACE VIEW notes AS SELECT note FROM sales.orders WHERE id > 1")
        connection.execute("DROP FUNCTION sales.twice; DROP SEQUENCE free_numbers")
        connection.execute("CREATE TABLE sales.made_later (id int)")
    with database.connect(Role.APPLICATION) as connection:
        assert connection.execute("SELECT count(*) FROM sales.made_later").fetchone() == (0,)


def test_roles_that_are_missing_are_made_and_said(database: PostgresDatabase, write) -> None:
    database.run_file(write("CREATE TABLE t (); GRANT SELECT ON t TO a_reader_of_this_test;"))
    said = [one.says for one in database.server.journal.events if isinstance(one, Remarked)]
    assert any("a_reader_of_this_test" in words for words in said)
    with database.connect() as connection:
        granted = "SELECT has_table_privilege('a_reader_of_this_test', 't', 'SELECT')"
        assert connection.execute(granted).fetchone() == (True,)


def test_what_is_about_the_database_itself_is_left_out_and_said(database: PostgresDatabase, write) -> None:
    database.run_file(
        write("CREATE DATABASE shop;\n\\connect shop\nCREATE TABLE t ();\nALTER DATABASE shop SET jit = off;\n")
    )
    said = [one.says for one in database.server.journal.events if isinstance(one, Remarked)]
    assert any("base.sql:1: left out: CREATE DATABASE shop" in words for words in said)
    with database.connect() as connection:
        connection.execute("SELECT FROM t")
        assert connection.execute("SHOW jit").fetchone() == ("off",)


def test_a_packed_file_is_loaded(database: PostgresDatabase, tmp_path: Path) -> None:
    path = tmp_path / "base.sql.gz"
    path.write_bytes(gzip.compress(SHOP.encode()))
    database.run_file(path)
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM sales.orders").fetchone() == (2,)


def test_an_included_file_is_found_beside_it(database: PostgresDatabase, write) -> None:
    write("CREATE TABLE included ();", "other.sql")
    database.run_file(write("\\ir other.sql\nINSERT INTO included DEFAULT VALUES;\n"))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("select 1;\n\nselect\n  nonsense\nfrom pg_class;", 4, 'column "nonsense" does not exist'),
        ("create table t (n int);\nselec 1;", 2, "syntax error"),
        (
            "create table t (n int);\n\ncopy t from stdin;\n1\n2\nthree\n\\.\n",
            6,
            "invalid input syntax for type integer",
        ),
        ("create table t (n int);\n\n\ninsert into gone values (1);", 4, 'relation "gone" does not exist'),
        ("select 'ä' as a,\n  wrong;", 2, 'column "wrong" does not exist'),
        ("create table t (n int unique);\ninsert into t values (1);\ninsert into t values (1);", 3, "duplicate key"),
        ("create extension no_such_extension;", 1, "no_such_extension"),
        ("select 1;\n\\gexec\n", 2, "psql's own command"),
        ("select 1;\n\\i gone.sql\n", 2, "gone.sql"),
        ("select 1;\nselect 'never ended;\n", 2, "unterminated quoted string"),
    ],
)
def test_an_error_names_file_line_and_the_servers_words(
    database: PostgresDatabase, write, text: str, line: int, words: str
) -> None:
    with pytest.raises(ScenarioMistake) as error:
        database.run_file(write(text))
    assert f"base.sql:{line}:" in str(error.value)
    assert words in str(error.value)


def test_a_file_that_is_not_there_is_a_mistake(database: PostgresDatabase, tmp_path: Path) -> None:
    with pytest.raises(ScenarioMistake, match="gone"):
        database.run_file(tmp_path / "gone.sql")


def test_a_dump_of_another_database_system_is_refused(database: PostgresDatabase, write) -> None:
    with pytest.raises(ScenarioMistake, match="MySQL"):
        database.run_file(write("-- MySQL dump 10.13  Distrib 8.0\nCREATE TABLE `t` (`id` int);\n"))


@pytest.mark.parametrize("form", ["custom", "tar", "directory", "plain"])
def test_a_dump_comes_back_whole(
    server: PostgresServer, database: PostgresDatabase, write, tmp_path: Path, form: str
) -> None:
    database.run_file(write(SHOP))
    target = tmp_path / f"shop.{form}"
    dump(server, database, f"--format={form}", f"--file={target}")
    copy = server.create(f"restored_{form}")
    copy.restore(target)
    with copy.connect(Role.MIGRATION) as connection:
        assert connection.execute("SELECT count(*) FROM sales.orders").fetchone() == (2,)
        connection.execute("ALTER TABLE sales.orders ADD COLUMN extra int")
        granted = "SELECT has_table_privilege('shop_reader', 'sales.orders', 'SELECT')"
        assert connection.execute(granted).fetchone() == (True,)
    copy.drop()


def test_a_dump_that_is_broken_is_said_to_be(database: PostgresDatabase, tmp_path: Path) -> None:
    path = tmp_path / "broken.dump"
    path.write_bytes(b"PGDMP" + bytes(40))
    with pytest.raises(Mistake, match=r"broken\.dump"):
        database.restore(path)


def dump(server: PostgresServer, database: PostgresDatabase, *options: str) -> None:
    program = binaries.program("pg_dump", server.installation, at_least=server.major)
    environment = {"PGPASSWORD": server.logins[Role.OWNER].password or ""}
    command = [program, *options, "-h", "127.0.0.1", "-p", str(server.address.port), "-U", "rehearse", database.name]
    subprocess.run(command, env=environment, check=True)
