"""From nothing to a loaded database: schema, rows, rights, in the order that the source asks for."""

from __future__ import annotations

from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.events import Journal
from rehearse.model import Scenario
from rehearse.protocols import Database, LoadsFiles, Migration, MigrationFailed, Role
from rehearse.rehearsal.phase import staged
from rehearse.rehearsal.progress import Progress


def check_files(scenario: Scenario) -> None:
    """Raise a ScenarioMistake for a file of [data] that is not there, before anything starts."""
    named = [("load", name) for name in scenario.data.load or ()]
    named += [("dump", scenario.data.dump)] if scenario.data.dump else []
    for key, name in named:
        if not (scenario.folder / name).exists():
            raise ScenarioMistake(f"{scenario.file or scenario.name}: data.{key}: there is no file {name!r}")


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
    from rehearse import datasets  # noqa: PLC0415  numpy, pyarrow and the vocabularies, for generated rows only
    from rehearse.reading import profile as profiles  # noqa: PLC0415

    assert scenario.data.profile is not None
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
