"""Which tables the functions and procedures of users may write, by the words of their texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import Connection

from rehearse.engines.postgres.catalog.words import USERS
from rehearse.model.names import split

# Volatile ones: others cannot write. Bodies in the standard's syntax have no text of their own.
_FUNCTIONS = f"""
select lower(p.proname), string_agg(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), ' ')
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_language l on l.oid = p.prolang
where p.provolatile = 'v' and p.prokind in ('f', 'p') and l.lanname not in ('c', 'internal')
  and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype) and {USERS}
group by 1
"""
_WRITES = re.compile(r"\b(insert|update|delete|merge|truncate|execute|copy)\b", re.IGNORECASE)


def writing(connection: Connection[Any], tables: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return {function: tables that it, or a function that it calls, may write}.

    A text that writes may write each table that it names; tables whose names it puts together are not seen.
    """
    tables = tuple(tables)
    texts: dict[str, str] = dict(connection.execute(_FUNCTIONS).fetchall())
    words = {name: _words(text) for name, text in texts.items()}
    found = {
        name: {one for one in tables if _own(one) in words[name]} if _WRITES.search(text) else set()
        for name, text in texts.items()
    }
    is_growing = True
    while is_growing:
        before = sum(map(len, found.values()))
        for name, reached in found.items():
            reached.update(*(found[called] for called in words[name] & found.keys()))
        is_growing = sum(map(len, found.values())) > before
    return {name: tuple(sorted(reached)) for name, reached in found.items() if reached}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _own(table: str) -> str:
    return split(table)[1].lower()
