"""SQL is split as the mariadb client splits it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rehearse.delimited import placeholders, statements


def texts(text: str) -> list[str]:
    return [one.text for one in statements(text.splitlines(keepends=True))]


def test_a_delimiter_in_quotes_or_comments_ends_nothing() -> None:
    assert texts("select ';', \"a;b\", `c;d` /* ; */ -- ;\n, 2; # ;\nselect 'it''s; \\'x;';") == [
        "select ';', \"a;b\", `c;d` /* ; */ -- ;\n, 2",
        "select 'it''s; \\'x;'",
    ]


def test_a_quote_goes_on_over_lines() -> None:
    assert texts("insert into t values ('a\n;b', 1);\nselect 1") == ["insert into t values ('a\n;b', 1)", "select 1"]


def test_delimiter_is_obeyed_and_is_no_statement() -> None:
    made = "create trigger t before insert on x for each row begin set new.a = 1; end"
    assert texts(f"DELIMITER //\n{made}//\nselect 1//\nDELIMITER ;\nselect 2;") == [made, "select 1", "select 2"]


def test_a_body_is_whole_without_delimiter_too() -> None:
    made = (
        "create definer=`a`@`%` procedure p() begin if x then select case when 1 then 2 end; end if; "
        "begin select 'end'; end; end"
    )
    assert texts(f"{made};\nselect 1;") == [made, "select 1"]


def test_what_the_server_runs_in_a_comment_is_a_statement_and_other_comments_are_not() -> None:
    assert texts("/* a note; */\n/*!40101 SET NAMES utf8 */;\n-- the end;\n") == ["/*!40101 SET NAMES utf8 */"]


def test_a_statement_tells_its_line_and_the_comments_before_it() -> None:
    found = list(
        statements("\n-- rehearse:repeat pause=5ms\nupdate t\nset a = 1;\n\nselect 1".splitlines(keepends=True))
    )
    assert [(one.line, one.comments) for one in found] == [(3, "-- rehearse:repeat pause=5ms\n"), (6, "")]


@given(st.lists(st.text(st.characters(exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")), max_size=5))
def test_quoted_texts_come_out_as_they_went_in(values: list[str]) -> None:
    wanted = ["select '" + one.replace("\\", "\\\\").replace("'", "''") + "'" for one in values]
    assert texts(";\n".join(wanted)) == wanted


def test_placeholders_are_told_from_text() -> None:
    assert placeholders("select '$1', `$2`, $2, $1 -- $3\n, $2") == ("select '$1', `$2`, ?, ? -- $3\n, ?", (1, 0, 1))
