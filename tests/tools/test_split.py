"""Statements are split as the server does, and say where they stand."""

from __future__ import annotations

import pytest

from rehearse.backfill import Backfill
from rehearse.errors import Mistake
from rehearse.tools._kinds import controls_transaction, stands_alone, wants_no_block
from rehearse.tools._split import Repeat, Split, Statement, delimited_statements, statements


def split(text: str) -> list[tuple[str, str]]:
    return [(one.place.removeprefix("x.sql:"), one.sql) for one in statements(text, "x.sql")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("-- nothing\n/* at all */;;", []),
        ("select 1", [("1", "select 1")]),
        ("select 1;\n\n  select 2;", [("1", "select 1"), ("3", "select 2")]),
        ("-- why\nselect ';' -- and;\n;", [("2", "select ';'")]),
        ("/* a /* nested; */ ; */ select 1; select 2", [("1", "select 1"), ("1", "select 2")]),
        ("select 'it''s;';select E'it\\'s;'", [("1", "select 'it''s;'"), ("1", "select E'it\\'s;'")]),
        ('select 1 as "a;""b"; select 2', [("1", 'select 1 as "a;""b"'), ("1", "select 2")]),
        ("select 'é€'; select 'ü'", [("1", "select 'é€'"), ("1", "select 'ü'")]),
        (
            "do $$\nbegin\n  perform 1;\nend $$;\nselect $a$ $$;$$ $a$",
            [("1", "do $$\nbegin\n  perform 1;\nend $$"), ("5", "select $a$ $$;$$ $a$")],
        ),
        ("select 1\r\n;\r\nselect 2;\r\n", [("1", "select 1"), ("3", "select 2")]),
    ],
)
@pytest.mark.parametrize("newer", ["", "frobnicate the table;"], ids=["by the parser", "by the tokens"])
def test_a_text_is_split_where_statements_end(text: str, found: list[tuple[str, str]], newer: str) -> None:
    extra = [("1", "frobnicate the table")] if newer else []
    assert split(newer + text) == extra + found


@pytest.mark.parametrize("newer", ["", "frobnicate;"])
@pytest.mark.parametrize(
    "whole",
    [
        "create rule r as on insert to t do also (delete from a; delete from b)",
        "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
        "create procedure p() language sql begin atomic insert into t values (1); end",
        "begin",
        "select array[1]",
    ],
)
def test_a_body_with_semicolons_stays_whole(whole: str, newer: str) -> None:
    assert [sql for _, sql in split(f"{newer}{whole}; select 3")][-2:] == [whole, "select 3"]


@pytest.mark.parametrize("text", ["select 'open", 'select "open', "do $$ open; select 1", "/* open; select 1", "(1; 2"])
def test_what_is_left_open_is_for_the_server_to_complain_of(text: str) -> None:
    assert len(statements(text, "x.sql")) <= 1


def test_a_syntax_error_loses_no_statement() -> None:
    assert split("select 1;\nselec 2;\nselect 3") == [("1", "select 1"), ("2", "selec 2"), ("3", "select 3")]


def test_lines_count_from_where_a_section_begins() -> None:
    assert statements("\n\nselect 1", "x.sql", first_line=10)[0].place == "x.sql:12"


def test_rows_behind_copy_are_taken_along() -> None:
    text = 'COPY "a;b" (c) FROM stdin;\nit\'s;\n\\N\n\\.\n\nselect 1;\nCOPY t FROM STDIN WITH (FORMAT csv);\n"x"\n\\.'
    first, second, third = statements(text, "x.sql")
    assert (first.rows, second.rows, third.rows) == ("it's;\n\\N\n", None, '"x"\n')
    assert (second.place, third.place) == ("x.sql:6", "x.sql:7")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("select 1;\n\\i other.sql\n", r"x.sql:2: \\i is a command of psql"),
        ("\\set a 1", r"x.sql:1: \\set"),
        ("select 1 \\gset", r"x.sql:1: \\gset"),
    ],
)
def test_commands_of_psql_are_a_mistake_with_their_line(text: str, says: str) -> None:
    with pytest.raises(Mistake, match=says):
        statements(text, "x.sql")


def test_what_pg_dump_writes_around_a_dump_is_passed_over() -> None:
    assert split("\\restrict a'b\nselect 1;\n\\unrestrict a'b\n") == [("2", "select 1")]


def test_backslashes_in_texts_and_comments_are_no_commands() -> None:
    assert split("select '\n\\i x\n'; -- \\i y\n/*\n\\i z */") == [("1", "select '\n\\i x\n'")]


def test_a_marker_makes_a_statement_repeated() -> None:
    text = "select 1;\n-- rehearse:repeat pause=10ms limit=5k\nupdate t set a = 1;\n-- rehearse:repeat\ndelete from t"
    assert [one.repeat for one in statements(text, "x.sql")] == [None, Repeat(10_000_000, 5000), Repeat()]


def test_a_marker_makes_a_statement_a_backfill() -> None:
    text = "-- rehearse:backfill key=a,b batch=5k batch_time=50ms pause=10ms once\nupdate t set a = 1 where b;select 1"
    first, second = statements(text, "x.sql")
    assert first.backfill == Backfill(
        statement=first.sql, key=("a", "b"), batch=5_000, batch_time_ns=50_000_000, pause_ns=10_000_000, once=True
    )
    assert second.backfill is None
    (all_alike,) = delimited_statements("-- rehearse:backfill batch_time=off\nupdate t set a = 1 where b", "x.sql")
    assert all_alike.backfill is not None
    assert all_alike.backfill.batch_time_ns is None


@pytest.mark.parametrize("words", ["bach=5", "batch=many", "pause=1", "batch=1"])
def test_a_backfill_with_a_typo_is_a_mistake(words: str) -> None:
    with pytest.raises(Mistake, match=r"x.sql:2: rehearse:backfill: "):
        statements(f"-- rehearse:backfill {words}\nupdate t set a = 1 where b", "x.sql")


@pytest.mark.parametrize("words", ["pauze=1s", "pause=1", "limit=many"])
def test_a_marker_with_a_typo_is_a_mistake(words: str) -> None:
    with pytest.raises(Mistake, match=r"x.sql:2: rehearse:repeat"):
        statements(f"-- rehearse:repeat {words}\nupdate t set a = 1", "x.sql")


@pytest.mark.parametrize(
    "text",
    [
        "create index concurrently on t (a)",
        "CREATE /* x */ UNIQUE INDEX\nCONCURRENTLY i ON t (a)",
        "drop index concurrently i",
        "reindex (concurrently) table t",
        "reindex index concurrently i",
        "reindex database x",
        "vacuum full t",
        "cluster",
        "alter table t detach partition p concurrently",
        "alter system set work_mem = '1MB'",
        "create database x",
        "drop database x",
        "alter database x set tablespace y",
        "call p()",
        "do $$ begin commit; end $$",
        "discard all",
        "create subscription s connection '' publication p",
        "repack concurrently t",
    ],
)
def test_what_may_not_run_in_a_transaction_stands_alone(text: str) -> None:
    assert stands_alone(text)
    assert wants_no_block(text)


@pytest.mark.parametrize(
    "text",
    [
        "create index on t (a)",
        "analyze t",
        "refresh materialized view concurrently v",
        "alter type e add value 'concurrently'",
        "alter table t detach partition p",
        "do $$ begin perform 1; end $$",
        "reindex table t",
        "cluster t using i",
        "comment on table t is 'vacuum; create index concurrently'",
        "update t set a = 1",
    ],
)
def test_what_may_run_in_a_transaction_does_not_stand_alone(text: str) -> None:
    assert not stands_alone(text)
    assert not wants_no_block(text)


def test_old_servers_add_a_value_to_a_type_alone() -> None:
    assert stands_alone("alter type e add value 'x'", server=110_000)


@pytest.mark.parametrize(
    "text", ["lock table t", "set local lock_timeout = 1", "declare c cursor for select 1", "execute x"]
)
def test_what_a_block_would_change_is_not_wrapped(text: str) -> None:
    assert wants_no_block(text)
    assert not controls_transaction(text)


@pytest.mark.parametrize(
    "text", ["begin", "start transaction", "commit", "end", "savepoint a", "rollback to a", "abort"]
)
def test_transaction_control_is_told(text: str) -> None:
    assert controls_transaction(text)


def test_statements_are_values() -> None:
    assert Statement("select 1", "x.sql:1") == statements("select 1", "x.sql")[0]


@pytest.mark.parametrize("split", [statements, delimited_statements])
def test_a_comment_that_passes_over_a_hazard_is_about_the_statement_that_it_stands_at(split: Split) -> None:
    text = "DROP TABLE a; DROP TABLE b; -- rehearse:ignore H401 a test\n"
    text += "DROP\n-- rehearse:ignore all gone\nTABLE c;\nSELECT 1;"
    assert [one.ignored for one in split(text, "up.sql", 1)] == [set(), {"H401"}, {"ALL"}, set()]
    with pytest.raises(Mistake, match=r"up\.sql:2: rehearse:ignore: name a code, and say why"):
        split("SELECT 1;\n-- rehearse:ignore H401\nSELECT 2;", "up.sql", 1)
