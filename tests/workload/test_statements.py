"""Parameters and statements of a call's SQL."""

from __future__ import annotations

import pytest

from rehearse.workload.statements import BadSql, Statement, spaced, split


def test_a_parameter_becomes_a_number_and_the_same_name_the_same_number() -> None:
    assert split("select :a, :b, :a") == (Statement("select $1, $2, $1", ("a", "b")),)


@pytest.mark.parametrize(
    "text",
    [
        "select ':no'",
        "select 'it''s :no'",
        r"select E'\':no'",
        'select ":no" from t',
        "select x::text",
        "select $$ :no $$",
        "select $tag$ :no $$ ; $tag$",
        "select 1 -- :no ;",
        "select /* :no /* nested; */ :no */ 1",
        "select a[1:2]",
        "select f(x := 1)",
    ],
)
def test_a_colon_that_is_no_parameter_is_left_alone(text: str) -> None:
    assert split(text) == (Statement(text, ()),)


def test_statements_are_split_at_semicolons_and_empty_ones_dropped() -> None:
    assert [one.sql for one in split("select 1;; -- nothing\n; select ';'")] == ["select 1", "select ';'"]


def test_begin_and_commit_around_a_call_are_its_transaction_anyway() -> None:
    assert [one.sql for one in split("BEGIN; select 1; select 2; commit;")] == ["select 1", "select 2"]


@pytest.mark.parametrize("text", ["begin; select 1", "select 1; commit; select 2", "", "-- nothing", "select $1"])
def test_sql_that_cannot_be_a_call_is_refused(text: str) -> None:
    with pytest.raises(BadSql):
        split(text)


def test_a_number_is_set_apart_from_what_looks_like_a_dollar_quote() -> None:
    assert spaced("values ($1,$2, '$3')") == "values ($1 ,$2 , '$3')"
