from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.engines.postgres.schema_texts import Entry, entries, kind_of, looks, may_tell

DUMP = """
SET client_encoding = 'UTF8';

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$
-- Name: Ann Lee; Type: TABLE; Schema: public; Owner: -
select 'it''s Ann Lee' $_$;


--
-- Name: COLUMN t."a b"; Type: COMMENT; Schema: My App; Owner: -
--

COMMENT ON COLUMN "My App".t."a b" IS 'short';
"""


def texts(sql: str, *known: str) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in looks(Entry("TABLE", "t", sql), known)]


def test_a_dump_is_taken_apart_at_its_own_heads_and_nothing_is_lost() -> None:
    found = list(entries(DUMP))
    assert [(one.kind, one.name) for one in found] == [
        ("", ""), ("FUNCTION", "f()"), ("COMMENT", 'My App.COLUMN t."a b"')
    ]  # fmt: skip
    assert "".join(one.sql for one in found) == DUMP


@given(st.text(alphabet="'\"$-/*\n Ee\\:;axN", max_size=60))
def test_no_text_is_lost_whatever_it_is(text: str) -> None:
    assert "".join(one.sql for one in entries(text)) == text


@pytest.mark.parametrize("sql, text", [
    ("DEFAULT 'Ann Lee'::text", "Ann Lee"),
    ("CHECK (a <> 'Sean O''Brien')", "Sean O'Brien"),
    (r"DEFAULT E'ann\\x@example.org'", r"ann\x@example.org"),
    ("AS $$ select 'Ann Lee' $$", "Ann Lee"),
    ("AS $a$ begin execute $b$ select 'Ann Lee' $b$; end $a$", "Ann Lee"),
    ("AS $$ select 1; -- call Ann Lee\n $$", "call Ann Lee"),
    ("AS $$ /* Ann Lee */ select 1 $$", "Ann Lee"),
    ("FOR VALUES IN ('x', 'Ann Lee')", "Ann Lee"),
])  # fmt: skip
def test_a_text_that_tells_of_somebody_is_found_wherever_it_stands(sql: str, text: str) -> None:
    assert [found for _, found in texts(sql)] == [text]
    assert texts(sql, "*") == texts(sql, text) == []


@pytest.mark.parametrize("sql", [
    "DEFAULT nextval('public.austin_id_seq'::regclass)", 'CREATE TABLE "Ann Lee" (a int)', "DEFAULT 'Europe/Berlin'",
    "CHECK (a ~ '^[^@]+@[^@]+\\.[a-z]+$')", "AS $$ select n::float8 from t $$", "AS $$ select 'Order % is closed' $$",
    "AS 'select floor(n)::bigint, m::date'", "-- Don't want these to be available to the public here",
    "DEFAULT '{}'::jsonb",
])  # fmt: skip
def test_an_ordinary_text_is_not_told(sql: str) -> None:
    assert texts(sql) == []


@pytest.mark.parametrize("text", ["host=db password=hunter22", "postgresql://ann:hunter22@db.example.org/crm"])
def test_a_password_is_a_secret_and_is_not_shown(text: str) -> None:
    (look,) = looks(Entry("FUNCTION", "f()", f"AS $$ select '{text}' $$"))
    assert (look.kind, look.shown) == ("secret", "") and look.where == "function f()"


def test_a_sentence_is_looked_at_by_its_words_and_a_long_comment_may_tell_anything() -> None:
    assert kind_of("the one for whom Bob Stone asked in the meeting on monday, and nobody else") == "name"
    assert kind_of("the total of this order does not match the sum of its lines") is None
    assert may_tell("IS 'the total of this order does not match the sum of its lines'")
    assert may_tell("IS 'ask Bob Stone'") and not may_tell("IS 'the number of the row'")
