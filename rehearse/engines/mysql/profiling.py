"""A profile of a live database, at one of three tiers: the catalogs alone, counts beside them, and a sample, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pymysql

from rehearse.engines.mysql import aggregates, sampling, statistics
from rehearse.engines.mysql.client import words
from rehearse.engines.mysql.statistics import Connects
from rehearse.engines.mysql.structure import structure
from rehearse.errors import ServerFailed
from rehearse.profiles import Profile
from rehearse.profiles.describing import Remark, Tier, describe
from rehearse.profiles.joining import told as told_by
from rehearse.profiles.learning import Joined
from rehearse.profiles.privacy import Gate
from rehearse.profiles.review import review
from rehearse.profiles.statistics import Query

COUNTING_MS = 60_000


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
    gate = gate or Gate()
    try:
        return _profile(database, tier, rows, gate, name, schema, timeout_ms)
    except pymysql.err.MySQLError as error:
        raise ServerFailed(f"the catalogs could not be read: {words(error)}") from error


def _profile(  # noqa: PLR0917 - what `profile` was asked for
    database: Connects, tier: Tier, rows: int, gate: Gate, name: str, schema: str | None, timeout_ms: int
) -> tuple[Profile, Sequence[Remark], Sequence[Query]]:
    tables = structure(database)
    with statistics.asking(database) as asking:
        found = statistics.read(asking, tables)
    learned: dict[str, Joined] = {}
    if tier != "catalogs":
        with statistics.asking(database, statement_timeout_ms=timeout_ms) as asking:
            asking.asked.extend(found.asked)
            samples: dict[str, pa.Table] = {}
            if tier == "sample":
                found, samples = sampling.sample(asking, tables, found, rows)
            found = aggregates.count(asking, tables, found)
            alone, _ = describe(tables, found, gate, name=name)
            for table, taken in samples.items():
                told = [column for column, shape in alone.tables[table].columns.items() if told_by(shape)]
                learned[table] = sampling.learned(
                    asking, tables.tables[table], found.tables[table], taken, floor=gate.floor, told=told
                )
            found = replace(found, asked=tuple(asking.asked))
    made, remarks = describe(tables, found, gate, name=name, schema=schema, tier=tier, learned=learned)
    hidden = tuple(sorted({look.where for look in review(made) if look.kind == "personal"} - set(gate.hidden)))
    if hidden:  # what a reviewer would be warned of is not told in the first place
        gate = replace(gate, hidden=(*gate.hidden, *hidden))
        made, remarks = describe(tables, found, gate, name=name, schema=schema, tier=tier, learned=learned)
    return made, remarks, found.asked
