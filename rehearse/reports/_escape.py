"""Texts from databases and migrations made harmless for Markdown, XML and terminals; Jinja2 does it for HTML."""

from __future__ import annotations

import re
import unicodedata

_JOINER = "\u2060"  # invisible, and keeps "@name", "#12" and "http://" from being taken for links
_SPECIAL = re.compile(
    r"[\\`*\[\]<>|~$&]|(?<!\w)_|_(?!\w)|^[-+#=](?=[\s#=-]|$)|(?<=^\d)[.)](?=\s|$)|(?<=^\d\d)[.)](?=\s|$)"
)
_LINKING = re.compile(r"@(?=\w)|#(?=\d)|(?<=\w):(?=//)|(?<=\bwww)\.", re.IGNORECASE)
_PLAIN = frozenset("\n\t")


def plain(text: str) -> str:
    """Return a text whose control and direction characters are written out, all but newline and tab."""
    return "".join(_written_out(one) if _controls(one) else one for one in text.replace("\r\n", "\n"))


def line(text: str) -> str:
    """Return a plain text on one line."""
    return " ".join(plain(text).split())


def markdown(text: str) -> str:
    """Return a text for a line or a table's cell of GitHub's Markdown, in which nothing is markup, link or mention."""
    return _SPECIAL.sub(r"\\\g<0>", _LINKING.sub(lambda found: found[0] + _JOINER, line(text)))


def fenced(text: str, language: str = "") -> str:
    """Return a text as a block of code whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{plain(text)}\n{fence}"


def _controls(one: str) -> bool:
    return one not in _PLAIN and unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _written_out(one: str) -> str:
    return f"\\x{ord(one):02x}" if ord(one) < 256 else f"\\u{ord(one):04x}"
