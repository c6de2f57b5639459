"""`-- rehearse:ignore CODE why`: the hazards that a comment in a statement, behind it or above it says to pass over."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rehearse.errors import Mistake

_MARKER = re.compile(r"(?:--|#)[ \t]*rehearse:ignore\b[ \t]*(?P<code>\S*)[ \t]*(?P<why>.*)")


def ignored(text: str, name: str, first_line: int, spans: Sequence[tuple[int, int]]) -> tuple[frozenset[str], ...]:
    """Return the codes that are passed over, in capitals, by statement; `spans` are their first and last lines."""
    found: list[frozenset[str]] = [frozenset()] * len(spans)
    lines = text.splitlines() if "rehearse:ignore" in text else []
    for number, line in enumerate(lines, first_line):
        marker = _MARKER.search(line)
        if marker is None:
            continue
        if not marker["code"] or not marker["why"].strip():
            raise Mistake(
                f"{name}:{number}: rehearse:ignore: name a code, and say why: rehearse:ignore H110 the table is small"
            )
        meant = _meant(number, spans)
        if meant is not None:
            found[meant] |= {marker["code"].upper()}
    return tuple(found)


def _meant(line: int, spans: Sequence[tuple[int, int]]) -> int | None:
    """Return which statement a comment on a line is about: the last that stands on it, or the next."""
    on_it = [number for number, (first, last) in enumerate(spans) if first <= line <= last]
    return on_it[-1] if on_it else next((number for number, (first, _) in enumerate(spans) if first > line), None)
