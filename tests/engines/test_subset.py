from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import conninfo, sql

from rehearse.cli import subset
from rehearse.cli.anonymize import command
from rehearse.engines.postgres import copying
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.protocols import Role

pytestmark = pytest.mark.slow

KEY = "0123456789abcdef" * 2
# Each row of any table has its own rid, by which the slow closure knows it.
NASTY = """
    CREATE EXTENSION IF NOT EXISTS citext;
    CREATE SEQUENCE rids;
    CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, rid int DEFAULT nextval('rids'));
    CREATE TABLE chain (id bigint PRIMARY KEY, previous bigint REFERENCES chain, rid int DEFAULT nextval('rids'));
    CREATE TABLE depots (country char(4), no smallint, code citext UNIQUE, rid int DEFAULT nextval('rids'),
        PRIMARY KEY (country, no), UNIQUE (no, code));
    CREATE TABLE teams (id bigint PRIMARY KEY, lead int, rid int DEFAULT nextval('rids'));
    CREATE TABLE people (id int PRIMARY KEY, uid uuid UNIQUE, team bigint REFERENCES teams DEFERRABLE,
        node int REFERENCES tree, rid int DEFAULT nextval('rids'));
    ALTER TABLE teams ADD FOREIGN KEY (lead) REFERENCES people DEFERRABLE;
    CREATE TABLE rates (rate numeric PRIMARY KEY, price money UNIQUE, rid int DEFAULT nextval('rids'));
    CREATE TABLE visits (id bigint PRIMARY KEY, person uuid REFERENCES people (uid), country char(4), depot smallint,
        code citext, rate numeric(8, 3) REFERENCES rates, price money REFERENCES rates (price),
        rid int DEFAULT nextval('rids'),
        FOREIGN KEY (country, depot) REFERENCES depots, FOREIGN KEY (depot, code) REFERENCES depots (no, code),
        FOREIGN KEY (code) REFERENCES depots (code));
    CREATE SCHEMA audit;
    CREATE TABLE audit."Odd Table" (at date NOT NULL, "the visit" bigint REFERENCES visits,
        person bigint REFERENCES people, rid int DEFAULT nextval('rids')) PARTITION BY RANGE (at);
    CREATE TABLE audit.part_1 PARTITION OF audit."Odd Table" FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
    CREATE TABLE audit.part_2 (rid int DEFAULT nextval('rids'), person bigint, at date NOT NULL, "the visit" bigint);
    ALTER TABLE audit."Odd Table" ATTACH PARTITION audit.part_2 FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
    CREATE TABLE alone (word text, rid int DEFAULT nextval('rids'));
    CREATE TABLE nothing (id int PRIMARY KEY, person int REFERENCES people, rid int DEFAULT nextval('rids'));
"""
ROWS = """
    SELECT setseed(0.5);
    CREATE FUNCTION pick(n int) RETURNS int LANGUAGE sql VOLATILE
        AS 'SELECT CASE WHEN random() < 0.75 THEN 1 + floor(random() * n)::int END';
    INSERT INTO tree SELECT n, CASE WHEN n > 20 THEN 1 + floor(random() * (n - 1))::int END
        FROM generate_series(1, 400) n;
    UPDATE tree SET parent = 19 WHERE id = 20;
    UPDATE tree SET parent = 20 WHERE id = 19;
    UPDATE tree SET parent = id WHERE id = 18;
    INSERT INTO chain SELECT n, nullif(n - 1, n / 50 * 50) FROM generate_series(1, 300) n;
    INSERT INTO depots SELECT 'C' || n % 7, n, 'Code' || n FROM generate_series(1, 60) n;
    INSERT INTO depots VALUES ('C3', 99, NULL);
    INSERT INTO teams SELECT n FROM generate_series(1, 120) n;
    INSERT INTO people SELECT n, md5(n::text)::uuid, CASE WHEN n % 5 = 0 THEN pick(120) END, pick(400)
        FROM generate_series(1, 500) n;
    UPDATE teams SET lead = pick(500) WHERE id % 3 = 0;
    INSERT INTO rates SELECT n / 10.0, n::money FROM generate_series(-20, 40) n;
    INSERT INTO visits
    SELECT n, CASE WHEN n % 9 > 0 THEN md5((1 + n % 250)::text)::uuid END, CASE WHEN n % 4 > 0 THEN 'C' || d % 7 END, d,
        CASE WHEN n % 3 > 0 THEN upper('code' || d) END,
        nullif((n + 700) % 61 - 20, 7) / 10.0, nullif(pick(40), 8)::money
    FROM (SELECT n, pick(60) AS d FROM generate_series(-700, 700) n) x;
    INSERT INTO audit."Odd Table" SELECT date '2024-01-01' + n, nullif(pick(700), 9), pick(500)
        FROM generate_series(1, 700) n;
    INSERT INTO alone SELECT 'word ' || n % 10 FROM generate_series(1, 50) n;
    DELETE FROM visits WHERE id % 50 = 1 AND id NOT IN (SELECT "the visit" FROM audit.part_1
        WHERE "the visit" IS NOT NULL UNION SELECT "the visit" FROM audit.part_2 WHERE "the visit" IS NOT NULL);
"""
ODD = "audit.Odd Table"


@pytest.fixture(scope="module")
def nasty(server: PostgresServer) -> Iterator[PostgresDatabase]:
    made = server.create("subset_nasty")
    with made.connect(Role.OWNER) as connection:
        connection.execute(NASTY)
        connection.execute(ROWS)
    yield made
    made.drop()


@pytest.fixture(scope="module")
def shop(server: PostgresServer) -> Iterator[PostgresDatabase]:
    made = server.create("subset_shop")
    with made.connect(Role.OWNER) as connection:
        connection.execute(Path("scenarios/shop/schema.sql").read_bytes())
        connection.execute(SHOP_ROWS)
        connection.execute("VACUUM (ANALYZE)")
    yield made
    made.drop()


SHOP_ROWS = """
    INSERT INTO customers (id, email, full_name, segment)
        SELECT n, 'user' || n || '@mail.example', 'Anna Smith' || n, (ARRAY['retail', 'business'])[1 + n % 2]
        FROM generate_series(1, 4000) n;
    INSERT INTO addresses (id, customer_id, street, city, postcode)
        SELECT n, 1 + n * 7 % 4000, 'Lane ' || n, 'Berlin', n FROM generate_series(1, 5000) n;
    INSERT INTO products (id, sku, name, price) SELECT n, 'S' || n, 'Lamp ' || n, n FROM generate_series(1, 1500) n;
    INSERT INTO orders (id, customer_id, address_id, total_cents)
        SELECT n, 1 + n * 13 % 4000, CASE WHEN n % 3 > 0 THEN 1 + n * 11 % 5000 END, n FROM generate_series(1, 12000) n;
    INSERT INTO order_items (order_id, line, product_id, unit_price_cents)
        SELECT 1 + n % 12000, n / 12000, 1 + n * 17 % 1500, n FROM generate_series(0, 29999) n;
    INSERT INTO payments (order_id, method, amount_cents, succeeded)
        SELECT n, 'card', n, true FROM generate_series(1, 12000) n;
    INSERT INTO reviews (product_id, customer_id, stars)
        SELECT 1 + n % 1500, CASE WHEN n % 4 > 0 THEN 1 + n % 4000 END, 1 + n % 5 FROM generate_series(1, 9000) n;
    INSERT INTO events (kind) SELECT 'view' FROM generate_series(1, 11000);
"""
SHOP_REFERENCES = (
    ("addresses", "customer_id", "customers"), ("orders", "customer_id", "customers"),
    ("orders", "address_id", "addresses"), ("order_items", "order_id", "orders"),
    ("order_items", "product_id", "products"), ("payments", "order_id", "orders"),
    ("reviews", "product_id", "products"), ("reviews", "customer_id", "customers"),
)  # fmt: skip


def rids(url: str, *words: str, seed: int = 0) -> dict[str, list[int]]:
    """Return the rids of the rows that would be copied, as they are read for that, and as many as announced."""
    where = [one for one in words if ":" in one]
    shares = [one for one in words if "%" in one and ":" not in one]
    children = next((one.removeprefix("children ") for one in words if one.startswith("children ")), "all")
    wanted = subset.asked(where, shares, children)
    assert wanted
    with copying.opened(url, "URL") as source:
        part, sizes = subset.chosen(source, wanted, seed, quiet=True)
        found = {}
        for name in source.structure.tables:
            read = copying.Copied(part, name, lambda _, batch: batch)
            announced = read.rows
            found[name] = sorted(int(one) for batch in read.chunks() for one in batch.column("rid").to_pylist())
            assert read.rows == announced
    assert {one.table: one.rows for one in sizes} == {name: len(ones) for name, ones in found.items()}
    return found


def slow_closure(
    database: PostgresDatabase, firsts: Mapping[str, str], children: frozenset[str] | None = None
) -> dict[str, list[int]]:
    """Return the rids by going from row to row, along joins that the server makes of every foreign key."""
    with copying.opened(database.url(Role.OWNER), "URL") as source, source.connect() as connection:
        tables = source.structure.tables
        down = {
            (name, rid)
            for name, condition in firsts.items()
            for (rid,) in connection.execute(f"SELECT rid FROM {quoted(name)} WHERE {condition}".encode())
        }
        edges = [
            ((name, child), (key.parent, parent))
            for name, table in tables.items()
            for key in table.foreign_keys
            for child, parent in connection.execute(
                f"SELECT c.rid, p.rid FROM {quoted(name)} c JOIN {quoted(key.parent)} p ON ".encode()
                + " AND ".join(
                    f'c."{one}" = p."{other}"' for one, other in zip(key.columns, key.parent_columns, strict=True)
                ).encode()
            )
        ]
    while more := {one for one, other in edges if other in down and (not children or one[0] in children)} - down:
        down |= more
    while more := {other for one, other in edges if one in down} - down:
        down |= more
    return {name: sorted(rid for one, rid in down if one == name) for name in tables}


def quoted(table: str) -> str:
    schema, dot, name = table.rpartition(".")
    return f'"{schema or "public"}"."{name}"' if dot else f'"{name}"'


@pytest.mark.parametrize(
    "firsts, children",
    [
        ({"tree": "id IN (19, 33, 7)"}, None),
        ({"tree": "id = 18"}, None),
        ({"teams": "id < 10"}, None),
        ({"people": "team IS NULL AND id % 40 = 3"}, None),
        ({"people": "people.id % 40 = 3 -- with a remark"}, frozenset({"visits"})),
        ({"depots": "country = 'C3'"}, frozenset({"visits", ODD})),
        ({"rates": "rate BETWEEN -1 AND 0.3"}, None),
        ({"rates": "price < 0::money"}, None),
        ({ODD: "\"the visit\" % 10 = 1 AND at < '2025-03-01'"}, None),
        ({"visits": "id < -650 AND code::text LIKE '%5' AND person IN (SELECT uid FROM people WHERE id < 99)"}, None),
        ({"nothing": "true"}, None),
        ({"tree": "id % 50 = 1", "depots": "no = 5", "people": "false"}, None),
    ],
    ids=lambda one: ",".join(sorted(one)) if one else "all",
)
def test_the_rows_are_exactly_the_closure(
    nasty: PostgresDatabase, firsts: dict[str, str], children: frozenset[str] | None
) -> None:
    words = [f"{name}: {condition}" for name, condition in firsts.items()]
    words += [f"children {','.join(children)}"] if children else []
    found = rids(nasty.url(Role.OWNER), *words)
    expected = slow_closure(nasty, firsts, children)
    apart = {"alone", "chain"} - {*firsts}  # small, and no foreign key leads there
    assert {name: ones for name, ones in found.items() if name not in apart} == {
        name: ones for name, ones in expected.items() if name not in apart
    }
    whole = slow_closure(nasty, dict.fromkeys(apart, "true"))
    assert {name: found[name] for name in apart} == {name: whole[name] for name in apart}


def test_tables_that_hang_together_elsewhere_come_whole_while_they_are_small(nasty: PostgresDatabase) -> None:
    found = rids(nasty.url(Role.OWNER), "chain: id IN (77, 160)")
    whole = slow_closure(nasty, dict.fromkeys(found, "true"))
    expected = slow_closure(nasty, {"chain": "id IN (77, 160)"})
    assert len(expected["chain"]) == 100
    assert found == whole | {"chain": expected["chain"]}


def test_large_tables_are_sifted_and_few_rows_looked_up_to_the_same_end(
    shop: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copying.opened(shop.url(Role.OWNER), "URL") as source:
        wanted = subset.asked(["customers: id % 97 = 5"], ["events=0%"], "all")
        assert wanted
        monkeypatch.setattr("rehearse.engines.postgres.subset._BATCH", 7)
        looked_up, _ = subset.chosen(source, wanted, 0, quiet=True)
        monkeypatch.setattr("rehearse.engines.postgres.subset.Places._is_indexed", lambda *_: False)
        sifted, _ = subset.chosen(source, wanted, 0, quiet=True)
        assert looked_up.rows == sifted.rows
        for name, one in looked_up.chosen.items():
            assert one.places.tolist() == sifted.chosen[name].places.tolist(), name  # type: ignore[attr-defined]


def test_chosen_rows_are_fetched_from_where_they_lie_and_never_by_reading_the_table_once_a_batch(
    shop: PostgresDatabase,
) -> None:
    with copying.opened(shop.url(Role.OWNER), "URL") as source:
        wanted = subset.asked([], ["customers=60%", "events=0%"], "all")
        assert wanted
        part, _ = subset.chosen(source, wanted, 0, quiet=True)
        assert part.rows["order_items"] > 15_000
        with part.connect() as connection:
            for query in part.queries(connection, "order_items", ["id"]):
                plan = connection.execute(sql.SQL("EXPLAIN {}").format(query)).fetchall()
                assert plan[0][0].startswith("Tid Scan"), plan


def test_a_share_is_the_same_each_time_and_another_with_another_seed(nasty: PostgresDatabase) -> None:
    url = nasty.url(Role.OWNER)
    first = rids(url, "people=10%", "chain=50%")
    assert 20 < len(set(first["people"])) < 400
    assert rids(url, "people=10%", "chain=50%") == first
    assert rids(url, "people=10%", "chain=50%", seed=1) != first


def test_a_larger_share_holds_the_smaller_one_and_shares_of_the_same_keys_agree(nasty: PostgresDatabase) -> None:
    url = nasty.url(Role.OWNER)
    few, many = (rids(url, f"people={share}", "children none") for share in ("5%", "20%"))
    assert set(few["people"]) < set(many["people"])
    assert rids(url, "people=100%", "children none")["people"] == sorted(
        rid for (rid,) in ask(url, "SELECT rid FROM people")
    )
    with copying.opened(url, "URL") as source:
        wanted = subset.asked([], ["visits=30%", "chain=30%"], "none")
        assert wanted
        part, _ = subset.chosen(source, wanted, 0, quiet=True)
        visits, links = (
            {
                int(one)
                for batch in copying.Copied(part, name, lambda _, batch: batch).chunks()
                for one in batch["id"].to_pylist()
            }
            for name in ("visits", "chain")
        )
    assert {one for one in visits if 0 < one <= 300 and one % 50 != 1} <= links  # links come with those before them


def test_a_share_and_a_condition_of_one_table_must_both_hold(nasty: PostgresDatabase) -> None:
    url = nasty.url(Role.OWNER)
    both = rids(url, "visits: id > 0", "visits=30%", "children none")["visits"]
    share = rids(url, "visits=30%", "children none")["visits"]
    assert both == sorted({*share} & {rid for (rid,) in ask(url, "SELECT rid FROM visits WHERE id > 0")})


def test_a_copy_of_a_share_holds_every_foreign_key_and_is_as_large_as_announced(
    shop: PostgresDatabase, database: PostgresDatabase
) -> None:
    planned = json.loads(run(shop.url(Role.OWNER), "--share", "5%", "--plan", "--json").stdout)["tables"]
    run(shop.url(Role.OWNER), "--share", "5%", "--into", database.url(Role.OWNER), "--no-verify")
    counts = {one["table"]: one["rows"] for one in planned}
    copied = database.url(Role.OWNER)
    for name, rows in counts.items():
        assert ask(copied, f"SELECT count(*) FROM {name}") == [(rows,)], name
    assert 120 < counts["customers"] < 900 and 400 < counts["orders"] < 1100  # 5% of them, and reviewers
    for child, column, parent in SHOP_REFERENCES:
        orphans = f"SELECT count(*) FROM {child} c WHERE {column} IS NOT NULL AND NOT EXISTS "
        assert ask(copied, f"{orphans} (SELECT FROM {parent} p WHERE p.id = c.{column})") == [(0,)]
    assert ask(copied, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated") == [(8,)]
    sizes = {one["table"]: one for one in planned}
    whole = ask(shop.url(Role.OWNER), "SELECT pg_table_size('orders'), count(*) FROM orders")[0]
    assert sizes["orders"]["estimated_bytes"] == round(whole[0] * counts["orders"] / whole[1])
    assert (sizes["orders"]["of_rows"], sizes["orders"]["why"]) == (12_000, "goes with others")


def test_a_nasty_copy_is_loaded_with_all_its_foreign_keys(nasty: PostgresDatabase, database: PostgresDatabase) -> None:
    told = run(
        nasty.url(Role.OWNER), "--where", "people: id % 60 = 3", "--where", "people: id > 100", "--into",
        database.url(Role.OWNER), "--json", "--no-verify",
    )  # fmt: skip
    counts = {one["table"]: one["rows"] for one in json.loads(told.stdout)["tables"]}
    assert 5 < counts["people"] < 500 and counts[ODD] > 0
    for name, rows in counts.items():
        assert ask(database.url(Role.OWNER), f"SELECT count(*) FROM {quoted(name)}") == [(rows,)], name
    assert ask(database.url(Role.OWNER), "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]


@pytest.fixture
def reader(nasty: PostgresDatabase) -> Iterator[str]:
    """The URL of a role that may read, and make nothing, not even for a session."""
    with nasty.connect(Role.OWNER) as connection:
        name = connection.info.dbname
        connection.execute("CREATE ROLE subset_reader LOGIN PASSWORD 'reading' IN ROLE pg_read_all_data")
        connection.execute(sql.SQL("REVOKE TEMP, CREATE ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    yield conninfo.make_conninfo(nasty.url(Role.OWNER), user="subset_reader", password="reading")
    with nasty.connect(Role.OWNER) as connection:
        connection.execute("DROP OWNED BY subset_reader; DROP ROLE subset_reader")


def test_a_role_that_may_only_read_will_do(nasty: PostgresDatabase, reader: str) -> None:
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TEMP TABLE mine (id int)")
    assert rids(reader, "people: id < 9") == rids(nasty.url(Role.OWNER), "people: id < 9")


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--where", "peeple: true"], "--where peeple: there is no such table; did you mean 'people'"),
        (["--where", "people: teem = 3"], "column \"teem\" does not exist; did you mean 'team'"),
        (["--where", "people: people.teem = 3"], "column people.teem does not exist; known are id, node"),
        (["--where", "people: team ="], "syntax error"),
        (["--where", "people: team"], "must be type boolean"),
        (["--where", "people: 1 / (id - 7) > 0"], "division by zero"),
        (["--where", "people: nextval('rids') > 0"], "read-only transaction"),
        (["--where", "people: true) TO STDOUT; COMMIT; DROP TABLE alone; --"], "syntax error"),
        (["--where", "people: true); COMMIT; DROP TABLE alone; SELECT (true"], "multiple commands"),
        (["--where", "people: true); --"], "syntax error"),
        (["--where", "people: true /*"], "unterminated"),
        (["--where", "people true"], "a table, a colon and a condition"),
        (["--share", "people"], "write 5%"),
        (["--share", "people=101%"], "from 0% to 100%"),
        (["--share", "people=1%", "--share", "people=2%"], "two shares of people"),
        (["--share", "peopel=5%"], "did you mean 'people'"),
        (["--children", "none"], "say one of them too"),
        (["--share", "5%", "--children", "visit"], "did you mean 'visits'"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(
    nasty: PostgresDatabase, database: PostgresDatabase, words: list[str], complaint: str
) -> None:
    with pytest.raises(ScenarioMistake) as told:
        run(nasty.url(Role.OWNER), "--into", database.url(Role.OWNER), *words)
    assert complaint in str(told.value)
    assert ask(database.url(Role.OWNER), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert ask(nasty.url(Role.OWNER), "SELECT count(*) FROM alone") == [(50,)]


def test_a_large_table_that_nothing_leads_to_is_asked_about(shop: PostgresDatabase) -> None:
    with pytest.raises(ScenarioMistake, match="events: no foreign key leads there from customers"):
        run(shop.url(Role.OWNER), "--plan", "--where", "customers: id = 1")
    told = run(shop.url(Role.OWNER), "--plan", "--where", "customers: id = 1", "--share", "events=0%").stdout
    assert "goes with others" in told and "estimated size" in told and "customers.email" in told


def test_a_table_that_is_rewritten_meanwhile_is_told(server: PostgresServer) -> None:
    made = server.create("subset_rewritten")
    url = made.url(Role.OWNER)
    with made.connect(Role.OWNER) as connection:
        connection.execute("CREATE TABLE words (id int PRIMARY KEY)")
        connection.execute("INSERT INTO words SELECT generate_series(1, 1000)")
        connection.execute("DELETE FROM words WHERE id % 2 = 0")
    with copying.opened(url, "URL") as source:
        wanted = subset.asked([], ["words=50%"], "all")
        assert wanted
        part, _ = subset.chosen(source, wanted, 0, quiet=True)
        with made.connect(Role.OWNER) as connection:
            connection.execute("VACUUM FULL words")
        with pytest.raises(ServerFailed, match="was rewritten"):
            list(copying.Copied(part, "words", lambda _, batch: batch).chunks())
    made.drop()


def test_rows_that_change_meanwhile_are_copied_as_they_were(server: PostgresServer) -> None:
    made = server.create("subset_moving")
    url = made.url(Role.OWNER)
    with made.connect(Role.OWNER) as connection:
        connection.execute("CREATE TABLE words (id int PRIMARY KEY, version int)")
        connection.execute("INSERT INTO words SELECT n, 1 FROM generate_series(1, 1000) n")
    with copying.opened(url, "URL") as source:
        wanted = subset.asked(["words: id <= 500"], [], "all")
        assert wanted
        part, _ = subset.chosen(source, wanted, 0, quiet=True)
        with made.connect(Role.OWNER) as connection:
            connection.execute("UPDATE words SET version = 2")
            connection.execute("DELETE FROM words WHERE id < 100")
            connection.execute("VACUUM words")
            connection.execute("INSERT INTO words SELECT n, 3 FROM generate_series(2001, 3000) n")
        read = [
            row for batch in copying.Copied(part, "words", lambda _, batch: batch).chunks() for row in batch.to_pylist()
        ]
    assert sorted(int(row["id"]) for row in read) == list(range(1, 501))
    assert {row["version"] for row in read} == {"1"}
    made.drop()


def run(url: str, *arguments: str) -> Result:
    result = CliRunner().invoke(command, [url, *arguments], env={"REHEARSE_KEY": KEY}, standalone_mode=False)
    if result.exception:
        raise result.exception
    assert not result.return_value, result.output
    return result


def ask(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()
