"""Two texts of one expression: what the server makes of SQL, and what it makes of its own words for that."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ARRAY = "(ARRAY["
_CAST = re.compile(r"\]\)::(?P<type>[\w .\"]+(?:\([\d,]+\))?)\[\]")


def settled(text: str) -> str:
    """Return an expression as it stands after a dump and a restore.

    Of "v IN ('a', 'b')", v a varchar, the server says "(ARRAY['a'::character varying, …])::text[]"; given that, it
    casts each element and says "ARRAY[('a'::character varying)::text, …]" ever after.
    """
    start = text.find(_ARRAY)
    while start >= 0:
        ends = list(_ends(text, start + len(_ARRAY)))
        cast = _CAST.match(text, ends[-1]) if ends else None
        if cast:
            elements = (text[a + 1 : b].strip() for a, b in zip([start + len(_ARRAY) - 1, *ends], ends, strict=False))
            inside = ", ".join(f"({one})::{cast['type']}" for one in elements)
            text = f"{text[:start]}ARRAY[{inside}]{text[cast.end() :]}"
        start = text.find(_ARRAY, start + 1)
    return text


def _ends(text: str, start: int) -> Iterator[int]:
    """Yield where each element of an array ends, the last at its bracket; quotes and inner brackets are skipped."""
    depth, place = 0, start
    while place < len(text):
        char = text[place]
        if char in "'\"":
            place = text.find(char, place + 1)
            if place < 0:
                return
        elif depth == 0 and char in ",]":
            yield place
            if char == "]":
                return
        else:
            depth += (char in "([") - (char in ")]")
        place += 1
