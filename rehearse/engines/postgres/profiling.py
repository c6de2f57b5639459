"""A profile of a live database, at one of three tiers: the catalogs alone, counts beside them, and a sample, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg

from rehearse.engines.postgres import aggregates, sampling, statistics
from rehearse.engines.postgres.structure import Connects, structure
from rehearse.errors import ServerFailed
from rehearse.profiles import Profile
from rehearse.profiles.describing import Remark, Tier, describe
from rehearse.profiles.joining import told as told_by
from rehearse.profiles.learning import Joined
from rehearse.profiles.privacy import Gate
from rehearse.profiles.review import review
from rehearse.profiles.statistics import Query

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

COUNTING_MS = 60_000
# Tables that nobody can look at now, by name.
_LOCKED = """
    SELECT DISTINCT c.relname::text
    FROM pg_locks l
    JOIN pg_class c ON c.oid = l.relation
    JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.granted
    ORDER BY 1
"""


def profile(
    database: Connects,
    *,
    tier: Tier = "catalogs",
    rows: int = 20_000,
    gate: Gate | None = None,
    name: str = "profile",
    schema: str | None = None,
    timeout_ms: int = COUNTING_MS,
) -> tuple[Profile, Sequence[Remark], Sequence[Query]]:
    """Return the database's profile, what a reader should know of it, and every statement that was asked.

    `rows` is how many of each table a sample holds at the most; `timeout_ms` bounds each statement that reads tables.
    """
    gate, database = gate or Gate(), _Patient(database)
    try:
        return _profile(database, tier, rows, gate, name, schema, timeout_ms)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
        locked = _locked(database)
        whose = f": {', '.join(locked)} is locked by a session that others wait for" if locked else ""
        raise ServerFailed(f"the catalogs could not be read in time{whose}; profile again when that is done") from error


def _locked(database: Connects) -> list[str]:
    with database.connect() as connection:
        return [name for (name,) in connection.execute(_LOCKED).fetchall()]


@dataclass(frozen=True, slots=True)
class _Patient:
    """A database that no statement of ours waits for longer than a moment."""

    inner: Connects

    def connect(self, **options: Any) -> Connection:
        words = f"-c lock_timeout={statistics.LOCK_TIMEOUT_MS} -c statement_timeout={statistics.STATEMENT_TIMEOUT_MS}"
        return self.inner.connect(**{**options, "options": f"{words} {options.get('options', '')}".strip()})


def _profile(  # noqa: PLR0917 - what `profile` was asked for
    database: Connects, tier: Tier, rows: int, gate: Gate, name: str, schema: str | None, timeout_ms: int
) -> tuple[Profile, Sequence[Remark], Sequence[Query]]:
    tables = structure(database)
    with statistics.asking(database) as asking:
        found = statistics.read(asking)
    learned: Mapping[str, Joined] = {}
    if tier != "catalogs":
        with statistics.asking(database, statement_timeout_ms=timeout_ms, apart=True) as asking:
            asking.asked.extend(found.asked)
            found = aggregates.count(asking, tables, found)
            if tier == "sample":
                alone, _ = describe(tables, found, gate, name=name)
                told = {
                    table: [column for column, shape in one.columns.items() if told_by(shape)]
                    for table, one in alone.tables.items()
                }
                found, learned = sampling.sample(asking, tables, found, rows, floor=gate.floor, told=told)
    made, remarks = describe(tables, found, gate, name=name, schema=schema, tier=tier, learned=learned)
    hidden = tuple(sorted({look.where for look in review(made) if look.kind == "personal"} - set(gate.hidden)))
    if hidden:  # what a reviewer would be warned of is not told in the first place
        gate = replace(gate, hidden=(*gate.hidden, *hidden))
        made, remarks = describe(tables, found, gate, name=name, schema=schema, tier=tier, learned=learned)
    return made, remarks, found.asked
