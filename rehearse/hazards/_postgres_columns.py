"""Columns and constraints in pglast's tree, as acts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pglast import ast, enums
from pglast.stream import RawStream
from pglast.visitors import Visitor

from rehearse.hazards._postgres_names import ranged, texts
from rehearse.hazards.acts import Act, Does, Type

Node = Any
_KIND = enums.ConstrType
_CONSTRAINTS: Mapping[enums.ConstrType, Does] = {
    _KIND.CONSTR_CHECK: "add check",
    _KIND.CONSTR_FOREIGN: "add foreign key",
    _KIND.CONSTR_UNIQUE: "add unique",
    _KIND.CONSTR_PRIMARY: "add primary key",
    _KIND.CONSTR_EXCLUSION: "add exclude",
    _KIND.CONSTR_NOTNULL: "add not null",
}
_NAMES = {"int4": "integer", "int8": "bigint", "int2": "smallint", "bpchar": "char", "float8": "double precision",
          "float4": "real", "bool": "boolean", "int": "integer"}  # fmt: skip
_SERIALS = {"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"}


def typed(node: Node) -> Type:
    """Return a type from its name in the tree."""
    name = texts(node)[-1]
    args = tuple(RawStream()(one).strip("'") for one in node.typmods or ())
    return Type(_NAMES.get(name, name), args, frozenset({"[]"}) if node.arrayBounds else frozenset())


def added(table: str, column: Node) -> Iterator[Act]:
    """Yield the act that adds a column, and those of the constraints that stand within it."""
    constraints = column.constraints or ()
    kinds = {one.contype: one for one in constraints}
    words = {word for kind, word in _WORDS.items() if kind in kinds}
    words |= {"special"} if column.collClause or column.compression or column.storage_name else set()
    type_ = typed(column.typeName)
    if type_.name in _SERIALS:
        words |= {"serial", "not null"}
    generated, default = kinds.get(_KIND.CONSTR_GENERATED), kinds.get(_KIND.CONSTR_DEFAULT)
    if generated is not None:
        words.add("virtual" if generated.generated_kind == "v" else "stored")
    yield Act(
        does="add column",
        table=table,
        name=column.colname,
        type=type_,
        default=RawStream()(default.raw_expr) if default is not None else None,
        calls=called(default.raw_expr) if default is not None else frozenset(),
        expression=RawStream()(generated.raw_expr) if generated is not None else "",
        said=frozenset(words),
    )
    for one in constraints:
        if one.contype in _CONSTRAINTS and one.contype != _KIND.CONSTR_NOTNULL:
            yield constraint(table, one, column=column.colname)


_ACTIONS = {"c": "cascade", "n": "set null", "d": "set default", "r": "restrict"}
_WORDS = {
    _KIND.CONSTR_NOTNULL: "not null",
    _KIND.CONSTR_PRIMARY: "primary key",
    _KIND.CONSTR_UNIQUE: "unique",
    _KIND.CONSTR_IDENTITY: "identity",
}


def constraint(table: str, one: Node, *, column: str = "") -> Act:
    """Return the act that adds a constraint; `column`: it stands within that column's definition."""
    own = tuple(key.sval for key in (one.fk_attrs or one.keys or ()))
    said = {"inline"} if column else set()
    said |= {"not valid"} if one.skip_validation else set()
    said |= {"using index"} if one.indexname else set()
    action = _ACTIONS.get(one.fk_del_action)
    return Act(
        does=_CONSTRAINTS.get(one.contype, "set options"),
        table=table,
        name=one.conname or "",
        columns=own or ((column,) if column else ()),
        references=ranged(one.pktable) if one.pktable else "",
        to=f"{one.indexname or ''}" if one.indexname else ", ".join(key.sval for key in one.pk_attrs or ()),
        expression=RawStream()(one.raw_expr) if one.raw_expr else "",
        said=frozenset(said | ({f"on delete {action}"} if action else set()) | _beyond(one)),
    )


def _beyond(one: Node) -> set[str]:
    """Return "special" where a constraint is more than its columns, its condition and what a DELETE does."""
    changed = _ACTIONS.get(one.fk_upd_action) or one.fk_del_set_cols or one.fk_matchtype in ("f", "p")
    deferred = one.deferrable or one.initdeferred
    others = one.including or one.nulls_not_distinct or one.options or one.indexspace or one.is_no_inherit
    return {"special"} if changed or deferred or others else set()


class _Names(Visitor):
    """Collects the functions that are called and the columns that are named."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.columns: set[str] = set()

    def visit_FuncCall(self, _ancestors: Any, node: Node) -> None:  # noqa: N802
        self.functions.add(texts(node.funcname)[-1])

    def visit_ColumnRef(self, _ancestors: Any, node: Node) -> None:  # noqa: N802
        self.columns |= {one.sval or "" for one in node.fields[-1:] if isinstance(one, ast.String)}


def _names(expression: Node) -> _Names:
    names = _Names()
    if isinstance(expression, ast.Node):
        names(expression)
    return names


def called(expression: Node) -> frozenset[str]:
    """Return the functions that an expression calls; those without brackets (CURRENT_DATE) are no functions here."""
    return frozenset(_names(expression).functions)


def read(expression: Node) -> frozenset[str]:
    """Return the columns that an expression names."""
    return frozenset(_names(expression).columns)
