"""What is known before a statement: tables, and the transaction that is open; brought on by each statement's acts.

A schema's file is read by the same means as a migration: its tables are there before, and those that the migration
makes itself are new: nobody waits for an empty table that no application knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rehearse.hazards.acts import Act, Said, Type
from rehearse.hazards.modes import Lock

_CONSTRAINTS = ("add check", "add foreign key", "add unique", "add primary key", "add exclude", "add not null")


@dataclass(slots=True)
class Column:
    """A column. `is_new`: the migration itself has made it; `is_filled`: an UPDATE has set it since."""

    type: Type | None
    not_null: bool = False
    has_default: bool = False
    is_new: bool = False
    is_filled: bool = False
    is_computed: bool = False


@dataclass(slots=True)
class Constraint:
    """A constraint; `made` is the transaction in which the migration added it, None: it was there before."""

    kind: str
    columns: tuple[str, ...] = ()
    condition: str = ""
    is_valid: bool = True
    references: str = ""  # the table that a foreign key points at
    made: int | None = None


@dataclass(slots=True)
class Table:
    """A table. `is_whole`: its CREATE TABLE was read; `is_parted`: it has partitions, and `rest` is its default one.

    `rows` is None where nobody said how many there are.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    indexes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    is_new: bool = False
    is_whole: bool = False
    is_parted: bool = False
    has_trigger: bool = False  # that the migration itself made, and that sees rows before they are inserted
    texts: set[str] = field(default_factory=set)  # its FULLTEXT indexes
    rest: str = ""  # its default partition
    rows: int | None = None
    charset: str = ""
    instant_changes: int = 0  # of columns, since the table was last written anew


@dataclass(slots=True)
class Known:
    """Tables by name, settings of the session, and the transaction: its number, and the locks that it holds.

    `is_told`: somebody said the server's version; otherwise it is the newest that is known.
    """

    engine: str
    version: tuple[int, ...]
    is_told: bool = False
    tables: dict[str, Table] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)  # other objects that the migration itself has made
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)  # their values, by name
    settings: dict[str, str] = field(default_factory=dict)
    local: dict[str, str] = field(default_factory=dict)  # settings to the transaction's end
    is_open: bool = False
    is_said: bool = False  # BEGIN stands in the text, and is not the tool's own
    transaction: int = 0
    locks: list[tuple[Lock, str]] = field(default_factory=list)  # that the open transaction holds, and where it asked
    labels: set[str] = field(default_factory=set)  # of enums, added in the open transaction
    given: set[str] = field(default_factory=set)  # names of tables, and of columns, that the migration itself gave
    retaken: set[str] = field(default_factory=set)  # … and those that it will give to another before it ends
    added: set[str] = field(default_factory=set)  # columns that the script itself adds, and somebody must fill
    defaulted: set[str] = field(default_factory=set)  # columns that the script itself gives a default
    numbered: set[str] = field(default_factory=set)  # … and those that it makes identities
    is_quick: bool = False  # what follows in the transaction changes the schema, and in a moment
    renames: dict[str, str] = field(default_factory=dict)  # of the script: the table that takes a name, by that name
    changes: list[bool] = field(default_factory=list)  # of the schema, by the script: whether each may be done twice
    altered: str = ""  # the table that the statement before changed

    def table(self, name: str) -> Table:
        """Return what is known of a table, if only that it is there."""
        return self.tables.setdefault(name, Table())

    def column(self, table: str, name: str) -> Column | None:
        """Return a column; None: it is not known."""
        return self.tables[table].columns.get(name) if table in self.tables else None

    def is_own(self, table: str, column: str = "") -> bool:
        """Say whether no code that runs can know a name, or will miss it: the migration gave it, or gives it anew."""
        name = f"{table}.{column}" if column else table
        found = self.column(table, column)
        return name in self.given | self.retaken or (found is not None and found.is_new)

    def is_new(self, table: str) -> bool:
        """Say whether the migration itself has made a table."""
        return table in self.tables and self.tables[table].is_new

    def setting(self, name: str) -> str:
        """Return a setting as it was said; "": it was not."""
        return self.local.get(name, self.settings.get(name, ""))

    def is_proved(self, table: str, column: str) -> bool:
        """Say whether a validated constraint says that a column has no NULL, which spares SET NOT NULL its scan."""
        if table not in self.tables:
            return False
        checks = [one for one in self.tables[table].constraints.values() if one.is_valid]
        return any(_proves(one.condition, column) for one in checks if one.kind == "add check") or any(
            column in one.columns for one in checks if one.kind == "add not null"
        )

    def covers(self, table: str, columns: tuple[str, ...]) -> bool:
        """Say whether an index, or a key, begins with these columns."""
        if table not in self.tables:
            return False
        known = self.tables[table]
        keys = [one.columns for one in known.constraints.values() if one.kind in ("add unique", "add primary key")]
        return any(set(one[: len(columns)]) == set(columns) for one in (*known.indexes.values(), *keys))

    def indexed(self, table: str, column: str) -> bool:
        """Say whether an index, or a key, holds a column."""
        if table not in self.tables:
            return False
        known = self.tables[table]
        keys = [one.columns for one in known.constraints.values() if one.kind in ("add unique", "add primary key")]
        return any(column in one for one in (*known.indexes.values(), *keys))

    # --- what an act changes

    def begin(self, *, is_said: bool) -> None:
        """Open a transaction."""
        self.is_open, self.is_said = True, is_said
        self.transaction += 1

    def end(self) -> None:
        """End the transaction: its locks and its own settings go."""
        self.is_open = self.is_said = False
        self.transaction += 1
        self.locks, self.local, self.labels = [], {}, set()

    def fold(self, said: Said, *, is_new: bool = True) -> None:
        """Take in what a statement did; `is_new`: the migration did it, and not the schema before it."""
        for act in said.acts:
            self._fold(act, is_new=is_new)

    def settled(self) -> None:
        """Take what the migration made as what the next one finds."""
        for table in self.tables.values():
            table.is_new = False
            for column in table.columns.values():
                column.is_new = False
            for constraint in table.constraints.values():
                constraint.made = None
        self.objects, self.given, self.settings = set(), set(), {}

    def _fold(self, act: Act, *, is_new: bool) -> None:
        if act.does in _CONSTRAINTS:
            self._add(act, is_new=is_new)
        elif act.does in _CHANGES:
            _CHANGES[act.does](self, act, is_new)
        elif act.does == "set":
            settings = self.local if act.has("local") and self.is_open else self.settings
            settings[act.name] = act.to.lower()
        elif act.does.startswith("create") and act.name:
            self.objects.add(act.name)

    def _add(self, act: Act, *, is_new: bool) -> None:
        table = self.table(act.table)
        name = act.name or f"{act.table}_{'_'.join(act.columns)}_{act.does.removeprefix('add ').replace(' ', '_')}"
        columns = act.columns
        if act.has("using index"):
            columns = table.indexes.get(act.to, ())
        table.constraints[name] = Constraint(
            act.does,
            columns,
            act.expression,
            not act.has("not valid"),
            act.references,
            self.transaction if is_new else None,
        )
        if act.does == "add primary key":
            for column in columns:
                if column in table.columns:
                    table.columns[column].not_null = True


def _proves(condition: str, column: str) -> bool:
    plain = condition.replace('"', "")
    return (
        not re.search(r"(?i)\bOR\b", plain)
        and re.search(rf"(?i)\b{re.escape(column)} IS NOT NULL\b", plain) is not None
    )


# --- how each kind of act changes what is known


def _create_table(known: Known, act: Act, is_new: bool) -> None:  # noqa: FBT001
    if act.table in known.tables and act.has("if not exists"):
        return
    known.tables[act.table] = Table(
        is_new=is_new, is_whole=not act.has("as query"), is_parted=bool(act.mode), charset=act.to
    )
    _attach(known, act, is_new)


def _attach(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    if act.references and act.expression.upper() == "DEFAULT":
        known.table(act.references).rest = act.table


def _create_view(known: Known, act: Act, is_new: bool) -> None:  # noqa: FBT001
    known.objects.add(act.name)
    if act.table:  # a materialized one, which has rows
        known.tables[act.table] = Table(is_new=is_new)


def _drop_table(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    known.tables.pop(act.table, None)


def _rename_table(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    known.given.add(act.to)
    if act.table in known.tables:
        known.tables[act.to] = known.tables.pop(act.table)


def _has_default(act: Act) -> bool:
    """Say whether an INSERT may leave a column out: it has a default, or numbers its rows."""
    return act.default is not None or bool(act.said & {"auto_increment", "serial", "identity"})


def _add_column(known: Known, act: Act, is_new: bool) -> None:  # noqa: FBT001
    not_null = act.has("not null") or act.has("primary key") or act.has("identity")
    table = known.table(act.table)
    table.columns[act.name] = Column(act.type, not_null, _has_default(act), is_new)
    table.columns[act.name].is_computed = bool(act.said & {"stored", "virtual"})
    if act.has("primary key"):
        table.constraints[f"{act.table}_pkey"] = Constraint("add primary key", (act.name,))
    elif act.has("unique"):
        table.indexes.setdefault(f"{act.table}_{act.name}_key", (act.name,))


def _drop_column(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    known.table(act.table).columns.pop(act.name, None)


def _rename_column(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    known.given.add(f"{act.table}.{act.to}")
    columns = known.table(act.table).columns
    if act.name in columns:
        columns[act.to] = columns.pop(act.name)


def _change_column(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    column = known.table(act.table).columns.get(act.name)
    if column is not None:
        column.type = act.type
        if act.does == "modify column":
            column.not_null, column.has_default = act.has("not null"), _has_default(act)
    if act.to:
        _rename_column(known, act, False)  # noqa: FBT003


def _set_not_null(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    column = known.table(act.table).columns.get(act.name)
    if column is not None:
        column.not_null = act.does == "set not null"


def _set_default(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    column = known.table(act.table).columns.get(act.name)
    if column is not None:
        column.has_default = act.does == "set default"


def _create_index(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    name = act.name or f"{act.table}_{'_'.join(act.columns)}_idx"
    known.table(act.table).indexes[name] = act.columns
    if act.has("fulltext"):
        known.table(act.table).texts.add(act.name or act.columns[0])


def _create_trigger(known: Known, act: Act, is_new: bool) -> None:  # noqa: FBT001
    if is_new and act.has("before insert"):
        known.table(act.table).has_trigger = True


def _drop_index(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    for table in known.tables.values():
        table.indexes.pop(act.name, None)
        table.texts.discard(act.name)


def _drop_constraint(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    known.table(act.table).constraints.pop(act.name, None)


def _validate(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    if act.name in known.table(act.table).constraints:
        known.table(act.table).constraints[act.name].is_valid = True


def _update(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    for column in (known.column(act.table, name) for name in act.columns):
        if column is not None:
            column.is_filled = True


def _create_enum(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    known.objects.add(act.name)
    known.enums[act.name] = act.columns


def _add_label(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    if act.name in known.enums:
        known.enums[act.name] += (act.to,)
    if known.is_open and act.name not in known.objects:  # of a type as new as the value it may be used at once
        known.labels.add(act.to)


def _rename_other(known: Known, act: Act, _is_new: bool) -> None:  # noqa: FBT001
    if act.name in known.enums:
        known.enums[act.to] = known.enums.pop(act.name)
    if act.name and act.name in known.objects:
        known.objects.add(act.to)


_CHANGES = {
    "create table": _create_table,
    "create view": _create_view,
    "attach partition": _attach,
    "drop table": _drop_table,
    "rename table": _rename_table,
    "add column": _add_column,
    "drop column": _drop_column,
    "rename column": _rename_column,
    "change type": _change_column,
    "modify column": _change_column,
    "set not null": _set_not_null,
    "drop not null": _set_not_null,
    "set default": _set_default,
    "drop default": _set_default,
    "create index": _create_index,
    "create trigger": _create_trigger,
    "drop index": _drop_index,
    "drop constraint": _drop_constraint,
    "drop foreign key": _drop_constraint,
    "validate constraint": _validate,
    "update": _update,
    "create enum": _create_enum,
    "add enum value": _add_label,
    "alter other": _rename_other,
}


def with_rows(known: Known, rows: Mapping[str, int]) -> None:
    """Take in how many rows tables have."""
    for name, count in rows.items():
        known.table(name).rows = count
