"""Tells by a statement's first word whether it is there to end a transaction, on any server."""

from __future__ import annotations

import re

_ENDS = re.compile(
    r"(?:\s|/\*.*?\*/|--[^\n]*\n|#[^\n]*\n)*(commit|rollback|end|abort|prepare\s+transaction|xa)\b", re.I | re.S
)


def ends_transaction(sql: str) -> bool:
    """Say whether it is COMMIT, ROLLBACK or the like; MySQL's DDL ends a transaction without being there for it."""
    return bool(_ENDS.match(sql))
