"""Names, and lines of columns, as MySQL and MariaDB have them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LIMIT = 64  # characters of a name
_TOKEN = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`|\((?:[^()']|'(?:[^'\\]|\\.|'')*'|\((?:[^()]|\([^()]*\))*\))*\)|[^\s'`(]+"
)
_TYPE = re.compile(
    r"^\w+(?:\s*\((?:[^()']|'(?:[^'\\]|\\.|'')*')*\))?(?:\s+(?:unsigned|zerofill))*"
    r"(?P<letters>(?:\s+CHARACTER SET \w+)?(?:\s+COLLATE \w+)?)",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\s*(?:var)?char\b|\s*(?:tiny|medium|long)?text\b|\s*enum\b|\s*set\b", re.IGNORECASE)
_LETTERS = re.compile(r"\b(?:character\s+set|charset|collate|binary|ascii|unicode)\b", re.IGNORECASE)


def quoted(name: str) -> str:
    """Return an identifier as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def listed(names: Iterable[str]) -> str:
    """Return identifiers, separated by commas."""
    return ", ".join(map(quoted, names))


def made(name: str, ending: str) -> str:
    """Return a name of ours made of another: with an ending, and cut so that it fits."""
    return name[: _LIMIT - len(ending)] + ending


def usual(table: str, columns: Iterable[str], label: str) -> str:
    """Return the name that we give to an index or constraint."""
    return made("_".join([table, *columns]), f"_{label}")


def required(definition: str) -> str:
    """Return a column's line with NOT NULL in it."""
    found = _tokens(_nullable(definition))
    return " ".join([*_without_null_default(found), "NOT NULL"]) if found else definition


def _nullable(definition: str) -> str:
    """Return a column's line without a word on NULL."""
    words, kept = _tokens(definition), []
    for place, word in enumerate(words):
        before = words[place - 1].upper() if place else ""
        if word.upper() == "NOT" and words[place + 1 : place + 2] and words[place + 1].upper() == "NULL":
            continue
        if word.upper() == "NULL" and before != "DEFAULT":
            continue
        kept.append(word)
    return " ".join(kept)


def _without_null_default(words: list[str]) -> list[str]:
    for place in range(len(words) - 1):
        if words[place].upper() == "DEFAULT" and words[place + 1].upper() == "NULL":
            return words[:place] + words[place + 2 :]
    return words


def defaulted(definition: str, default: str) -> str:
    """Return a column's line with another default."""
    words = _tokens(definition)
    for place, word in enumerate(words):
        if word.upper() == "DEFAULT":
            end = place + 2
            if words[end : end + 1] and words[end].startswith("("):  # current_timestamp(6)
                end += 1
            words = words[:place] + words[end:]
            break
    return " ".join([*words, f"DEFAULT {default}"])


def typed(definition: str, declared: str) -> str:
    """Return a column's line with another type; one of text keeps the character set, unless it names one itself."""
    outside = re.sub(r"'(?:[^'\\]|\\.|'')*'", "''", declared)
    keeps = _TEXT.match(declared) and not _LETTERS.search(outside)
    return _TYPE.sub(lambda found: declared + (found["letters"] if keeps else ""), definition, count=1)


def _tokens(text: str) -> list[str]:
    """Return the words of a line; what stands in brackets is joined to a function's name before it."""
    found: list[str] = []
    end = -1
    for token in _TOKEN.finditer(text):
        if token[0].startswith("(") and token.start() == end and found:
            found[-1] += token[0]
        else:
            found.append(token[0])
        end = token.end()
    return found
