"""Random schemas as SQL, each with changes of one property that could be made to it and where they must be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from rehearse.model import names

READER, WRITER = "random_reader", "random writer"
NAMES = (
    "a", "b", "orders", "Orders", "order", "odd name", "naïve", "user", "x_" * 28 + "long", "y" * 63, "it's", 'q"uote',
)  # fmt: skip
LABELS = ("new", "paid", "sent", "it's", "gone")
# A type with a default, another default, and a check of column {0}.
TYPES = (
    ("integer", "7", "8", "{0} > 0"),
    ("bigint", "0", "(1 + 2)", "{0} between 1 and 9"),
    ("smallint", "1", "2", "{0} in (1, 2, 3)"),
    ("text", "'x'", "'y'", "{0} <> ''"),
    ("character varying(20)", "'v'", "upper('w')", "{0} in ('a', 'it''s')"),
    ("character(3)", "'abc'", "'x'", "{0} in ('abc', 'def')"),
    ("numeric(8,3)", "1.5", "1.50", "{0} >= 0"),
    ("numeric", "0", "1", "{0} <> 5"),
    ("double precision", "0.1", "0.2", "{0} < 10"),
    ("timestamp with time zone", "now()", "clock_timestamp()", "{0} > '2000-01-01'"),
    ("timestamp(3) without time zone", "localtimestamp", "now()", "{0} is not null"),
    ("date", "current_date", "'2020-01-01'", "{0} > '2000-01-01'"),
    ("interval", "'1 day'", "'2 days'", "{0} > '0'"),
    ("boolean", "true", "false", "{0} or not {0}"),
    ("uuid", "gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'", "{0} is not null"),
    ("jsonb", "'{{}}'", "'[]'", "{0} ? 'a'"),
    ("integer[]", "'{{1}}'", "array[2]", "{0}[1] = 3"),
    ("bytea", "'\\x00'", "'\\x01'", "length({0}) < 5"),
)  # fmt: skip
_ORDERED = {kind for kind, *_ in TYPES} - {"jsonb"}


@dataclass(frozen=True, slots=True)
class Change:
    """A statement that changes one property, and where it must be found."""

    sql: str
    object: str
    property: str


@dataclass(frozen=True, slots=True)
class RandomSchema:
    """Statements that make a schema, in order, and changes that can be made to it."""

    statements: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def sql(self) -> str:
        """The whole as one script."""
        return ";\n".join(self.statements)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def schemas(draw: st.DrawFn) -> RandomSchema:
    """Draw a schema of up to three tables with types, domains, sequences and views."""
    made = _Making(draw)
    made.schema()
    return RandomSchema(tuple(made.statements), tuple(made.changes))


class _Making:
    """A schema while it is drawn."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.statements: list[str] = []
        self.changes: list[Change] = []
        self.keys: list[tuple[str, str]] = []  # a table and its key, both as SQL
        self.types: list[tuple[str, str, str, str]] = list(TYPES)

    def schema(self) -> None:
        if self.chance():
            self.statements.append("create schema app")
        names = self.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
        kinds = (self.table, self.enum, self.domain, self.table, self.sequence, self.table)
        for name, kind in sorted(zip(names, kinds, strict=False), key=lambda pair: pair[1] == self.table):
            kind(name)

    def chance(self, of: int = 2) -> bool:
        return self.draw(st.integers(1, of)) == 1

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def change(self, sql: str, thing: str, what: str) -> None:
        self.changes.append(Change(sql, thing, what))

    def placed(self, name: str) -> tuple[str, str]:
        """Return a name as SQL, and as it is told: with its schema unless that is public."""
        inside = "create schema app" in self.statements and self.chance()
        schema = "app" if inside else "public"
        return f"{schema}.{quoted(name)}", names.told(schema, name)

    def enum(self, name: str) -> None:
        at, told = self.placed(name)
        labels = self.draw(st.lists(st.sampled_from(LABELS), min_size=1, unique=True))
        self.statements.append(f"create type {at} as enum ({', '.join(map(literal, labels))})")
        self.types.append((at, literal(labels[0]), f"{literal(labels[-1])}::{at}", f"{{0}} = {literal(labels[0])}"))
        self.change(f"alter type {at} add value 'another' before {literal(labels[0])}", f"type {told}", "labels")
        self.whole(at, "type", told)

    def domain(self, name: str) -> None:
        at, told = self.placed(name)
        kind, default, other, check = self.one(*TYPES[:9])
        words = [f"create domain {at} as {kind}"]
        if self.chance():
            words.append(f"default {default}")
            self.change(f"alter domain {at} drop default", f"domain {told}", "default")
        if self.chance():
            words.append("not null")
            self.change(f"alter domain {at} drop not null", f"domain {told}", "not null")
        if self.chance():
            words.append(f"constraint right_value check ({check.format('value')})")
            self.change(
                f"alter domain {at} drop constraint right_value", f"domain {told} constraint right_value", "exists"
            )
        self.statements.append(" ".join(words))
        self.change(f"alter domain {at} set default {other}", f"domain {told}", "default")
        self.whole(at, "domain", told)

    def sequence(self, name: str) -> None:
        at, told = self.placed(name)
        words = [f"create sequence {at}"]
        if self.chance():
            words.append(
                f"as {self.one('int', 'smallint', 'bigint')} increment {self.one(2, -1)} cache {self.one(2, 5)}"
            )
        self.statements.append(" ".join(words))
        if self.chance():
            self.statements.append(f"select nextval('{at.replace(chr(39), chr(39) * 2)}')")
        for change, what in (("increment 7", "increment"), ("cycle", "cycle"), ("cache 9", "cache")):
            self.change(f"alter sequence {at} {change}", f"sequence {told}", what)
        self.whole(at, "sequence", told)
        self.rights(f"sequence {at}", f"sequence {told}", "usage")

    def whole(self, at: str, kind: str, told: str) -> None:
        if self.chance(3):
            self.statements.append(f"comment on {kind} {at} is {literal(self.one(*NAMES))}")
        self.change(f"comment on {kind} {at} is 'another'", f"{kind} {told}", "comment")

    def rights(self, at: str, told: str, right: str) -> None:
        if self.chance(3):
            self.statements.append(f"grant {right} on {at} to {quoted(WRITER)} with grant option")
        self.change(f"grant {right} on {at} to {READER}", told, "privileges")
        self.change(f"grant {right} on {at} to public", told, "privileges")

    def table(self, name: str) -> None:
        at, told = self.placed(name)
        columns = self.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
        kinds = {column: self.one(*self.types) for column in columns}
        after: list[str] = []
        unlogged = "unlogged " if self.chance(6) else ""
        words = [self.column(at, told, column, *kinds[column], after) for column in columns]
        words += self.constraints(at, told, kinds, is_logged=not unlogged)
        options = " with (fillfactor = 60)" if self.chance(4) else ""
        self.statements += [f"create {unlogged}table {at} ({', '.join(words)}){options}", *after]
        self.indexes(at, told, kinds)
        self.whole(at, "table", told)
        self.rights(f"table {at}", f"table {told}", "select")
        self.change(f"alter table {at} set (fillfactor = 90)", f"table {told}", "options")
        self.change(f"alter table {at} enable row level security", f"table {told}", "row security")
        self.change(f"alter table {at} replica identity full", f"table {told}", "replica identity")
        if self.chance(3):
            self.view(at, told, columns)

    def column(
        self, at: str, told: str, column: str, kind: str, default: str, other: str, _: str, after: list[str]
    ) -> str:
        words, name = [quoted(column), kind], f"table {told} column {column}"
        alter = f"alter table {at} alter {quoted(column)}"
        if self.chance():
            words.append(f"default {default.format()}")
            self.change(f"{alter} drop default", name, "default")
        if self.chance():
            words.append("not null")
            self.change(f"{alter} drop not null", name, "not null")
        else:
            self.change(f"{alter} set not null", name, "not null")
        self.change(f"{alter} set default {other.format()}", name, "default")
        self.change(f"{alter} set statistics 77", name, "statistics target")
        self.change(f"{alter} set (n_distinct = 5)", name, "options")
        self.change(f"comment on column {at}.{quoted(column)} is 'another'", name, "comment")
        self.change(f"grant update ({quoted(column)}) on {at} to {READER}", name, "privileges")
        if kind == "text":
            self.change(f"{alter} set storage external", name, "storage")
            self.change(f'{alter} type text collate "POSIX"', name, "collation")
        if self.chance(4):
            after.append(f"comment on column {at}.{quoted(column)} is {literal(self.one(*NAMES))}")
        if self.chance(5):
            after.append(f"grant insert ({quoted(column)}) on {at} to {READER}")
        if self.chance(5):
            after.append(f"{alter} set statistics {self.one(0, 10, 500)}")
        return " ".join(words)

    def constraints(
        self, at: str, told: str, kinds: dict[str, tuple[str, str, str, str]], *, is_logged: bool
    ) -> Iterator[str]:
        for number, (column, (kind, _, _, check)) in enumerate(kinds.items()):
            if self.chance(3):
                named = f"constraint right_{number} " if self.chance() else ""
                yield f"{named}check ({check.format(quoted(column))})"
                if named:
                    what = f"table {told} constraint right_{number}"
                    drop = f"alter table {at} drop constraint right_{number}"
                    self.change(drop, what, "exists")
                    self.change(f"alter table {at} rename constraint right_{number} to wrong", what, "name")
                    again = f"{drop}, add constraint right_{number} check ({check.format(quoted(column))}) not valid"
                    self.change(again, what, "validated")
            if kind in _ORDERED and self.chance(4):
                yield f"{self.one('', f'constraint once_{number}_of_{len(self.statements)} ')}unique ({quoted(column)})"
        first = next(iter(kinds))
        if kinds[first][0] == "integer":
            yield f"primary key ({quoted(first)})"
            self.changes = [
                one
                for one in self.changes
                if (one.object, one.property) != (f"table {told} column {first}", "not null")
            ]
            if self.keys and self.chance():
                other, key = self.one(*self.keys)
                delete = self.one("", " on delete cascade", " deferrable initially deferred")
                yield f"constraint to_other foreign key ({quoted(first)}) references {other} ({key}){delete}"
                what = f"table {told} constraint to_other"
                self.change(f"alter table {at} drop constraint to_other", what, "exists")
                again = f"drop constraint to_other, add constraint to_other foreign key ({quoted(first)})"
                self.change(f"alter table {at} {again} references {other} on delete restrict", what, "definition")
            if is_logged:
                self.keys.append((at, quoted(first)))

    def indexes(self, at: str, told: str, kinds: dict[str, tuple[str, str, str, str]]) -> None:
        for number, (column, (kind, _, _, check)) in enumerate(kinds.items()):
            if kind not in _ORDERED or not self.chance(3):
                continue
            own = f"by_{number}_of_{len(self.statements)}"
            schema = at.partition(".")[0]
            order = self.one("", " desc", " desc nulls last")
            where = f" where {check.format(quoted(column))}" if self.chance(4) else ""
            options = " with (fillfactor = 70)" if self.chance(4) else ""
            named = self.chance()
            kind_of = self.one("", "unique ")
            on = f"{at} ({quoted(column)}{order}){options}{where}"
            self.statements.append(f"create {kind_of}index {own if named else ''} on {on}")
            if named:
                what = f"table {told} index {own}"
                self.change(f"drop index {schema}.{own}", what, "exists")
                self.change(f"alter index {schema}.{own} rename to other_index", what, "name")
                self.change(f"alter index {schema}.{own} set (fillfactor = 55)", what, "options")
                self.change(f"comment on index {schema}.{own} is 'another'", what, "comment")
                if not where:
                    self.change(f"alter table {at} cluster on {own}", what, "clustered")

    def view(self, at: str, told: str, columns: list[str]) -> None:
        schema, name = at.partition(".")[0], f"seen_{len(self.statements)}"
        prefix = "app." if told.startswith("app.") and schema == "app" else ""
        where = f"{quoted(columns[0])} is not null"
        body = f"select {', '.join(map(quoted, columns))} from {at} where {where}"
        barrier = self.one("", " with (security_barrier)", " with (check_option = local)")
        self.statements.append(f"create view {schema}.{name}{barrier} as {body}")
        self.change(
            f"create or replace view {schema}.{name}{barrier} as {body} and true is not null",
            f"view {prefix}{name}",
            "definition",
        )
        self.change(f"alter view {schema}.{name} set (security_barrier = false)", f"view {prefix}{name}", "options")
        self.whole(f"{schema}.{name}", "view", f"{prefix}{name}")
