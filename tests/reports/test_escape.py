"""Texts that would be markup are harmless."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearse.reports._escape import fenced, line, markdown, plain


def test_control_and_direction_characters_are_written_out() -> None:
    assert plain("a\x1b[31m\u202eb\x00") == "a\\x1b[31m\\u202eb\\x00"


def test_lines_and_tabs_stay_in_a_plain_text_and_go_from_a_line() -> None:
    assert plain("a\r\n\tb") == "a\n\tb"
    assert line("a\r\n\tb") == "a b"


@given(st.text())
def test_a_plain_text_is_fit_for_xml(text: str) -> None:
    element = ET.Element("x")
    element.text = plain(text)
    assert ET.fromstring(ET.tostring(element, encoding="unicode")).text == (plain(text) or None)


@pytest.mark.parametrize(
    "text",
    [
        "<b>",
        "**a**",
        "`a`",
        "a|b",
        "[a](b)",
        "![a](b)",
        "~~a~~",
        "# a",
        "- a",
        "+ a",
        "1. a",
        "12) a",
        "_a_",
        "&lt;",
        "$a$",
    ],
)
def test_markup_is_escaped_in_markdown(text: str) -> None:
    first = re.search(r"[<*`|\[~#\-+.)_&$]", text)
    assert first is not None
    assert f"\\{first[0]}" in markdown(text)


def test_what_is_no_markup_is_left_as_it_is() -> None:
    text = "orders.total_cents was closed for 1.24 s (± 2 ms), id=17 - all of it"
    assert markdown(text) == text


@pytest.mark.parametrize("text", ["@everyone", "fixes #12", "see https://example.org", "www.example.org"])
def test_nothing_is_taken_for_a_mention_an_issue_or_a_link(text: str) -> None:
    assert "\u2060" in markdown(text)


def test_a_block_of_code_cannot_be_left() -> None:
    assert fenced("a\n````\nb", "sql") == "`````sql\na\n````\nb\n`````"
