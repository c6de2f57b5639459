"""Plain SQL is split as psql splits it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.engines.postgres.script import Command, Script, Statement


def parts(text: str) -> list[Statement | Command]:
    return list(Script(io.BytesIO(text.encode())).parts())


def texts(text: str) -> list[str]:
    return [one.text.decode() for one in parts(text) if isinstance(one, Statement)]


@pytest.mark.parametrize(
    "statement",
    [
        "select ';'",
        "select 'it''s; fine'",
        r"select E'it\'s; ''fine'''",
        "select E'a\\\n\\';b'",
        "select 'two\nlines; here'",
        'select 1 as "a;b"',
        "select $$ a; b $$",
        "select $x$ a; $$ b; $x$",
        "do $body$ begin perform 1; end; $body$",
        "select /* a; /* b; */ c; */ 1",
        "select 1 -- a; b\n + 1",
        "create rule r as on insert to t do also (select 1; select 2)",
        "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
        "create or replace procedure p() begin atomic select 1; select 2; end",
        "select a$b$c, d from t",
        r"select '\'",
        "insert into t values (1, 'it''s; fine', E'it\\'s; too')",
        "insert into t values (-1, 'a', 2 / 3, \"b;\")",
        "insert into t values (1, 'two\nlines; here')",
        "insert into t values ($$a;b$$) -- c;\n",
        "select $1 + 2",
    ],
)
def test_a_semicolon_inside_of_something_ends_no_statement(statement: str) -> None:
    assert texts(f"{statement}; select 2;") == [statement, "select 2"]


def test_comments_and_blank_lines_before_a_statement_are_not_part_of_it() -> None:
    found = parts("-- a comment;\n\n/* another;\n one */ select 1;\n")
    assert found == [Statement(b"select 1", 4)]


def test_lines_are_those_on_which_statements_begin() -> None:
    found = parts("select\n1;\n\nselect 2; select\n3")
    assert [(one.line, one.text) for one in found] == [(1, b"select\n1"), (4, b"select 2"), (4, b"select\n3")]


def test_a_lone_semicolon_is_no_statement() -> None:
    assert texts(";;\n; select 1;;") == ["select 1"]


def test_commands_of_psql_are_told_apart() -> None:
    assert parts("\\restrict abc\nselect 1;\n\\connect shop\n") == [
        Command("restrict abc", 1),
        Statement(b"select 1", 2),
        Command("connect shop", 3),
    ]


def test_rows_after_copy_are_read_apart() -> None:
    script = Script(io.BytesIO(b"copy t from stdin;\n1\t;'\n2\t\\N\n\\.\nselect 1;\n"))
    seen = []
    for part in script.parts():
        seen.append(part)
        if len(seen) == 1:
            assert b"".join(script.rows()) == b"1\t;'\n2\t\\N\n"
    assert seen == [Statement(b"copy t from stdin", 1), Statement(b"select 1", 5)]


def test_a_byte_order_mark_is_skipped() -> None:
    assert parts("\ufeffselect 1;") == [Statement(b"select 1", 1)]


@given(
    st.lists(
        st.sampled_from(["select 1", "select ';'", 'select ";"', "select $$;$$", "select /*;*/ 1", "select E'\\';'"])
    )
)
def test_what_is_joined_is_split_again(statements: list[str]) -> None:
    assert texts(";\n".join(statements)) == statements


@given(st.binary())
def test_any_bytes_can_be_read(text: bytes) -> None:
    assert all(one.line >= 1 for one in Script(io.BytesIO(text)).parts())
