"""Statements are taken apart by their syntax, and nothing but the range is put into them."""

from __future__ import annotations

import pytest

from rehearse.backfill import _mysql_reading, _postgres_reading
from rehearse.backfill.statement import RANGE, Reading
from rehearse.errors import Mistake

READERS = {"postgres": _postgres_reading.read, "mysql": _mysql_reading.read}


@pytest.fixture(params=READERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(kind: str, statement: str) -> Reading:
    return READERS[kind](statement)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE t SET a = b;", f"UPDATE t SET a = b\nWHERE {RANGE}"),
        ("update t set a = 1 where b or c -- bye", f"update t set a = 1\nWHERE {RANGE} AND (b or c -- bye\n)"),
        (
            "UPDATE t SET a = (SELECT max(x) FROM u WHERE u.t = t.id) WHERE a IS NULL",
            f"UPDATE t SET a = (SELECT max(x) FROM u WHERE u.t = t.id)\nWHERE {RANGE} AND (a IS NULL\n)",
        ),
        ("UPDATE t SET a = ' WHERE ' WHERE b = '%'", f"UPDATE t SET a = ' WHERE '\nWHERE {RANGE} AND (b = '%'\n)"),
        (
            "INSERT INTO u (x) SELECT t.a FROM t JOIN v ON v.t = t.id WHERE t.b > 0",
            f"INSERT INTO u (x) SELECT t.a FROM t JOIN v ON v.t = t.id\nWHERE {RANGE} AND (t.b > 0\n)",
        ),
    ],
)
def test_the_range_is_put_into_the_where_of_the_statement_itself(kind: str, statement: str, expected: str) -> None:
    assert read(kind, statement).template == expected


def test_what_comes_behind_the_where_stays_behind_it() -> None:
    ours = read("postgres", "INSERT INTO u SELECT a FROM t WHERE b ON CONFLICT (a) DO UPDATE SET x = 1 WHERE u.y")
    assert ours.template.endswith(f"WHERE {RANGE} AND (b\n)\nON CONFLICT (a) DO UPDATE SET x = 1 WHERE u.y")
    theirs = read("mysql", "INSERT INTO u SELECT a FROM t WHERE b ON DUPLICATE KEY UPDATE x = 1")
    assert theirs.template.endswith(f"WHERE {RANGE} AND (b\n)\nON DUPLICATE KEY UPDATE x = 1")


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("UPDATE t SET a = b WHERE a IS DISTINCT FROM b::bigint", '"t"'),
        ("UPDATE t SET f = a IS DISTINCT FROM b FROM u WHERE u.id = t.id AND u.a IS NOT DISTINCT FROM t.a", '"t", u'),
    ],
)
def test_the_from_of_a_comparison_is_no_clause(statement: str, source: str) -> None:
    assert read("postgres", statement).source == source


def test_names_in_quotes_are_kept() -> None:
    ours = read("postgres", 'UPDATE "S s"."T""t" AS "x.y" SET "ä" = 1 WHERE "ö" IS NULL')
    assert (ours.table, ours.alias, ours.sets) == (("S s", 'T"t'), "x.y", ("ä",))
    assert ours.source == '"S s"."T""t" AS "x.y"'
    theirs = read("mysql", "UPDATE `s s`.`t``t` AS `x.y` SET `ä` = 1 WHERE `ö` IS NULL")
    assert (theirs.table, theirs.alias, theirs.sets) == (("s s", "t`t"), "x.y", ("ä",))


def test_a_statement_says_what_else_it_reads(kind: str) -> None:
    assert not read(kind, "UPDATE t SET a = upper(b) WHERE a IS NULL").reads_others
    assert read(kind, "UPDATE t SET a = (SELECT max(c) FROM u) WHERE a IS NULL").reads_others
    assert not read(kind, "INSERT INTO u SELECT a FROM t").reads_others
    assert read(kind, "INSERT INTO u SELECT a FROM t JOIN v ON v.t = t.id").reads_others
    assert read("postgres", "UPDATE t SET a = u.b FROM u WHERE u.t = t.id AND a IS NULL").reads_others
    assert read("mysql", "UPDATE t JOIN u ON u.t = t.id SET t.a = u.b WHERE t.a IS NULL").reads_others


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DELETE FROM t", "neither UPDATE nor INSERT"),
        ("INSERT INTO t VALUES (1)", "does not select from a table"),
        ("INSERT INTO u SELECT count(*) FROM t", "groups, orders out or limits"),
        ("INSERT INTO u SELECT DISTINCT a FROM t", "groups, orders out or limits"),
        ("INSERT INTO u SELECT a FROM t GROUP BY a", "groups, orders out or limits"),
        ("INSERT INTO u SELECT a, rank() OVER (ORDER BY a) FROM t", "groups, orders out or limits"),
        ("INSERT INTO u SELECT a FROM t LIMIT 5", "groups, orders out or limits"),
        ("INSERT INTO u SELECT v.a FROM t RIGHT JOIN v ON v.t = t.id", "RIGHT or FULL"),
        ("INSERT INTO u SELECT a FROM (SELECT 1 AS a) x", "query or a function first|does not select from a table"),
        ("UPDATE t SET a = 1; DROP TABLE t", "one statement is needed, and these are 2"),
        ("UPDATE t SET a = 1 WHERE b) OR (c", "cannot be read"),
        ("UPDATE t SET", "cannot be read"),
        ("WITH x AS (SELECT 1) UPDATE t SET a = 1", "WITH|neither UPDATE"),
    ],
)
def test_what_cannot_be_cut_into_batches_is_refused(kind: str, statement: str, complaint: str) -> None:
    with pytest.raises(Mistake, match=complaint):
        read(kind, statement)


def test_parts_of_one_kind_alone_are_refused() -> None:
    for statement in ("UPDATE t SET a = 1 RETURNING a", "INSERT INTO u SELECT a FROM t RETURNING x"):
        with pytest.raises(Mistake, match="RETURNING"):
            read("postgres", statement)
    for statement in ("UPDATE t SET a = 1 LIMIT 5", "UPDATE t SET a = 1 ORDER BY b"):
        with pytest.raises(Mistake, match="leave it out"):
            read("mysql", statement)


@pytest.mark.parametrize(
    ("kind", "statement", "skips"),
    [
        ("postgres", "INSERT INTO u SELECT a FROM t", False),
        ("postgres", "INSERT INTO u SELECT a FROM t ON CONFLICT DO NOTHING", True),
        ("mysql", "INSERT INTO u SELECT a FROM t", False),
        ("mysql", "INSERT IGNORE INTO u SELECT a FROM t", True),
        ("mysql", "INSERT INTO u SELECT a FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.a = t.a)", True),
    ],
)
def test_an_insert_says_whether_it_skips_what_is_there(kind: str, statement: str, *, skips: bool) -> None:
    assert read(kind, statement).skips_existing is skips
