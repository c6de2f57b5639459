"""What leads to other servers: foreign-data wrappers, servers, user mappings, subscriptions. No secret comes out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import Error, conninfo

from rehearse.engines._secrets import hidden
from rehearse.engines.postgres.catalog.words import joined, privileges, query, read_options, role, unless_member

_SECRET = re.compile("pass|secret|token|credential|api_?key|access_?key", re.IGNORECASE)
_LOGIN = re.compile(r"://[^/@\s]*:[^/@\s]*@")
# What options of foreign tables and columns may say in the open; others hold commands, addresses, whole queries.
_PLAIN = frozenset({
    *("schema_name", "table_name", "column_name", "updatable", "fetch_size", "batch_size", "use_remote_estimate"),
    *("format", "header", "delimiter", "quote", "escape", "null", "encoding", "force_not_null", "force_null"),
})  # fmt: skip

# The second column is {option: value} or null, the third a connection string or null.
_WRAPPERS = query(
    """
select 'foreign-data wrapper ' || w.fdwname, $options, null::text, $unless_member(
    'handler', nullif(w.fdwhandler, 0)::regproc::text,
    'validator', nullif(w.fdwvalidator, 0)::regproc::text,
    'owner', $owner, 'privileges', $privileges,
    'comment', obj_description(w.oid, 'pg_foreign_data_wrapper')) end
from pg_foreign_data_wrapper w $joined
""",
    options=read_options("w.fdwoptions"),
    owner=role("w.fdwowner"),
    privileges=privileges("w.fdwacl", "F", "w.fdwowner"),
    joined=joined("pg_foreign_data_wrapper", "w.oid"),
    unless_member=unless_member(privileges("w.fdwacl", "F", "w.fdwowner")),
)
_SERVERS = query(
    """
select 'server ' || s.srvname, $options, null::text, $unless_member(
    'wrapper', (select w.fdwname from pg_foreign_data_wrapper w where w.oid = s.srvfdw),
    'type', s.srvtype, 'version', s.srvversion,
    'owner', $owner, 'privileges', $privileges,
    'comment', obj_description(s.oid, 'pg_foreign_server')) end
from pg_foreign_server s $joined
""",
    options=read_options("s.srvoptions"),
    owner=role("s.srvowner"),
    privileges=privileges("s.srvacl", "S", "s.srvowner"),
    joined=joined("pg_foreign_server", "s.oid"),
    unless_member=unless_member(privileges("s.srvacl", "S", "s.srvowner")),
)
_MAPPINGS = """
select 'user mapping ' || u.usename || ' on ' || u.srvname,
    (select jsonb_object_agg(o.option_name, o.option_value) from pg_options_to_table(u.umoptions) o), null::text,
    jsonb_build_object('user', u.usename)
from pg_user_mappings u
"""

# Connection strings are a superuser's to see. Where a subscription stands in the log belongs to no schema.
_SUBSCRIPTIONS = """
select 'subscription ' || s.subname, null::jsonb, $conninfo, jsonb_build_object(
    'publications', (select string_agg(p, ', ' order by p) from unnest(s.subpublications) p),
    'enabled', case when s.subenabled then 'yes' else 'no' end,
    'slot', s.subslotname::text,
    'synchronous commit', s.subsynccommit,
    'binary', case when s.subbinary then 'yes' end,
    'streaming', case s.substream::text when 't' then 'yes' when 'true' then 'yes' when 'p' then 'parallel' end,
    $newer
    'owner', $owner,
    'comment', obj_description(s.oid, 'pg_subscription'))
from pg_subscription s where s.subdbid = (select oid from pg_database where datname = current_database())
"""
_SINCE = {
    150000: """'two-phase', case when s.subtwophasestate <> 'd' then 'yes' end,
    'disabled on error', case when s.subdisableonerr then 'yes' end,""",
    160000: """'password', case when not s.subpasswordrequired then 'not required' end,
    'runs as', case when s.subrunasowner then 'owner' end,
    'origin', s.suborigin,""",
    170000: "'failover', case when s.subfailover then 'yes' end,",
}


def rare(version: int, *, sees_connections: bool) -> dict[str, str]:
    """Return queries by the catalog that holds their objects, by version and what may be seen; rows are for `told`."""
    subscriptions = query(
        _SUBSCRIPTIONS,
        conninfo="s.subconninfo" if sees_connections else "null::text",
        newer="\n    ".join(words for since, words in _SINCE.items() if version >= since),
        owner=role("s.subowner"),
    )
    return {
        "pg_foreign_data_wrapper": _WRAPPERS,
        "pg_foreign_server": _SERVERS,
        "pg_user_mappings": _MAPPINGS,
        "pg_subscription": subscriptions,
    }


def told(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects with an "option …" of each option, and a "connection …" of each word of a connection string."""
    for name, options, connection, properties in rows:
        more = _open("option", options or {}) | _open("connection", _words(connection) if connection else {})
        yield name, properties | more


def _words(connection: str) -> dict[str, str]:
    try:
        return {key: str(value) for key, value in conninfo.conninfo_to_dict(connection).items()}
    except Error:
        return {"password": connection}  # whatever it is, it is not shown


def _open(prefix: str, options: dict[str, str]) -> dict[str, str]:
    return {f"{prefix} {key}": _shown(key, value) for key, value in options.items()}


def _shown(key: str, value: str) -> str:
    return hidden(value) if _SECRET.search(key) or _LOGIN.search(value) else value


def settings(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield settings as objects from rows of (object, name, value); what an application calls its own stays hidden."""
    for name, key, value in rows:
        yield name, {"value": hidden(value) if "." in key else _shown(key, value)}


def foreign(options: Mapping[str, str] | None) -> str | None:
    """Return the options of a foreign table or column as sorted text; None where there are none."""
    told = (f"{key}={value if key in _PLAIN else hidden(value)}" for key, value in sorted((options or {}).items()))
    return ", ".join(told) or None
