"""A column's definition in the words of MySQL or MariaDB, as an act."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from rehearse.hazards import _mysql_words as read
from rehearse.hazards.acts import Act, Does, Type
from rehearse.measures._words import Words

_NAMES = {"integer": "int", "dec": "decimal", "numeric": "decimal", "bool": "tinyint", "boolean": "tinyint",
          "character": "char", "double precision": "double"}  # fmt: skip
_OF_TYPE = ("UNSIGNED", "ZEROFILL", "SIGNED")
_VERBS = ("ALTER", "CREATE", "DROP", "INSERT", "RENAME", "TRUNCATE")
_CONSTANT = re.compile(r"(?i)\(*\s*(?:[-+]?[\d.]+|'[^']*'|null|true|false|b'[01]*'|x'[0-9a-f]*')\s*\)*")
_NOW = re.compile(r"(?i)\(*\s*(?:current_timestamp|now|localtime|localtimestamp)\s*(?:\(\s*\d*\s*\))?\s*\)*")


def typed(words: Words) -> Type:
    """Take a type: its name, what stands in its brackets, UNSIGNED, its character set and collation."""
    name = words.own().lower()
    if (name, words.word()) == ("double", "PRECISION"):
        words.at += 1
    if words.word() == "VARYING":
        words.at += 1
        name = "varchar"
    args = tuple(read.text(part).strip("'") for part in read.bracketed(words))
    said = set()
    while True:
        if (one := words.one_of(_OF_TYPE)) is not None:
            said |= {one.lower()} - {"signed"}
        elif words.one_of(("CHARACTER SET", "CHARSET")) is not None:
            said.add(f"character set {read.own(words)}")
        elif words.take("COLLATE"):
            said.add(f"collate {read.own(words)}")
        else:
            return Type(_NAMES.get(name, name), args, frozenset(said))


@dataclass(slots=True)
class _Column:
    """A column's definition, as far as it is read; `inner` are the constraints that stand within it."""

    table: str
    name: str
    said: set[str] = field(default_factory=set)
    default: str | None = None
    expression: str = ""
    after: str = ""
    inner: list[Act] = field(default_factory=list)

    def read(self, words: Words) -> None:
        """Take what stands behind the type."""
        while words.at < len(words.tokens):
            found = next((one for phrase, one in _PARTS if words.take(*phrase.split())), None)
            if found is None:
                self.passes(words)
            else:
                found(self, words)

    def passes(self, words: Words) -> None:
        """Pass over a word; that of another statement stands there where a semicolon is missing."""
        if words.word() in _VERBS:
            self.inner.append(Act(does="unknown", table=self.table, name=words.word()))
        words.at += 1

    def is_default(self, words: Words) -> None:
        self.default = _value(words)

    def is_computed(self, words: Words) -> None:
        self.expression = ", ".join(map(read.text, read.bracketed(words)))
        self.said.add("virtual")

    def is_stored(self, _words: Words) -> None:
        self.said = self.said - {"virtual"} | {"stored"}

    def is_checked(self, words: Words) -> None:
        condition = ", ".join(map(read.text, read.bracketed(words)))
        self._add(Act(does="add check", expression=condition))

    def refers(self, words: Words) -> None:
        self._add(Act(does="add foreign key", references=read.name(words)))

    def follows(self, words: Words) -> None:
        self.after = read.own(words)
        self.said.add("after")

    def skips(self, words: Words) -> None:
        _value(words)

    def _add(self, act: Act) -> None:
        inline = frozenset({"inline"})
        self.inner.append(replace(act, table=self.table, columns=(self.name,), said=inline))


def _says(word: str) -> Callable[[_Column, Words], None]:
    return lambda column, _words: column.said.add(word)


_PARTS: tuple[tuple[str, Callable[[_Column, Words], None]], ...] = (
    ("NOT NULL", _says("not null")),
    ("DEFAULT", _Column.is_default),
    ("GENERATED ALWAYS AS", _Column.is_computed),
    ("AS", _Column.is_computed),
    ("STORED", _Column.is_stored),
    ("PERSISTENT", _Column.is_stored),
    ("AUTO_INCREMENT", _says("auto_increment")),
    ("PRIMARY KEY", _says("primary key")),
    ("UNIQUE KEY", _says("unique")),
    ("UNIQUE", _says("unique")),
    ("KEY", _says("primary key")),
    ("CHECK", _Column.is_checked),
    ("REFERENCES", _Column.refers),
    ("FIRST", _says("first")),
    ("AFTER", _Column.follows),
    ("COMMENT", _Column.skips),
    ("ON UPDATE", _Column.skips),
)


def column(words: Words, *, does: Does, table: str, old: str = "") -> Iterator[Act]:
    """Yield the act of a definition that begins with the column's name, and those of the constraints within it.

    `old` is the name that the column had, where CHANGE gives it another.
    """
    found = _Column(table, read.own(words))
    type_ = typed(words)
    if type_.name == "serial":
        type_, found.said = Type("bigint", (), frozenset({"unsigned"})), {"not null", "auto_increment", "unique"}
    found.read(words)
    is_computed = found.default is not None and not is_constant(found.default)
    yield Act(
        does=does,
        table=table,
        name=old or found.name,
        to=found.name if old and old != found.name else "",
        type=type_,
        default=found.default,
        calls=frozenset({"?"}) if is_computed else frozenset(),
        expression=found.expression,
        references=found.after,
        said=frozenset(found.said),
    )
    yield from found.inner


def is_constant(default: str) -> bool:
    """Say whether a default is one value for all rows: a constant, or the time at which the statement begins."""
    return bool(_CONSTANT.fullmatch(default) or _NOW.fullmatch(default))


def _value(words: Words) -> str:
    """Take a default's value: one word with its sign and brackets, or an expression in brackets."""
    begin, depth = words.at, 0
    while words.at < len(words.tokens):
        word = words.word()
        if depth == 0 and words.at > begin and word not in ("(", ".") and words.tokens[words.at - 1].text not in "-+.":
            break
        depth += {"(": 1, ")": -1}.get(word, 0)
        words.at += 1
    return read.text(Words(words.tokens[begin : words.at]))
