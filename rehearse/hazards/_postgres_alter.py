"""ALTER TABLE in pglast's tree, as acts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pglast import enums
from pglast.stream import RawStream

from rehearse.hazards import _postgres_columns
from rehearse.hazards._postgres_names import ranged
from rehearse.hazards.acts import Act, Does

Node = Any
_KIND = enums.AlterTableType
_TABLES = (enums.ObjectType.OBJECT_TABLE, enums.ObjectType.OBJECT_MATVIEW, enums.ObjectType.OBJECT_FOREIGN_TABLE)
_PLAIN: Mapping[enums.AlterTableType, Does] = {
    _KIND.AT_SetNotNull: "set not null",
    _KIND.AT_DropNotNull: "drop not null",
    _KIND.AT_DropColumn: "drop column",
    _KIND.AT_DropConstraint: "drop constraint",
    _KIND.AT_ValidateConstraint: "validate constraint",
    _KIND.AT_SetTableSpace: "set tablespace",
    _KIND.AT_SetLogged: "set logged",
    _KIND.AT_SetUnLogged: "set unlogged",
    _KIND.AT_SetAccessMethod: "set access method",
    _KIND.AT_EnableRowSecurity: "row security",
    _KIND.AT_ForceRowSecurity: "row security",
    _KIND.AT_AddIdentity: "add identity",
    _KIND.AT_DropIdentity: "drop default",
    _KIND.AT_SetExpression: "set expression",
}


def acts(node: Node) -> Iterator[Act]:
    """Yield what each part of an ALTER does; of other objects than tables it is told that they change."""
    relation = ranged(node.relation)
    if node.objtype == enums.ObjectType.OBJECT_INDEX:
        is_moved = any(one.subtype == _KIND.AT_SetTableSpace for one in node.cmds)
        yield Act(does="set tablespace" if is_moved else "alter other", name=relation, said=frozenset({"index"}))
    elif node.objtype not in _TABLES:
        yield Act(does="alter other", name=relation)
    else:
        for command in node.cmds:
            yield from _of(relation, command)


def _of(table: str, command: Node) -> Iterator[Act]:
    kind = command.subtype
    if kind == _KIND.AT_AddColumn:
        for act in _postgres_columns.added(table, command.def_):
            yield _with(act, "if not exists") if command.missing_ok else act
    elif kind == _KIND.AT_AddConstraint:
        yield _postgres_columns.constraint(table, command.def_)
    elif kind == _KIND.AT_AlterColumnType:
        yield _type(table, command)
    elif kind == _KIND.AT_ColumnDefault:
        does: Does = "drop default" if command.def_ is None else "set default"
        default = RawStream()(command.def_) if command.def_ is not None else None
        yield Act(does=does, table=table, name=command.name, default=default)
    elif kind in (_KIND.AT_AttachPartition, _KIND.AT_DetachPartition):
        yield _partition(table, command)
    elif kind.name.startswith("AT_DisableTrig"):
        word = kind.name.removeprefix("AT_DisableTrig").lower()
        yield Act(does="disable trigger", table=table, name=command.name or word)
    elif kind.name.startswith("AT_Enable") and "Trig" in kind.name:
        yield Act(does="enable trigger", table=table, name=command.name or "")
    else:
        yield _plain(table, command)


def _plain(table: str, command: Node) -> Act:
    cascades = command.behavior == enums.DropBehavior.DROP_CASCADE
    said = ({"cascade"} if cascades else set()) | ({"if exists"} if command.missing_ok else set())
    return Act(
        does=_PLAIN.get(command.subtype, "set options"), table=table, name=command.name or "", said=frozenset(said)
    )


def _with(act: Act, word: str) -> Act:
    return replace(act, said=act.said | {word})


def _type(table: str, command: Node) -> Act:
    using = command.def_.raw_default
    said = frozenset({"special"} if command.def_.collClause else ())
    return Act(
        does="change type",
        table=table,
        name=command.name,
        type=_postgres_columns.typed(command.def_.typeName),
        expression=RawStream()(using) if using is not None else "",
        said=said,
    )


def _partition(table: str, command: Node) -> Act:
    does: Does = "attach partition" if command.subtype == _KIND.AT_AttachPartition else "detach partition"
    one = command.def_
    said = {"concurrently"} if one.concurrent else set()
    said |= {"default"} if one.bound is not None and one.bound.is_default else set()
    bound = RawStream()(one.bound) if one.bound is not None else ""
    return Act(does=does, table=ranged(one.name), references=table, expression=bound, said=frozenset(said))
