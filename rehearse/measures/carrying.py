"""Whether statements may carry values of a table over to where they live on, as far as their words tell.

Only what surely carries nothing says so: DROP, COMMENT, and ALTER TABLE's actions that name no other column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rehearse.measures._words import Words, split
from rehearse.measures.deeds import unknown

_READS = "a statement of the way back reads them and may keep them elsewhere"


def carried(texts: Iterable[str], gone: Collection[str], table: str) -> str | None:
    """Say why values that stand in `gone` (columns of the table, or its own name) may live on; None: they do not."""
    names, home = {name.casefold() for name in gone}, table.rpartition(".")[2].casefold()
    return next((why for text in texts if (why := _carried(text, names, home)) is not None), None)


def _carried(text: str, gone: Collection[str], table: str) -> str | None:
    parts = split(text)
    if parts is None:
        return "a statement of the way back cannot be read and may keep them elsewhere"
    for words in parts:
        if any(_reads(part, gone, table) for part in _acting(words)):
            return _READS
        does = unknown(words)
        if does is not None:
            return f"{does} of the way back may keep them elsewhere: what it does is not known"
    return None


def _acting(words: Words) -> list[Words]:
    """Return the parts of a statement that may carry a value."""
    if words.word() in ("DROP", "COMMENT"):
        return []
    if words.word() != "ALTER":
        return [words]
    if words.word(1) != "TABLE":
        return []
    head = Words(words.tokens)
    head.skip("ALTER", "TABLE", "IF EXISTS", "ONLY").name()
    return [action for action in head.skip("*").parted() if not _is_harmless(action)]


def _is_harmless(action: Words) -> bool:
    """Say whether an action of ALTER TABLE drops something, or alters a column by no other one's values."""
    return action.word() == "DROP" or (action.word() == "ALTER" and not action.has("USING"))


def _reads(words: Words, gone: Collection[str], table: str) -> bool:
    """Say whether one of the names stands there, or a new place takes whole rows of the table."""
    found = {token.text.casefold() for token in words.tokens}
    takes = words.has("INSERT", "INTO") or words.has("INTO") or words.word() in ("CREATE", "MERGE")
    return not found.isdisjoint(gone) or (takes and "*" in found and table in found)
