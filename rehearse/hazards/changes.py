"""What a migration's SQL changes, in the words of rehearse.model.Change: the end, without the way that it takes.

`change_of` knows those changes that the library of ways can make, where all that the statements do is one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from rehearse.hazards.acts import Act, Said, Type
from rehearse.hazards.known import Known
from rehearse.model.change import Change
from rehearse.model.words import Texts

_BESIDE = (
    "begin",
    "commit",
    "set",
    "savepoint",
    "analyze",
    "select",
    "lock table",
    "unlock tables",
)
_BY: Mapping[str, Literal["range", "list", "hash"]] = {"range": "range", "list": "list", "hash": "hash"}
_INTEGERS = ("integer", "int", "smallint", "mediumint")
_PARTS = ("rename index", "rename constraint", "alter other", "create index", "add identity", "set options")


def change_of(statements: Sequence[Said], known: Known) -> Change | None:
    """Return the change that all of these statements make together; None: several, or one that no way is known for."""
    acts = _acts(statements)
    return _change(acts, known) if acts else None


def changes_of(statements: Sequence[Said], known: Known) -> tuple[Change, ...] | None:
    """Return the changes that statements make, one after the other; None where one of them is none that is known."""
    found, rest = _told(_acts(statements) or [], known)
    if rest:
        return None
    widened = [one for one in found if one.kind == "widen key"]
    return tuple(one for one in found if not any(_follows(one, key, known) for key in widened)) or None


def not_told(statements: Sequence[Said], known: Known) -> Said | None:
    """Return the first statement that is of no change that is known; None: all are, or nothing is changed at all."""
    unread = next((one for one in statements if one.unread), None)
    if unread is not None:
        return unread
    _, rest = _told(_acts(statements) or [], known)
    return next((one for one in statements if rest and any(act is rest[0] for act in one.acts)), None)


def _told(acts: Sequence[Act], known: Known) -> tuple[list[Change], Sequence[Act]]:
    """Return the changes that acts make, the longest at each place, and the acts from where none is known on."""
    found = list[Change]()
    while acts:
        sizes = ((size, _change(acts[:size], known)) for size in range(len(acts), 0, -1))
        size, change = next(((size, change) for size, change in sizes if change is not None), (0, None))
        if change is None:
            break
        found.append(change)
        acts = acts[size:]
    return found, acts


def _follows(one: Change, key: Change, known: Known) -> bool:
    """Say whether a change of type is of a column that points at a key which is widened: the key's change makes it."""
    table = known.tables.get(one.table)
    if one.kind != "change type" or table is None:
        return False
    keys = [each for each in table.constraints.values() if each.kind == "add foreign key"]
    return any(each.references == key.table and each.columns == (one.columns,) for each in keys)


def _acts(statements: Sequence[Said]) -> list[Act] | None:
    """Return what changes something; None where a text is not read."""
    if any(one.unread for one in statements):
        return None
    return [act for one in statements for act in one.acts if act.does not in _BESIDE]


def _change(acts: Sequence[Act], known: Known) -> Change | None:
    for read in (_by_one_act, _required, _filled, _split, _partitioned):
        found = read(acts, known)
        if found is not None:
            return found
    return None


def _named(columns: Sequence[str]) -> Texts:
    return columns[0] if len(columns) == 1 else list(columns)


def _only(acts: Sequence[Act], *does: str) -> bool:
    """Say whether all acts are of one table, and of these kinds."""
    return len({act.table for act in acts}) == 1 and {act.does for act in acts} <= set(does)


# --- one act


def _by_one_act(acts: Sequence[Act], known: Known) -> Change | None:
    if len(acts) != 1 or acts[0].does not in _ONE:
        return None
    return _ONE[acts[0].does](acts[0], known)


def _column(act: Act, _known: Known) -> Change | None:
    computed = {
        "stored",
        "virtual",
        "identity",
        "serial",
        "auto_increment",
        "primary key",
        "unique",
        "first",
        "after",
        "special",
    }
    if act.type is None or act.said & computed:
        return None
    return Change(
        kind="add column",
        table=act.table,
        columns=act.name,
        type=str(act.type),
        default=act.default,
        nullable=not act.has("not null"),
    )


def _type(act: Act, known: Known) -> Change | None:
    if act.type is None or act.to or act.has("special"):
        return None
    column = known.column(act.table, act.name)
    is_key = _keys(known, act.table) == (act.name,)
    if is_key and act.type.name == "bigint" and (column is None or _is_smaller(column.type)):
        return Change(kind="widen key", table=act.table, columns=act.name, type="bigint")
    if act.does == "modify column" and (column is None or column.not_null != act.has("not null") or act.default):
        return None  # it may be more than a type
    if act.does == "modify column" and column is not None and column.has_default:
        return None  # MODIFY without a default takes it away
    return Change(
        kind="change type", table=act.table, columns=act.name, type=str(act.type), fill=act.expression or None
    )


def _is_smaller(type_: Type | None) -> bool:
    return type_ is None or type_.name in _INTEGERS


def _keys(known: Known, table: str) -> tuple[str, ...]:
    """Return the primary key of a table, as far as it is known."""
    found = known.tables.get(table)
    constraints = found.constraints.values() if found else ()
    return next((one.columns for one in constraints if one.kind == "add primary key"), ())


def _not_null(act: Act, _known: Known) -> Change | None:
    return Change(kind="set not null", table=act.table, columns=act.name)


def _unique(act: Act, _known: Known) -> Change | None:
    if act.said & {"using index", "inline", "special"} or not act.columns:
        return None
    return Change(kind="add unique", table=act.table, columns=_named(act.columns), name=act.name or None)


def _check(act: Act, _known: Known) -> Change | None:
    if act.said & {"not valid", "inline", "not enforced", "special"}:
        return None
    return Change(kind="add check", table=act.table, condition=act.expression, name=act.name or None)


def _foreign_key(act: Act, known: Known) -> Change | None:
    parent = tuple(act.to.split(", ")) if act.to else _keys(known, act.references)
    if act.said & {"not valid", "inline", "special"} or len(parent) != 1 or len(act.columns) != 1:
        return None
    action = next((one.removeprefix("on delete ").upper() for one in act.said if one.startswith("on delete")), None)
    return Change(
        kind="add foreign key",
        table=act.table,
        columns=act.columns[0],
        references=f"{act.references}.{parent[0]}",
        on_delete=action,
        name=act.name or None,
    )


def _index(act: Act, _known: Known) -> Change | None:
    if act.said & {"concurrently", "special", "fulltext", "spatial", "only"} or not act.columns:
        return None
    return Change(
        kind="add index",
        table=act.table,
        columns=_named(act.columns),
        unique=act.has("unique"),
        condition=act.expression or None,
        name=act.name or None,
    )


def _rename(act: Act, _known: Known) -> Change | None:
    return Change(kind="rename column", table=act.table, columns=act.name, to=act.to)


def _drop(act: Act, _known: Known) -> Change | None:
    return None if act.has("cascade") else Change(kind="drop column", table=act.table, columns=act.name)


_ONE: Mapping[str, Callable[[Act, Known], Change | None]] = {
    "add column": _column,
    "change type": _type,
    "modify column": _type,
    "set not null": _not_null,
    "add unique": _unique,
    "add check": _check,
    "add foreign key": _foreign_key,
    "create index": _index,
    "rename column": _rename,
    "drop column": _drop,
}


# --- several acts that are one change


def _required(acts: Sequence[Act], _known: Known) -> Change | None:
    """Return SET NOT NULL with the UPDATE before it that fills what is NULL, and the default of new rows."""
    if not _only(acts, "set default", "update", "set not null"):
        return None
    columns = {act.name for act in acts if act.does != "update"}
    last = [act for act in acts if act.does == "set not null"]
    updates = [act for act in acts if act.does == "update"]
    if len(columns) != 1 or len(last) != 1 or len(updates) > 1:
        return None
    (column,) = columns
    fill = updates[0] if updates else None
    if fill is not None and (fill.columns != (column,) or not _is_of_null(fill, column)):
        return None
    default = next((act.default for act in acts if act.does == "set default"), None)
    return Change(
        kind="set not null",
        table=acts[0].table,
        columns=column,
        fill=fill.values[0] if fill else None,
        default=default,
    )


def _is_of_null(update: Act, column: str) -> bool:
    plain = update.expression.replace('"', "").replace("`", "")
    return re.fullmatch(rf"(?i)(?:\w+\.)?{re.escape(column)} is null", plain.strip()) is not None


def _filled(acts: Sequence[Act], known: Known) -> Change | None:
    """Return a new column with the UPDATE that fills it, its default and its NOT NULL."""
    if not _only(acts, "add column", "update", "set default", "set not null"):
        return None
    added = [act for act in acts if act.does == "add column"]
    updates = [act for act in acts if act.does == "update"]
    if (
        len(added) != 1
        or len(updates) != 1
        or updates[0].columns != (added[0].name,)
        or not _is_whole(updates[0], added)
    ):
        return None
    column = _column(added[0], known)
    others = [act for act in acts if act.does in ("set default", "set not null")]
    if column is None or any(act.name != added[0].name for act in others):
        return None
    default = next((act.default for act in others if act.does == "set default"), column.default)
    required = any(act.does == "set not null" for act in others) or not column.nullable
    return Change(
        kind="add column",
        table=column.table,
        columns=column.columns,
        type=column.type,
        default=default,
        fill=updates[0].values[0],
        nullable=not required,
    )


def _is_whole(update: Act, added: Sequence[Act]) -> bool:
    """Say whether an UPDATE is of all rows: without a condition, or where a new column is NULL, which it is in all."""
    is_new = any(_is_of_null(update, one.name) for one in added)
    return not update.has("joined") and (not update.expression or is_new)


def _split(acts: Sequence[Act], _known: Known) -> Change | None:
    """Return a column that is split: new columns that one UPDATE fills from it."""
    if not _only(acts, "add column", "update"):
        return None
    added = {act.name: act for act in acts if act.does == "add column"}
    updates = [act for act in acts if act.does == "update"]
    if len(updates) != 1 or set(updates[0].columns) != set(added) or not _is_whole(updates[0], [*added.values()]):
        return None
    sources = updates[0].reads - added.keys()
    if len(added) < 2 or len(sources) != 1 or any(act.has("not null") or act.default for act in added.values()):
        return None
    return Change(
        kind="split column",
        table=acts[0].table,
        columns=next(iter(sources)),
        into=dict(zip(updates[0].columns, updates[0].values, strict=True)),
        types={name: str(act.type) for name, act in added.items()},
    )


def _partitioned(acts: Sequence[Act], _known: Known) -> Change | None:
    """Return a table that is copied whole into a partitioned one, which takes its name."""
    parent = next((act for act in acts if act.does == "create table" and act.mode and act.columns), None)
    if parent is None:
        return None
    bounds = [act for act in acts if act.does == "create table" and act.references == parent.table and act.expression]
    rest = [act for act in acts if act is not parent and act not in bounds and act.does not in _PARTS]
    renamed = [act for act in rest if act.does == "rename table"]
    table = next((act.table for act in renamed if act.table not in {one.to for one in renamed}), "")
    swaps = {act.to for act in renamed} | {parent.table}
    inner = ("add column", "add primary key", "add unique", "add check", "rename table", "insert", "drop table")
    own = {act.table for act in rest if act.does in inner}
    if not bounds or table not in swaps or not own <= swaps or any(act.does not in inner for act in rest):
        return None
    return Change(
        kind="partition table",
        table=table,
        columns=_named(parent.columns),
        by=_BY[parent.mode],
        bounds={act.table: act.expression.removeprefix("FOR VALUES ") for act in bounds},
    )
