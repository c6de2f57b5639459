"""PostgreSQL's regular expressions and LIKE patterns in RE2's words, and texts that match the simple ones."""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase, digits

_STRANGE = re.compile(
    r"\\[mMyYAZbBxuUcae0-9]|\(\?(?!:)|\[\[[:.=][<>.=]|\*\*\*|[*+?}]\+"
)  # RE2 has none, or reads them otherwise
_TOKEN = re.compile(
    r"(?P<set>\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\])|\\(?P<escaped>.)|(?P<dot>\.)|(?P<other>[^\\()|^$*+?{}\[\]])"
)
_TIMES = re.compile(r"\{(\d+)(?:(,)(\d*))?\}|[+*?]")
_SIGNS = {"#": digits, "?": ascii_uppercase, "*": ascii_lowercase}  # of a `Pattern` shape
_PREFERRED = ascii_lowercase + "-_.:/@ +," + ascii_uppercase + digits
_MANY = 8  # of a run that may be of any length, so many make distinct texts
_CLASSES = {"[:alpha:]": "A-Za-z", "[:digit:]": "0-9", "[:alnum:]": "0-9A-Za-z", "[:upper:]": "A-Z", "[:lower:]": "a-z"}


def to_re2(pattern: str, *, any_case: bool = False) -> str | None:
    """Return the pattern for RE2, or None where the two languages may differ."""
    if pattern.startswith("(?i)"):
        pattern, any_case = pattern[4:], True
    return None if _STRANGE.search(pattern) else f"(?s{'i' if any_case else ''}){pattern}"


def from_like(pattern: str, *, any_case: bool = False) -> str:
    """Return the regular expression of a LIKE pattern."""
    parts, signs = [], iter(pattern)
    for sign in signs:
        if sign == "\\":
            parts.append(re.escape(next(signs, "\\")))
        else:
            parts.append({"%": ".*", "_": "."}.get(sign) or re.escape(sign))
    return f"(?s{'i' if any_case else ''})^{''.join(parts)}$"


def sample(pattern: str) -> str | None:
    """Return a `Pattern` shape's text of which each reading is matched; None where the pattern is not simple."""
    body = re.sub(r"^\(\?[si]+\)", "", pattern)
    for name, letters in _CLASSES.items():
        body = body.replace(name, letters)
    opened, closed = body.startswith("^"), body.endswith("$") and not body.endswith("\\$")
    text = _signs(body[opened : len(body) - closed])
    return text if text and text.strip() and _matches(body, text) else None


def _signs(body: str) -> str | None:
    place, parts = 0, []
    while place < len(body):
        found = _TOKEN.match(body, place)
        sign = _sign(found) if found else None
        if found is None or sign is None:
            return None
        times = _TIMES.match(body, found.end())
        parts.append(sign * _count(times, sign) if times else sign)
        place = times.end() if times else found.end()
    return "".join(parts)


def _sign(found: re.Match[str]) -> str | None:
    """Return #, ?, * or a letter, for one place of the pattern; None where no sign of ours is sure to match."""
    if found["dot"]:
        return "*"
    if found["other"] or (found["escaped"] and not found["escaped"].isalnum()):
        plain = found["other"] or found["escaped"]
        return None if plain in _SIGNS or plain == "\\" else plain
    if found["escaped"]:
        return {"d": "#", "w": "*", "s": " ", "S": "*", "D": "*"}.get(found["escaped"])
    one = re.compile(found["set"])
    whole = next((sign for sign in "*?#" if all(map(one.fullmatch, _SIGNS[sign]))), None)
    return whole or next((letter for letter in _PREFERRED if one.fullmatch(letter)), None)


def _count(times: re.Match[str], sign: str) -> int:
    if times[0] == "?":
        return 0
    least = int(times[1]) if times[1] else int(times[0] == "+")
    if times[1] and not times[2]:
        return least
    most = int(times[3]) if times[3] else max(_MANY, least)
    return max(least, min(most, _MANY if sign in _SIGNS else 1))


def _matches(pattern: str, text: str) -> bool:
    """Prove a text on some of its readings."""
    try:
        whole = re.compile(pattern)
    except re.error:
        return False
    return all(map(whole.search, readings(text)))


def readings(text: str) -> list[str]:
    """Return some of the texts that a `Pattern` shape's text stands for."""
    letters = [{sign: known[at] for sign, known in _SIGNS.items()} for at in (0, 5, -1)]
    return ["".join(one.get(sign, sign) for sign in text) for one in letters]
