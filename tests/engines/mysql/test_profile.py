"""Profiles of a MariaDB server: what is seen at each tier, what comes back of it, and what is not touched."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rehearse import datasets
from rehearse.cli.profile import command
from rehearse.engines.mysql.client import execute, named, rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.engines.mysql.profiling import profile
from rehearse.engines.mysql.server import MysqlServer
from rehearse.errors import NotDisposable
from rehearse.profiles import shapes as sh
from rehearse.profiles.writing import toml
from rehearse.protocols import Role
from tests.conftest import KeepingJournal
from tests.engines.mysql.numbers import numbered

pytestmark = pytest.mark.slow

SECRET = "zebulon.quackenbush@example.org"
SCHEMA = """
CREATE TABLE kinds (id int PRIMARY KEY, name varchar(20) NOT NULL UNIQUE);
CREATE TABLE customers (
    id bigint unsigned PRIMARY KEY AUTO_INCREMENT, kind_id int NOT NULL, email varchar(100) NOT NULL UNIQUE,
    status enum('new', 'active', 'gone') NOT NULL, vip tinyint(1) NOT NULL, credit decimal(10, 2), score double,
    born date, created_at datetime(6) NOT NULL, seen_at timestamp NULL, doc json, raw varbinary(16), founded year,
    flags set('a', 'b', 'c'), bits bit(5), place point, twice double AS (score * 2), contact varchar(100),
    FOREIGN KEY (kind_id) REFERENCES kinds (id)
);
CREATE TABLE orders (
    id bigint PRIMARY KEY AUTO_INCREMENT, customer_id bigint unsigned NOT NULL, total decimal(12, 2) NOT NULL,
    note varchar(200), paid tinyint(1), placed_at datetime NOT NULL,
    FOREIGN KEY (customer_id) REFERENCES customers (id), KEY (placed_at)
)"""
FILLED = f"""
INSERT INTO kinds VALUES (1, 'basic'), (2, 'gold'), (3, 'silver');
INSERT INTO customers (kind_id, email, status, vip, credit, score, born, created_at, seen_at, doc, raw, founded, flags,
                       bits, place, contact)
SELECT 1 + seq % 2, concat('user', seq, '@example.org'),
       elt(1 + (seq % 4 > 0) + (seq % 4 > 2), 'new', 'active', 'gone'),
       seq % 10 = 0, (seq * 7919) % 1000 + 0.5, (seq * 104729 % 1000) / 1000,
       '1950-01-01' + INTERVAL seq % 20000 DAY, '2020-01-01' + INTERVAL seq * 600 SECOND,
       if(seq % 3 = 0, NULL, '2020-01-01' + INTERVAL seq * 600 + 86400 SECOND),
       json_object('plan', if(seq % 2, 'free', 'paid')), unhex(left(sha2(seq, 256), 32)), 2000 + seq % 20,
       elt(1 + seq % 3, 'a', 'a,b', 'c'), seq % 31, point(seq, 1), '{SECRET}'
FROM seq_1_to_6000;
INSERT INTO orders (customer_id, total, note, paid, placed_at)
SELECT 1 + floor(pow(seq / 24000, 3) * 5999), seq % 500, if(seq % 5 < 3, NULL, concat('leave at door ', seq % 100)),
       seq % 10 > 0, '2021-01-01' + INTERVAL seq * 300 SECOND
FROM seq_1_to_24000;
ANALYZE TABLE kinds, customers, orders"""
_numbers = itertools.count(1)


def run(database: MysqlDatabase, script: str) -> None:
    with database.connect() as connection:
        for statement in numbered(script).split(";"):
            execute(connection, statement)


@pytest.fixture(scope="module")
def shop(server: MysqlServer) -> Iterator[MysqlDatabase]:
    made = server.create("profiled")
    run(made, SCHEMA)
    run(made, FILLED)
    yield made
    made.drop()


@pytest.mark.parametrize("tier", ["catalogs", "aggregates", "sample"])
def test_no_secret_that_every_row_holds_is_in_a_profile(shop: MysqlDatabase, tier: Any) -> None:
    made, remarks, asked = profile(shop, tier=tier, rows=3000)
    text = toml(made, remarks)
    assert SECRET not in text and "quackenbush" not in text
    assert bool(sum(one.rows_read for one in asked)) == (tier != "catalogs")


def test_without_histograms_it_is_said_that_columns_are_not_seen(shop: MysqlDatabase) -> None:
    made, remarks, _ = profile(shop)
    assert made.tables["orders"].columns["customer_id"] is not None  # its index tells of it
    assert "paid" not in made.tables["orders"].columns
    assert any("orders: the server keeps no histograms" in one.says for one in remarks)


# How each server has histograms made, in two forms, and how they are dropped again.
HISTOGRAMS = {
    "mariadb": (
        ["SET histogram_type = DOUBLE_PREC_HB; ANALYZE TABLE customers PERSISTENT FOR ALL",
         "SET histogram_type = JSON_HB; ANALYZE TABLE customers PERSISTENT FOR ALL"],
        "DELETE FROM mysql.column_stats",
    ),
    "mysql": (
        [f"ANALYZE TABLE customers UPDATE HISTOGRAM ON status, credit, created_at WITH {count} BUCKETS"
         for count in (100, 1024)],
        "ANALYZE TABLE customers DROP HISTOGRAM ON status, credit, created_at",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", [0, 1])
def test_histograms_that_somebody_had_made_are_read(shop: MysqlDatabase, form: int) -> None:
    made_by, dropped_by = HISTOGRAMS[shop.server.flavour.name]
    run(shop, made_by[form])
    try:
        made, _, _ = profile(shop)
    finally:
        run(shop, dropped_by)
    columns = made.tables["customers"].columns
    assert shares(columns["status"]) == pytest.approx({"new": 0.25, "active": 0.5, "gone": 0.25}, abs=0.02)
    credit = columns["credit"]
    assert isinstance(credit, sh.Histogram)
    assert quantile(credit, 0.5) == pytest.approx(500, abs=25)
    created = columns["created_at"]
    assert isinstance(created, sh.Histogram)
    assert str(created.bounds[0])[:10] == "2020-01-01" and str(created.bounds[-1])[:7] == "2020-02"


def test_a_sample_says_what_comes_back(shop: MysqlDatabase, server: MysqlServer) -> None:
    made, _, _ = profile(shop, tier="sample", rows=3000)
    copy = server.create("profiled_copy")
    try:
        run(copy, SCHEMA)
        copy.grant()
        copy.load(datasets.open_tables(made, copy.structure(), scale=1.0, seed=3), KeepingJournal())
        for table in ("kinds", "customers", "orders"):
            assert counted(copy, table) == counted(shop, table)
        for measure, near in MEASURES.items():
            assert float(measured(copy, measure)) == pytest.approx(float(measured(shop, measure)), **near), measure
    finally:
        copy.drop()


# What of the copy must be near to the original, and how near.
MEASURES: Mapping[str, dict[str, float]] = {
    "avg(vip) FROM customers": {"abs": 0.01},
    "avg(status = 'active') FROM customers": {"abs": 0.03},
    "avg(seen_at IS NULL) FROM customers": {"abs": 0.03},
    "sum(seen_at < created_at) FROM customers": {"abs": 0},
    "avg(credit) FROM customers": {"rel": 0.05},
    "unix_timestamp(max(created_at)) FROM customers": {"rel": 0.001},
    "avg(flags = 'a,b') FROM customers": {"abs": 0.05},
    "avg(bits + 0) FROM customers": {"rel": 0.1},
    "avg(founded) FROM customers": {"abs": 1},
    "count(DISTINCT customer_id) FROM orders": {"rel": 0.02},
    "max(n) FROM (SELECT count(*) n FROM orders GROUP BY customer_id) counted": {"rel": 0.05},
    "avg(note IS NULL) FROM orders": {"abs": 0.03},
    "avg(json_value(doc, '$.plan') = 'free') FROM customers": {"abs": 0.05},
    "min(length(raw)) FROM customers": {"abs": 0},
}


def measured(database: MysqlDatabase, measure: str) -> Any:
    with database.connect() as connection:
        return rows(connection, f"SELECT {measure}")[0][0]


def counted(database: MysqlDatabase, table: str) -> int:
    return int(measured(database, f"count(*) FROM {named(table)}"))


def test_our_own_statements_are_not_taken_for_the_applications(shop: MysqlDatabase) -> None:
    run(shop, "TRUNCATE TABLE performance_schema.events_statements_summary_by_digest")  # it keeps no more than it has
    profile(shop, tier="sample", rows=1000)
    run(shop, "SELECT total FROM orders WHERE id = 5")
    made, _, _ = profile(shop)
    texts = [one.sql for one in made.queries]
    assert "select `total` from `orders` where `id` = ?" in [text.lower().replace(" id ", " `id` ") for text in texts]
    assert not [text for text in texts if "rehearse" in text]


def test_a_reader_who_may_only_select_gets_a_profile_and_words_for_the_rest(shop: MysqlDatabase) -> None:
    made, remarks, _ = profile(Reader(shop), tier="aggregates")
    assert made.tables["orders"].rows == 24000
    assert any("the sizes of indexes" in one.says for one in remarks if one.kind == "unseen")


class Reader:
    def __init__(self, database: MysqlDatabase) -> None:
        self.database = database

    def connect(self, **options: Any) -> Any:
        return self.database.connect(Role.APPLICATION, **options)


def test_the_command_reads_a_url_of_the_family(shop: MysqlDatabase) -> None:
    found = CliRunner().invoke(command, [shop.url(Role.OWNER), "--aggregates"], standalone_mode=False)
    assert found.exception is None
    assert "[tables.orders]" in found.output


def shares(shape: Any) -> dict[str, float]:
    assert isinstance(shape, sh.Choice) and isinstance(shape.of, dict)
    return dict(shape.of)


def quantile(shape: sh.Histogram, share: float) -> float:
    import numpy as np  # noqa: PLC0415

    at = shape.at or np.linspace(0, 1, len(shape.bounds)).tolist()
    return float(np.interp(share, at, [float(one) for one in shape.bounds]))  # type: ignore[arg-type]


def test_a_dataset_fills_a_database_of_the_users(server: MysqlServer, tmp_path: Path) -> None:
    from rehearse.cli.data import command as data  # noqa: PLC0415

    (tmp_path / "small.toml").write_text(SMALL)
    made = server.create("filled_by_hand")
    try:
        run(made, "CREATE TABLE words (id int PRIMARY KEY AUTO_INCREMENT, word varchar(40) NOT NULL, k set('a', 'b'))")
        words = [str(tmp_path / "small.toml"), "--into", made.url(Role.OWNER), "--json"]
        found = CliRunner().invoke(data, words, standalone_mode=False)
        assert found.exception is None, found.exception
        assert counted(made, "words") == 500
        again = CliRunner().invoke(data, words, standalone_mode=False)
        assert isinstance(again.exception, NotDisposable) and "words" in str(again.exception)
        planner = CliRunner().invoke(data, [*words, "--statistics", "production"], standalone_mode=False)
        assert planner.exception is not None
    finally:
        made.drop()


SMALL = """
name = "small"
[tables.words]
rows = 500
"""
