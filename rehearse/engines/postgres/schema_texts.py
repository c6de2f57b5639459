"""What the SQL of a schema says in texts and comments: whether any of it tells of a person, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

from rehearse.profiles.personal import by_content

_TOKEN = re.compile(
    r"""(?P<line>--[^\n]*) | (?P<block>/\*.*?\*/)
    | (?<!\w)[eE](?P<escaped>'(?:[^'\\]|\\.|'')*') | (?P<text>'(?:[^']|'')*')(?!::regclass)
    | "(?:[^"]|"")*" | '(?:[^']|'')*'
    | (?P<tag>\$(?:[^\W\d]\w*)?\$)(?P<body>.*?)(?P=tag)""",
    re.DOTALL | re.VERBOSE,
)
_HEAD = re.compile(r"-- Name: (?P<name>.*); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>.*?); Owner: .*")
_PASSWORD = re.compile(r"\b(?:password|passwd|pwd|secret|api_?key)\s*=\s*\S|://[^\s/@:]*:[^\s/@]+@", re.IGNORECASE)
_SHORTENED = re.compile(r"n[’']t\b")  # Don is a name, Don't is none
_LONGEST = 60  # characters of a text that are shown


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a schema, and the SQL that makes it, as pg_dump writes it."""

    kind: str
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Look:
    """A text that may tell of a person, or be a secret, and where it stands."""

    where: str
    kind: str
    text: str

    @property
    def shown(self) -> str:
        """The text as a terminal may show it: no secret, and no more than a line."""
        if self.kind == "secret":
            return ""
        return repr(self.text if len(self.text) <= _LONGEST else f"{self.text[:_LONGEST]}…")


def entries(sql: str) -> Iterator[Entry]:
    """Yield the parts of a dump, in order; what comes before the first has no kind."""
    heads = [(found.start(), head) for found in _TOKEN.finditer(sql) if (head := _HEAD.fullmatch(found["line"] or ""))]
    starts = [(0, "", ""), *((at, head["kind"], _called(head["schema"], head["name"])) for at, head in heads)]
    for (at, kind, name), (end, *_) in pairwise([*starts, (len(sql), "", "")]):
        yield Entry(kind, name, sql[at:end])


def _called(schema: str, name: str) -> str:
    return name if schema in ("-", "public") else f"{schema}.{name}"


def looks(entry: Entry, known: Iterable[str] = ()) -> Iterator[Look]:
    """Yield the texts of an entry that may tell of a person; those that fit a pattern of `known` may stand there."""
    patterns = tuple(known)
    for text in dict.fromkeys(_texts(entry.sql)):
        kind = kind_of(text)
        if kind and not any(text == one or fnmatchcase(text, one) for one in patterns):
            yield Look(f"{entry.kind.lower()} {entry.name}", kind, text)


def kind_of(text: str) -> str | None:
    """Return what a text tells of; a sentence is looked at by two words, and one that may tell anything by each."""
    if _PASSWORD.search(text):
        return "secret"
    found, words = by_content([text]), [word for word in text.split() if not _SHORTENED.search(word)]
    if found not in (None, "free text"):
        return found
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    parts = [*pairs, *words] if found else pairs
    return next((kind for part in parts if (kind := by_content([part])) not in (None, "free text")), None)


def may_tell(comment: str) -> bool:
    """Say whether a comment may tell of a person: here, where nothing hangs on it, a long text may."""
    return any(kind_of(text) or by_content([text]) for text in _texts(comment))


def _texts(sql: str) -> Iterator[str]:
    """Yield the texts and comments of SQL, and those in the bodies of functions; pg_dump's own comments left out."""
    for found in _TOKEN.finditer(sql):
        if found["body"] is not None:
            yield from _texts(found["body"]) if _TOKEN.search(found["body"]) else [found["body"]]
        elif found["escaped"] is not None:
            yield re.sub(r"\\(.)", r"\1", found["escaped"][1:-1].replace("''", "'"))
        elif found["text"] is not None:
            yield found["text"][1:-1].replace("''", "'")
        elif found["block"] is not None:
            yield found["block"][2:-2].strip()
        elif found["line"] is not None and not _HEAD.fullmatch(found["line"]):
            yield found["line"][2:].strip()
