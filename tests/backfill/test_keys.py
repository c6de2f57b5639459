"""Keys of every type that a server orders: each row is done once, whatever its key looks like as text."""

from __future__ import annotations

import pytest

from rehearse.backfill import Backfill, look, run
from rehearse.backfill.connections import Connections
from rehearse.errors import Mistake
from tests.backfill.conftest import Place

pytestmark = pytest.mark.slow

# A type, and its value for a number g from 1 to 120.
POSTGRES = {
    "smallint": "g::int2 - 60",
    "numeric(20, 5)": "g / 7.0",
    'text COLLATE "C"': r"chr(65 + g * 7 % 58) || g || E'\\''\u00e4'",
    "char(8)": "'a' || g * 7919 % 9999",
    "timestamptz": "timestamptz '2024-10-27 00:30+02' + g * interval '17 min'",
    "interval": "g * interval '1 day 3 hours'",
    "date": "date '0001-01-01' + g * 999 - 40000",
    "uuid": "md5(g::text)::uuid",
    "bytea": "decode(md5(g::text), 'hex')",
    "float8": "sqrt(g)",
    "inet": "'10.0.0.0'::inet + g * 37",
    "mood": "(ARRAY['sad', 'ok', 'happy'])[1 + g % 3]::mood",
    "int4range": "int4range(g, g + 5)",
    "jsonb": "jsonb_build_object('a', g % 5, 'b', g::text)",
    "pair": "row(g % 4, 'x' || g)::pair",
    '"char"': 'chr(33 + g % 90)::"char"',
}
MYSQL = {
    "int unsigned": "4294967295 - g",
    "bigint unsigned": "18446744073709551615 - g",
    "bigint": "-9223372036854775808 + g",
    "decimal(20, 5)": "g / 7",
    "varchar(20) CHARACTER SET utf8mb4": r"concat(char(97 + g % 26 USING utf8mb4), g, '\'\\ß ')",
    "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin": "concat('x', g, '%\"')",
    "char(9) CHARACTER SET latin1": "concat('é', g)",
    "varchar(9) CHARACTER SET cp932": "concat('ﾊ', g)",
    "varchar(9) CHARACTER SET utf16": "concat('u', g)",
    "varbinary(20)": r"concat(g, '\0')",
    "date": "date '2000-01-01' + INTERVAL g DAY",
    "datetime(6)": "timestamp '2000-01-01 00:00:00.5' + INTERVAL g * 77777 MICROSECOND",
    "time(3)": "sec_to_time(g * 1.5 - 100)",
    "year": "1950 + g",
}


@pytest.mark.parametrize("key", ["k", "j, k"])
def test_rows_are_done_once_by_keys_of_every_type(place: Place, key: str) -> None:
    place.tell("CREATE TABLE n (g int PRIMARY KEY)", place.numbers("n", 120).replace("(id)", "(g)"))
    if place.is_postgres:
        place.tell("CREATE TYPE mood AS ENUM ('ok', 'sad', 'happy')", "CREATE TYPE pair AS (a int, b text)")
    words = ("INSERT INTO", " ON CONFLICT DO NOTHING") if place.is_postgres else ("INSERT IGNORE INTO", "")
    with Connections(place.url, 10_000, 60_000).open() as session:
        for number, (type_, value) in enumerate((POSTGRES if place.is_postgres else MYSQL).items()):
            table = f"t{number}"
            session.tell(
                f"CREATE TABLE {table} (k {type_} NOT NULL, j int NOT NULL, v int, times int DEFAULT 0, "
                f"PRIMARY KEY ({key}))"
            )
            session.tell(f"{words[0]} {table} (k, j) SELECT {value}, {'1' if key == 'k' else 'g % 3'} FROM n{words[1]}")
            statement = f"UPDATE {table} SET v = 1, times = times + 1 WHERE v IS NULL"
            found = run(place.url, Backfill(statement=statement, batch=23, batch_time_ns=None))
            counted = session.ask(f"SELECT count(*), sum(CASE WHEN times = 1 THEN 1 ELSE 0 END) FROM {table}")
            assert counted[0][0] == counted[0][1] == str(found.rows) == str(found.keys), type_
            assert (found.left, found.swept) == (0, 0), type_


def test_workers_share_keys_that_are_no_numbers(place: Place) -> None:
    kind = "text" if place.is_postgres else "varchar(20)"
    place.tell(
        "CREATE TABLE n (id int PRIMARY KEY)",
        place.numbers("n", 2_000),
        f"CREATE TABLE t (a int NOT NULL, b {kind} NOT NULL, times int DEFAULT 0, PRIMARY KEY (a, b))",
        f"INSERT INTO t (a, b) SELECT id % 2, CAST(id AS {'text' if place.is_postgres else 'char'}) FROM n",
        "ANALYZE t" if place.is_postgres else "ANALYZE TABLE t",
    )
    task = Backfill(statement="UPDATE t SET times = times + 1", once=True, workers=2, batch=20, verify="times <> 1")
    found = run(place.url, task)
    assert (found.rows, found.keys, found.left) == (2_000, 2_000, 0)
    with Connections(place.url, 10_000, 60_000).open() as session:
        ranges = session.ask("SELECT after_key, upto_key FROM rehearse_backfill ORDER BY range_no")
    assert 6 <= len(ranges) <= 8  # eight, by the server's estimate of rows
    assert [one[0] for one in ranges[1:]] == [one[1] for one in ranges[:-1]]
    assert ranges[0][0] is None
    assert ranges[-1][1] is not None  # once: what comes later is not its own


def test_a_key_that_does_not_order_as_it_compares_is_refused(place: Place) -> None:
    if place.is_postgres:
        place.tell(
            "CREATE TABLE t (a text NOT NULL, b int NOT NULL, v int)",
            "CREATE UNIQUE INDEX ON t (a text_pattern_ops)",
            "CREATE UNIQUE INDEX ON t (b DESC, a)",
            "CREATE UNIQUE INDEX ON t (b) WHERE v > 0",
            "CREATE UNIQUE INDEX ON t (lower(a))",
        )
        keys, complaint = (("a",), ("b", "a"), ("b",)), "no unique key, whole and not null"
    else:
        place.tell("CREATE TABLE t (a enum('b', 'a') PRIMARY KEY, b float NOT NULL UNIQUE, v int)")
        keys, complaint = ((), ("b",)), "not ordered as it is compared"  # type: ignore[assignment]
    for key in keys:
        with pytest.raises(Mistake, match=complaint):
            look(place.url, Backfill(statement="UPDATE t SET v = 1 WHERE v IS NULL", key=key))


def test_a_plan_that_is_not_by_the_key_is_warned_of(place: Place) -> None:
    """A WHERE that an index answers invites a plan that reads what is left of it in each batch, again and again."""
    place.tell("CREATE TABLE t (id int PRIMARY KEY, w int, v int)", place.numbers("t", 30_000))
    place.tell("UPDATE t SET w = 1", "CREATE INDEX t_v ON t (v)")
    place.tell(*(["ANALYZE t"] if place.is_postgres else ["ANALYZE TABLE t"]))
    task = Backfill(statement="UPDATE t SET v = 1 WHERE v IS NULL")
    assert look(place.url, task).warnings == ()
    if place.is_postgres:  # what is not known of yet is taken for little
        place.tell("UPDATE t SET v = 1", "ANALYZE t", "UPDATE t SET v = NULL")
        place.tell("ALTER TABLE t ALTER id SET STATISTICS 0")
        place.tell("DELETE FROM pg_statistic WHERE starelid = 't'::regclass AND staattnum = 1")
        found = look(place.url, Backfill(statement="UPDATE t SET v = 1 WHERE v IS NULL", batch=3_000)).warnings
        assert len(found) == 1
        assert "would not read the table by the key" in found[0]
