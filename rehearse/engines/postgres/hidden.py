"""The triggers and rules of a database that may write when a call does; see `_hidden`."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from rehearse.engines._hidden import Trigger
from rehearse.engines.postgres.catalog.words import USERS, name

# Foreign keys are enforced by internal triggers, which are not asked for here.
_TRIGGERS = f"""
select {name("c.relname")}, 'trigger ' || t.tgname, p.prosrc
from pg_trigger t
join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_proc p on p.oid = t.tgfoid
where not t.tgisinternal and t.tgenabled <> 'D' and {USERS}
union all
select {name("c.relname")}, 'rule ' || r.rulename, regexp_replace(pg_get_ruledef(r.oid), '^.*?\\sDO\\s', '')
from pg_rewrite r
join pg_class c on c.oid = r.ev_class
join pg_namespace n on n.oid = c.relnamespace
where r.ev_type <> '1' and r.ev_enabled <> 'D' and {USERS}
order by 1, 2
"""


def triggers(*connections: Connection[Any]) -> tuple[Trigger, ...]:
    """Return the user's enabled triggers and rules of any of these databases."""
    found = {Trigger(*row) for one in connections for row in one.execute(_TRIGGERS)}
    return tuple(sorted(found, key=lambda one: (one.table, one.name)))
