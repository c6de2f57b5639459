"""Who else writes when a call does: triggers change the row itself, or other tables that their functions name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from rehearse.engines.postgres.catalog.words import USERS, name

# Foreign keys are enforced by internal triggers, which are not asked for here.
_TRIGGERS = f"""
select {name("c.relname")}, t.tgname, t.tgtype & 2 <> 0, p.prosrc
from pg_trigger t
join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_proc p on p.oid = t.tgfoid
where not t.tgisinternal and t.tgenabled <> 'D' and {USERS}
order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of a table; `source` is its function's text."""

    table: str
    name: str
    is_before: bool
    source: str

    def mentions(self, table: str) -> bool:
        """Say whether the function's text has the table's own name as a word."""
        return re.search(rf"\b{re.escape(table.rsplit('.', 1)[-1])}\b", self.source, re.IGNORECASE) is not None


def triggers(*connections: Connection[Any]) -> tuple[Trigger, ...]:
    """Return the user's enabled triggers of any of these databases."""
    found = {Trigger(*row) for one in connections for row in one.execute(_TRIGGERS)}
    return tuple(sorted(found, key=lambda one: (one.table, one.name)))


def reached(tables: Iterable[str], written: Iterable[str], known: Iterable[Trigger]) -> Mapping[str, tuple[str, ...]]:
    """Return, by table, the triggers in words that may have written it on behalf of calls to the `written` tables.

    What a trigger writes may fire others; a dynamic statement whose text does not name its table is not seen.
    """
    known, tables, fired = tuple(known), tuple(tables), set(written)
    found: dict[str, dict[str, None]] = {}
    is_growing = True
    while is_growing:
        before = len(fired)
        for one in known:
            if one.table in fired:
                for table in tables:
                    if (one.is_before and table == one.table) or one.mentions(table):
                        found.setdefault(table, {})[f"trigger {one.name} of {one.table}"] = None
                        fired.add(table)
        is_growing = len(fired) > before
    return {table: tuple(words) for table, words in found.items()}
