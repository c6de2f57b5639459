"""Names in pglast's tree, as words: `orders`, `app.orders`."""

from __future__ import annotations

from typing import Any

from rehearse.model.names import told


def ranged(relation: Any) -> str:
    """Return a table's name from where a statement names it."""
    return told(relation.schemaname or "public", relation.relname)


def texts(nodes: Any) -> tuple[str, ...]:
    """Return the parts of a name: of one string, of several, or of a type's name."""
    names = getattr(nodes, "names", None) or getattr(nodes, "objname", None) or nodes
    return tuple(one.sval for one in (names if isinstance(names, tuple) else (names,)) if hasattr(one, "sval"))


def named(nodes: Any) -> str:
    """Return an object's name from the parts of it."""
    parts = texts(nodes)
    return told(parts[-2] if len(parts) > 1 else "public", parts[-1]) if parts else ""
