"""Rights of accounts that are not ours: given in a copy of a database too, and taken back with a database that goes.

The server keeps rights on what is dropped; a database of the same name would have them again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from rehearse.engines.mysql.client import Connection, named, rows

_ACCOUNTS = """
    SELECT grantee FROM information_schema.schema_privileges WHERE %s LIKE table_schema
    UNION SELECT grantee FROM information_schema.table_privileges WHERE table_schema = %s
    UNION SELECT grantee FROM information_schema.column_privileges WHERE table_schema = %s
    UNION SELECT concat("'", user, "'@'", host, "'") FROM mysql.procs_priv WHERE db = %s
"""
_GRANT = re.compile(
    r"GRANT (?P<rights>.+?) ON (?P<kind>PROCEDURE |FUNCTION |PACKAGE |PACKAGE BODY )?`(?P<database>(?:[^`]|``)+)`\."
    r"(?P<thing>\*|`(?:[^`]|``)+`) TO (?P<account>.+?)(?P<option> WITH GRANT OPTION)?"
)


def copied(connection: Connection, source: str, target: str, ours: Collection[str]) -> Iterator[str]:
    """Yield what gives accounts the rights in `target` that they have in `source`."""
    whole = named(as_whole(connection, target))
    for one in _grants(connection, source, ours):
        place = whole if one["thing"] == "*" else named(target)
        rights = f"{one['rights']} ON {one['kind'] or ''}{place}.{one['thing']}"
        yield f"GRANT {rights} TO {one['account']}{one['option'] or ''}"


def revoked(connection: Connection, database: str, ours: Collection[str]) -> Iterator[str]:
    """Yield what takes the rights in a database back."""
    for one in _grants(connection, database, ours):
        place = f"{one['kind'] or ''}`{one['database']}`.{one['thing']}"
        yield f"REVOKE {one['rights']} ON {place} FROM {one['account']}"
        if one["option"]:
            yield f"REVOKE GRANT OPTION ON {place} FROM {one['account']}"


def _grants(connection: Connection, database: str, ours: Collection[str]) -> Iterator[re.Match[str]]:
    """Yield the grants that name this database, and no pattern that others match too."""
    for (grantee,) in rows(connection, _ACCOUNTS, (database,) * 4):
        if grantee.split("'")[1] in ours:
            continue
        for (text,) in rows(connection, f"SHOW GRANTS FOR {str(grantee).removesuffix(_OF_ROLES)}"):
            found = _GRANT.fullmatch(str(text))
            if found and _names(found, database):
                yield found


_OF_ROLES = "@''"  # a role's host in MariaDB


def _names(found: re.Match[str], database: str) -> bool:
    name = found["database"].replace("``", "`")
    return name in ((database, _pattern(database)) if found["thing"] == "*" else (database,))


def as_whole(connection: Connection, database: str) -> str:
    """Return a database's name as a grant on all of it needs it: a pattern, unless MySQL has partial revokes."""
    ((is_literal,),) = rows(connection, "SELECT /*M! 0 */ /*!80016 @@partial_revokes */")
    return database if is_literal else _pattern(database)


def _pattern(database: str) -> str:
    """Return the pattern that a database's name alone matches: an underscore would stand for any character."""
    return database.replace("_", "\\_").replace("%", "\\%")
