"""Names that the server makes up for constraints, indexes and sequences (ChooseRelationName in its source)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LIMIT = 63  # NAMEDATALEN - 1, in bytes


def made_up(table: str, columns: Sequence[str], label: str) -> str:
    """Return the name that the server makes, for example orders_customer_id_fkey; the longer part is cut to fit."""
    first, second = table.encode(), "_".join(columns).encode()[:_LIMIT]
    room = _LIMIT - len(label.encode()) - 1 - (1 if second else 0)
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    parts = [first.decode(errors="ignore"), second.decode(errors="ignore"), label]
    return "_".join(part for part in parts if part)


def is_made_up(name: str, table: str, columns: Sequence[str], label: str) -> bool:
    """Say whether the server could have made up this name; it appends a number to one that is taken."""
    number = re.search(r"\d*$", name)
    digits = number[0] if number else ""
    tails = [digits[start:] for start in range(len(digits) + 1)]
    return any(name == made_up(table, columns, label + tail) for tail in tails)
