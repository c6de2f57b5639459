"""What a statement's text tells of its deeds."""

from __future__ import annotations

import logging

import pytest

from rehearse.measures.deeds import Deed, Names, Reference, deeds
from rehearse.testing.recordings import statement

KNOWN = frozenset({"t", "u", "s.far", "Mixed Case", "c", "p", "p1"})


def read(*texts: str, names: Names | None = None) -> list[Deed]:
    some = [statement(n, text, n, n + 0.5) for n, text in enumerate(texts, start=1)]
    return [step.deed for step in deeds(some, names or Names(known=KNOWN))]


def told(*texts: str, names: Names | None = None) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    found = read(*texts, names=names)
    return [(one.does, one.takes, tuple(sorted(one.tables)), tuple(sorted(one.columns))) for one in found]


@pytest.mark.parametrize(
    "sql, expected",
    [
        ("alter table t drop column w", [("DROP COLUMN", "column", ("t",), ("w",))]),
        ("ALTER TABLE IF EXISTS ONLY public.t DROP IF EXISTS W CASCADE", [("DROP COLUMN", "column", ("t",), ("w",))]),
        (
            'alter table "Mixed Case" drop "A,b", alter v set data type numeric(10, 2) using round(v, 2), '
            "disable trigger x",
            [
                ("DROP COLUMN", "column", ("Mixed Case",), ("A,b",)),
                ("ALTER COLUMN TYPE", "type", ("Mixed Case",), ("v",)),
                ("DISABLE TRIGGER", "schema", ("Mixed Case",), ()),
            ],
        ),
        ("alter table t add w text, add constraint x check (w <> ''), validate constraint x", []),
        ("alter table t drop constraint w", [("DROP CONSTRAINT", "schema", ("t",), ())]),
        ("alter table t alter w drop not null", [("ALTER COLUMN DROP NOT NULL", "schema", ("t",), ("w",))]),
        (
            "drop table if exists t, s.far cascade",
            [("DROP TABLE", "all", ("t",), ()), ("DROP TABLE", "all", ("s.far",), ())],
        ),
        ("drop table far", [("DROP TABLE", "all", ("s.far",), ())]),
        ("truncate only t, u", [("TRUNCATE", "rows", ("t",), ()), ("TRUNCATE", "rows", ("u",), ())]),
        ("delete from only t where w = 'update u set x = 1'", [("DELETE", "rows", ("t",), ())]),
        ("-- drop table t\nupdate t as k set (v, w) = (1, 2), id = 3 from u where u.v = 7, k.z", None),
        ("select * from t for no key update", []),
        ("insert into t values (1)", []),
        (
            "insert into t as k values (1) on conflict (id) do update set w = excluded.w where k.v = 1",
            [("INSERT … ON CONFLICT DO UPDATE", "values", ("t",), ("w",))],
        ),
        (
            "merge into t using u on true when matched and u.v > 1 then delete when matched then update set w = 1",
            [("MERGE", "rows", ("t",), ()), ("MERGE", "values", ("t",), ("w",))],
        ),
        (
            "with d as (delete from t returning *), e as (update u set v = 1 where true returning 1) select 1",
            [("DELETE", "rows", ("t",), ()), ("UPDATE", "values", ("u",), ("v",))],
        ),
        ("comment on column t.w is 'drop table t'", [("COMMENT", "schema", ("t",), ("w",))]),
        ("revoke all on t, u from x", [("REVOKE", "schema", ("t",), ()), ("REVOKE", "schema", ("u",), ())]),
        ("do $$ begin drop table t; end $$", [("a DO block", "unknown", (), ())]),
        ("call tidy()", [("a CALL", "unknown", (), ())]),
        ("select tidy(1)", [("a query that calls a function", "unknown", (), ())]),
        ("select count(*) from t where (v > 1) and w in (select pg_get_userbyid(1)) and exists (select 1)", []),
        ("update t set w = $1, v = $2 where id in ($3,$4)", [("UPDATE", "values", ("t",), ("v", "w"))]),
        ("select 'unclosed", [("a text that cannot be read", "unknown", (), ())]),
        ("begin", []),
        ("create index i on t (w)", []),
    ],
)
def test_a_statement_is_read(
    sql: str, expected: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] | None, caplog: pytest.LogCaptureFixture
) -> None:
    if expected is None:
        expected = [("UPDATE", "values", ("t",), ("id", "v", "w"))]
    with caplog.at_level(logging.WARNING):
        assert told(sql) == expected
    assert not caplog.records


def test_several_statements_that_were_sent_as_one_are_read_each() -> None:
    assert [one.does for one in read("do $$ begin; end $$; alter table t drop w; truncate u;")] == [
        "a DO block", "DROP COLUMN", "TRUNCATE"
    ]  # fmt: skip


def test_a_statement_that_failed_did_nothing() -> None:
    failed = statement(1, "drop table t", 1, 2, error="it is needed")
    assert deeds([failed], Names(known=KNOWN)) == []


def test_a_table_and_its_columns_are_known_by_the_names_of_the_start() -> None:
    found = told(
        "alter table t rename to old",
        "alter table old rename w to words",
        "create table t (id int)",
        "update old set words = lower(words)",
        "drop table old",
    )
    assert found == [("UPDATE", "values", ("old", "t"), ("w", "words")), ("DROP TABLE", "all", ("old", "t"), ())]


def test_a_table_that_moved_to_another_schema_is_followed() -> None:
    assert told("alter table t set schema s", "alter table s.t rename to x", "truncate s.x") == [
        ("TRUNCATE", "rows", ("s.x", "t"), ())
    ]


def test_a_partition_that_is_dropped_takes_rows_of_its_table() -> None:
    names = Names(known=KNOWN, roots={"p1": "p"})
    assert told("drop table p1", names=names) == [
        ("DROP TABLE", "all", ("p1",), ()),
        ("DROP TABLE", "rows", ("p",), ()),
    ]
    made = told("create table p2 partition of p default", "alter table p detach partition p2", names=names)
    assert ("DETACH PARTITION", "rows", ("p",), ()) in made


def test_rows_that_refer_to_deleted_ones_go_by_their_foreign_key() -> None:
    references = (Reference("c", "t", ("t_id",), "CASCADE"), Reference("u", "c", ("c_id",), "SET NULL"))
    names = Names(known=KNOWN, references=references)
    assert told("delete from t", names=names) == [
        ("DELETE", "rows", ("t",), ()),
        ("DELETE of t, by its foreign key", "rows", ("c",), ()),
        ("DELETE of c, by its foreign key", "values", ("u",), ("c_id",)),
    ]
    assert told("delete from u", names=names) == [("DELETE", "rows", ("u",), ())]
    refused = Names(known=KNOWN, references=(Reference("c", "t", ("t_id",), None),))
    assert told("delete from t", names=refused) == [("DELETE", "rows", ("t",), ())]
