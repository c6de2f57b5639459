"""A first profile for a project whose schema can be made here: how many rows each table gets, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rehearse.engines.postgres.database import PostgresDatabase
    from rehearse.model import Scenario
    from rehearse.profiles import Profile, Structure

_PARENT, _CHILD = 20_000, 100_000  # rows of a table that points at no other, and of one that does
_MOST = 1_000_000  # rows in all: a rehearsal of half a minute
_TRIED = 0.001  # the share of the rows that is loaded once to see that it can be


@dataclass(frozen=True, slots=True)
class Rows:
    """The text of a profile, or why there is none. `tables` are its tables."""

    text: str = ""
    why_not: str = ""
    tables: tuple[str, ...] = ()


def first_rows(scenario: Scenario, estimates: Mapping[str, int]) -> Rows:
    """Make the schema that a scenario starts from on a server of our own, and return a profile of its tables.

    `estimates` are rows by table where a database told them. A few rows are loaded, to see that the profile fits; what
    stands in the way is told and not raised.
    """
    from rehearse.errors import RehearseError  # noqa: PLC0415
    from rehearse.protocols import MigrationFailed  # noqa: PLC0415

    try:
        return _tried(scenario, estimates)
    except (RehearseError, MigrationFailed) as error:
        return Rows(why_not=str(error).strip().splitlines()[0])


def _tried(scenario: Scenario, estimates: Mapping[str, int]) -> Rows:
    from rehearse import registry  # noqa: PLC0415
    from rehearse.engines.postgres import ENGINE  # noqa: PLC0415
    from rehearse.model import EngineChoice  # noqa: PLC0415
    from rehearse.protocols import Role  # noqa: PLC0415
    from rehearse.recording.journal import ListingJournal  # noqa: PLC0415

    migration = registry.tool(scenario.migration.tool).open(scenario)
    with ENGINE.start(EngineChoice(), ListingJournal()) as server:
        database = server.create("first")
        migration.prepare(database.url(Role.MIGRATION))
        structure = database.structure()
        counts = _counts(structure, estimates)
        if not counts:
            return Rows(why_not="the schema before the newest migration has no tables")
        text = "\n".join(_lines(scenario.name, counts)) + "\n"
        _load(database, _profile(text), structure)
        return Rows(text=text, tables=tuple(counts))


def _counts(structure: Structure, estimates: Mapping[str, int]) -> dict[str, int]:
    from rehearse import bookkeeping  # noqa: PLC0415

    found = {
        table.name: estimates.get(table.name) or (_CHILD if table.foreign_keys else _PARENT)
        for table in structure.parents_first()
        if not bookkeeping.is_known(table.name, table.columns)
    }
    share = min(1.0, _MOST / max(sum(found.values()), 1))
    return {name: max(1, round(rows * share)) for name, rows in found.items()}


def _lines(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    from tomlkit import item  # noqa: PLC0415

    yield "# How many rows each table gets. Their values are made by the columns' types, names and conditions; to say"
    yield "# more see data_profiles/README.md of rehearse, or let `rehearse profile URL` describe a real database."
    yield f"name = {item(name).as_string()}"
    for table, rows in counts.items():
        yield ""
        yield f"[tables.{_key(table)}]"
        yield f"rows = {rows}"


def _key(name: str) -> str:
    from tomlkit import item  # noqa: PLC0415

    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else item(name).as_string()


def _profile(text: str) -> Profile:
    import tomllib  # noqa: PLC0415

    from rehearse.reading import profile  # noqa: PLC0415

    return profile.parse(tomllib.loads(text))


def _load(database: PostgresDatabase, profile: Profile, structure: Structure) -> None:
    from rehearse import datasets  # noqa: PLC0415
    from rehearse.recording.journal import ListingJournal  # noqa: PLC0415

    datasets.open_tables(profile, structure)
    database.load(datasets.open_tables(profile, structure, scale=_TRIED), ListingJournal())
