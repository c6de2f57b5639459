"""By which algorithm a server changes a table is what is said: it does it so, and refuses the faster ways."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from rehearse import hazards
from rehearse.engines.mysql.client import execute, rows
from rehearse.engines.mysql.server import MysqlServer
from rehearse.hazards.algorithms import Way, slowest, way
from rehearse.hazards.rules._shop import MYSQL_SHOP
from rehearse.protocols import Role

pytestmark = pytest.mark.slow

SHOP = [*MYSQL_SHOP.replace("made datetime", "small varchar(30), made datetime").split(";")[:-1]]
CHANGES = """
ADD COLUMN more int
ADD COLUMN more int AFTER id
ADD COLUMN more int NOT NULL DEFAULT 3
ADD COLUMN more int DEFAULT (1 + 2)
ADD COLUMN more datetime DEFAULT CURRENT_TIMESTAMP
ADD COLUMN more decimal(12, 2) GENERATED ALWAYS AS (total * 2) STORED
ADD COLUMN more decimal(12, 2) GENERATED ALWAYS AS (total * 2) VIRTUAL
ADD COLUMN more int AUTO_INCREMENT UNIQUE
DROP COLUMN code
RENAME COLUMN code TO label
MODIFY number bigint NOT NULL
MODIFY number int NOT NULL DEFAULT 3
MODIFY number int NOT NULL COMMENT 'x'
MODIFY number int
MODIFY number int unsigned NOT NULL
MODIFY customer_id bigint NOT NULL
MODIFY code varchar(63)
MODIFY code varchar(64)
MODIFY code varchar(20)
MODIFY code varchar(50) CHARACTER SET latin1
MODIFY code varchar(50) FIRST
MODIFY code text
MODIFY small varchar(31)
MODIFY small varchar(64)
MODIFY total decimal(12, 2)
MODIFY made datetime(6)
MODIFY status enum('new', 'paid', 'void')
MODIFY status enum('void', 'new', 'paid')
MODIFY status enum('new')
ADD INDEX by_code (code)
ADD UNIQUE INDEX by_number (number)
ADD FULLTEXT INDEX words (note)
ADD FOREIGN KEY (customer_id) REFERENCES customers (id)
ADD CONSTRAINT c CHECK (total >= 0)
CONVERT TO CHARACTER SET latin1
CONVERT TO CHARACTER SET utf8mb4
DROP PRIMARY KEY
DROP PRIMARY KEY, ADD PRIMARY KEY (id, number)
DROP INDEX orders_made
ENGINE = InnoDB
FORCE
ROW_FORMAT = COMPRESSED
ALTER COLUMN code SET DEFAULT 'x'
""".strip().splitlines()
WORDS = "CREATE FULLTEXT INDEX words ON orders (note)"
WITH_WORDS = """
ADD COLUMN more int
DROP COLUMN code
ADD COLUMN more int GENERATED ALWAYS AS (number + 1) VIRTUAL
MODIFY number int
MODIFY code varchar(63)
RENAME COLUMN code TO label
ADD INDEX by_code (code)
FORCE
DROP INDEX words, ADD COLUMN more int
""".strip().splitlines()
# From the fastest to the slowest, as the server is asked.
ASKED = ("ALGORITHM=INSTANT", "ALGORITHM=INPLACE, LOCK=NONE", "ALGORITHM=INPLACE, LOCK=SHARED", "ALGORITHM=COPY")


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def connection(request: pytest.FixtureRequest) -> Iterator[pymysql.connections.Connection]:
    server = request.getfixturevalue(request.param)
    assert isinstance(server, MysqlServer)
    database = server.create("algorithms")
    with database.connect(Role.MIGRATION) as connection:
        execute(connection, "SET sql_mode = 'STRICT_TRANS_TABLES'")
        yield connection
    database.drop()


@pytest.mark.parametrize("change", CHANGES)
def test_the_server_does_it_as_is_said_and_no_faster(connection: pymysql.connections.Connection, change: str) -> None:
    said, place = held(connection, change)
    if place in (1, 2) and "FULLTEXT" not in change:  # the first of a table makes it anew, for its hidden column
        assert (said.algorithm == "REBUILD") == is_anew(connection)


@pytest.mark.parametrize("change", WITH_WORDS)
def test_a_table_with_a_fulltext_index_is_changed_as_is_said(
    connection: pymysql.connections.Connection, change: str
) -> None:
    held(connection, change, WORDS)


def held(connection: pymysql.connections.Connection, change: str, *more: str) -> tuple[Way, int]:
    """Hold the server to what is said of a change; return that, and the place in ASKED of the first that it takes."""
    said = told(connection, change, *more)
    place = next(at for at in range(len(ASKED)) if is_done(connection, change, ASKED[at], *more))
    is_bare = said.algorithm == "INPLACE" and said.lock == "NONE"
    expected = {"INSTANT": 0, "COPY": 3}.get(said.algorithm, 1 if said.lock == "NONE" else 2)
    assert place == expected or (is_bare and place == 0)
    return said, place


def told(connection: pymysql.connections.Connection, change: str, *more: str) -> Way:
    version, _, flavour = str(rows(connection, "SELECT VERSION()")[0][0]).partition("-")
    engine = "mariadb" if "mariadb" in flavour.lower() else "mysql"
    known = hazards.beginning(engine, version, schema=[*SHOP, *more])
    said = hazards.said(f"ALTER TABLE orders {change}", known)
    return slowest([found for act in said.acts if (found := way(act, said.acts, known)) is not None])


def is_done(connection: pymysql.connections.Connection, change: str, asked: str, *more: str) -> bool:
    """Say whether the server makes a change as asked, on fresh tables."""
    execute(connection, "DROP TABLE IF EXISTS orders, customers")
    for sql in (*SHOP, *more):
        execute(connection, sql)
    execute(connection, "SET @before = 0")
    execute(connection, f"SET @before = ({number(connection)})")
    try:
        execute(connection, f"ALTER TABLE orders {asked}, {change}")
    except pymysql.Error as error:
        assert error.args[0] in (1845, 1846), error  # not supported, for a reason that it tells or not
        return False
    return True


def is_anew(connection: pymysql.connections.Connection) -> bool:
    return rows(connection, f"SELECT ({number(connection)}) <> @before")[0][0] == 1


def number(connection: pymysql.connections.Connection) -> str:
    tables = "INNODB_SYS_TABLES" if "MariaDB" in connection.get_server_info() else "INNODB_TABLES"
    return f"SELECT TABLE_ID FROM information_schema.{tables} WHERE NAME = 'algorithms/orders'"
