"""A profile of a live database, at one of three tiers: the catalogs alone, counts beside them, and a sample, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rehearse.engines.postgres import aggregates, sampling, statistics
from rehearse.engines.postgres.structure import Connects, structure
from rehearse.profiles import Profile
from rehearse.profiles.describing import Remark, Tier, describe
from rehearse.profiles.learning import Joined
from rehearse.profiles.privacy import Gate
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
    tables = structure(database)
    with statistics.asking(database) as asking:
        found = statistics.read(asking)
    learned: Mapping[str, Joined] = {}
    if tier != "catalogs":
        with statistics.asking(database, statement_timeout_ms=timeout_ms) as asking:
            asking.asked.extend(found.asked)
            found = aggregates.count(asking, tables, found)
            if tier == "sample":
                found, learned = sampling.sample(asking, tables, found, rows, floor=gate.floor)
    made, remarks = describe(tables, found, gate, name=name, schema=schema, tier=tier, learned=learned)
    return made, remarks, found.asked
