"""From nothing to a loaded database: schema, rows, rights, in the order that the source asks for."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rehearse import datasets
from rehearse.datasets import to_profile
from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.events import DataCompared, Journal, Remarked
from rehearse.model import Scenario
from rehearse.protocols import ChecksRoom, Database, Engine, LoadsFiles, Migration, MigrationFailed, Reckons, Role
from rehearse.reading import profile as profiles
from rehearse.rehearsal.phase import staged
from rehearse.rehearsal.progress import Progress
from rehearse.workload import mix as mixes

COPIES = 4  # the database, its state at the start and after forward, and a table that is being rewritten
_COMPARED_ROWS = 10_000  # of each table, against the profile: shares are within 0.01, and it takes a second
_UNPACKED = 6  # a compressed dump against its tables with their indexes


def check_files(scenario: Scenario) -> None:
    """Raise a ScenarioMistake for a file of [data] that is not there, before anything starts."""
    named = [("load", name) for name in scenario.data.load or ()]
    named += [("dump", scenario.data.dump)] if scenario.data.dump else []
    for key, name in named:
        if not (scenario.folder / name).exists():
            raise ScenarioMistake(f"{scenario.file or scenario.name}: data.{key}: there is no file {name!r}")


def check_room(scenario: Scenario, engine: Engine, *, copies: int = COPIES) -> None:
    """Raise TooBig where the data, its copies and a rewritten table would not fit, before anything starts."""
    if isinstance(engine, ChecksRoom):
        engine.check_room(scenario.engine, copies * _estimated_bytes(scenario))


def open_mix(scenario: Scenario, database: Database) -> mixes.Mix:
    """Return the calls of a scenario made ready to send to a loaded database."""
    name, seed = scenario.engine.name, scenario.seed
    return mixes.open_mix(scenario.workload, database, engine=name, seed=seed, statements=_statements(scenario))


def _statements(scenario: Scenario) -> list[tuple[str, float]]:
    """Return the statements that the profile saw in production, with their weights, where they are asked for."""
    if scenario.workload.mix != "profile":
        return []
    if not scenario.data.profile:
        raise ScenarioMistake(
            f"{scenario.name}: workload.mix = 'profile' takes the statements of data.profile; name one"
        )
    queries = profiles.find(scenario.data.profile, scenario.folder).queries
    return [(one.sql, one.per_s or 1.0) for one in queries]


def _estimated_bytes(scenario: Scenario) -> int:
    if scenario.data.profile:
        profile = profiles.find(scenario.data.profile, scenario.folder)
        size: int = datasets.estimated_bytes(profile, scenario.data.scale, rows=scenario.data.tables)
        return size
    files: list[str] = [*(scenario.data.load or ()), *([scenario.data.dump] if scenario.data.dump else [])]
    sizes = [path.stat().st_size for path in (scenario.folder / name for name in files) if path.is_file()]
    packed: int = sum(sizes)
    return _UNPACKED * packed


def prepare(scenario: Scenario, database: Database, migration: Migration, journal: Journal, progress: Progress) -> None:
    """Bring an empty database to where the change starts from.

    The schema comes before generated rows and before files of rows; it comes after a dump, and after files that bring
    their own schema (no `migration.schema` is named), when a tool such as Alembic has only to reach its revision.
    """
    brings_files = bool(scenario.data.load or scenario.data.dump)
    schema_first = not brings_files or (scenario.migration.schema is not None and not scenario.data.dump)
    if schema_first:
        _schema(database, migration, journal, progress)
    if brings_files:
        with staged("load", journal, progress):
            _load_files(scenario, database)
    if not schema_first:
        _schema(database, migration, journal, progress)
    if scenario.data.profile:
        _generate(scenario, database, journal, progress)


def _schema(database: Database, migration: Migration, journal: Journal, progress: Progress) -> None:
    with staged("make the schema", journal, progress):
        try:
            migration.prepare(database.url(Role.MIGRATION))
        except MigrationFailed as error:
            raise ServerFailed(f"the schema that the change starts from could not be made: {error}") from error


def _load_files(scenario: Scenario, database: Database) -> None:
    if not isinstance(database, LoadsFiles):
        raise ScenarioMistake(f"{scenario.name}: this engine loads no files; use data.profile")
    for name in scenario.data.load or ():
        database.run_file(scenario.folder / name)
    if scenario.data.dump:
        database.restore(scenario.folder / scenario.data.dump)


def _generate(scenario: Scenario, database: Database, journal: Journal, progress: Progress) -> None:
    assert scenario.data.profile is not None
    if not isinstance(database, datasets.Described):
        raise ScenarioMistake(f"{scenario.name}: this engine cannot be filled from a profile; use data.load or dump")
    if scenario.data.statistics:
        _reckoning(scenario, database).check_statistics()
    profile = profiles.find(scenario.data.profile, scenario.folder)
    tables = datasets.open_tables(
        profile,
        database.structure(),
        scale=scenario.data.scale,
        seed=scenario.seed,
        rows=scenario.data.tables,
    )
    with staged("generate and load", journal, progress):
        database.load(tables, journal)
    if isinstance(database, datasets.Readable) and tables:
        with staged("compare with the profile", journal, progress):
            _compare(database, tables, journal)
    if scenario.data.statistics:
        with staged("statistics of production", journal, progress):
            production = datasets.production(
                profile, database.structure(), seed=scenario.seed, rows=scenario.data.tables
            )
            _reckoning(scenario, database).reckon_with(production, journal)


def _reckoning(scenario: Scenario, database: Database) -> Reckons:
    if not isinstance(database, Reckons):
        raise ScenarioMistake(f"{scenario.name}: data.statistics: this engine takes no statistics; leave the key out")
    return database


def _compare(database: datasets.Readable, tables: Sequence[datasets.GeneratedTable], journal: Journal) -> None:
    """Write down how near the loaded rows come to their profile; a fault of measuring is a remark, and no more."""
    plan = tables[0].plan
    try:
        found = database.contents(rows=_COMPARED_ROWS, parts=to_profile.parts(plan), keys=to_profile.keys(plan))
        seen = to_profile.to_profile(plan, found)
    except Exception as error:
        says = f"how near the rows are to the profile was not measured: {type(error).__name__}: {error}"
        journal.write(Remarked(at_ns=time.monotonic_ns(), source="data", says=says))
        return
    scores = [column.score for table in seen.tables for column in table.columns]
    journal.write(
        DataCompared(
            at_ns=time.monotonic_ns(),
            profile=plan.profile.name,
            overall=seen.overall,
            worst=seen.worst,
            worst_score=seen.worst_score,
            measured=sum(score is not None for score in scores),
            unmeasured=sum(score is None for score in scores),
            tables={table.table: table.score for table in seen.tables},
        )
    )
    for what, why in found.gaps.items():
        journal.write(Remarked(at_ns=time.monotonic_ns(), source="data", says=f"{what} was not compared: {why}"))
