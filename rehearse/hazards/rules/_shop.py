"""The shop that the rules' examples change: small, and the same for every engine."""

from __future__ import annotations

from rehearse.hazards.rule import Engine, Example

POSTGRES_SHOP = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text, email text NOT NULL);
CREATE TABLE orders (
    id bigint PRIMARY KEY, number int NOT NULL, customer_id bigint, status text, code varchar(50),
    total numeric(10, 2), made timestamp, extra json
);
CREATE INDEX orders_made ON orders (made);
"""
MYSQL_SHOP = """
CREATE TABLE customers (id bigint PRIMARY KEY, name varchar(100), email varchar(100) NOT NULL) CHARACTER SET utf8mb4;
CREATE TABLE orders (
    id bigint PRIMARY KEY, number int NOT NULL, customer_id bigint, status enum('new', 'paid'), code varchar(50),
    total decimal(10, 2), made datetime, note text
) CHARACTER SET utf8mb4;
CREATE INDEX orders_made ON orders (made);
"""


def shop(engine: str) -> str:
    """Return the schema that examples start from."""
    return POSTGRES_SHOP if engine == "postgres" else MYSQL_SHOP


def postgres(sql: str, *, schema: str = "", transaction: str = "file", version: str = "") -> dict[Engine, Example]:
    """Return an example for PostgreSQL."""
    return {"postgres": Example(sql=sql, schema=schema, transaction=transaction, version=version)}


def family(
    sql: str, *, schema: str = "", version: str = "", mariadb: str | None = None, mariadb_version: str = ""
) -> dict[Engine, Example]:
    """Return an example for MySQL, and for MariaDB where that has words of its own."""
    return {
        "mysql": Example(sql=sql, schema=schema, version=version),
        "mariadb": Example(sql=mariadb or sql, schema=schema, version=mariadb_version),
    }


def every(sql: str, *, schema: str = "") -> dict[Engine, Example]:
    """Return an example that every engine understands."""
    return {**postgres(sql, schema=schema), **family(sql, schema=schema)}
