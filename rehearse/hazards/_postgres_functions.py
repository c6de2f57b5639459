"""Functions in pglast's tree, by name and by the types that they take: another function may have the same name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from rehearse.hazards import _postgres_columns
from rehearse.hazards._postgres_names import named
from rehearse.hazards.acts import Act

Node = Any
_RETURNED = (enums.FunctionParameterMode.FUNC_PARAM_OUT, enums.FunctionParameterMode.FUNC_PARAM_TABLE)


def made(node: Node) -> Iterator[Act]:
    """Yield the act of CREATE FUNCTION or CREATE PROCEDURE."""
    taken = [one.argType for one in node.parameters or () if one.mode not in _RETURNED]
    yield Act(does="create other", name=_with_types(node.funcname, taken), said=frozenset({"made"}))


def signed(name: Node) -> str:
    """Return the name of what is dropped, with the types that a function takes where they are said."""
    is_told = isinstance(name, ast.ObjectWithArgs) and not name.args_unspecified
    return _with_types(name, name.objargs or ()) if is_told else named(name)


def _with_types(name: Node, types: Any) -> str:
    return f"{named(name)}({', '.join(str(_postgres_columns.typed(one)) for one in types)})"
