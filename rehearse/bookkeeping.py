"""The tables in which migration tools write down what they have run: their rows are the tool's, not the users'.

A table is taken for a tool's by its name and by the columns that the tool gives it, and only in a rehearsal of such a
tool: `tool = "alembic"`, or `tool = "command"`, which may run any. `migration.options.bookkeeping` names others.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from rehearse.model import Comparison, MigrationChoice, PropertyDifference, Recording, Snapshot

Tables = Mapping[str, frozenset[str]]  # the columns by which a table of this name is known


def _tables(**columns: str) -> Tables:
    return {name: frozenset(words.split()) for name, words in columns.items()}


# By tool, as their newest releases make them. A name without a schema is found in any.
TOOLS: Mapping[str, Tables] = {
    "Alembic": _tables(alembic_version="version_num"),
    "Atlas": _tables(atlas_schema_revisions="version description type applied total executed_at hash"),
    "dbmate": _tables(schema_migrations="version"),
    "diesel": _tables(__diesel_schema_migrations="version run_on"),
    "Django": _tables(
        django_migrations="app name applied",
        django_content_type="app_label model",  # both are filled after each `migrate`
        auth_permission="content_type_id codename",
    ),
    "Doctrine": _tables(doctrine_migration_versions="version executed_at execution_time"),
    "Drizzle": _tables(__drizzle_migrations="hash created_at"),
    "Ecto": _tables(schema_migrations="version inserted_at"),
    "EF Core": _tables(__EFMigrationsHistory="MigrationId ProductVersion"),
    "Flyway": _tables(flyway_schema_history="installed_rank version script checksum installed_on success"),
    "golang-migrate": _tables(schema_migrations="version dirty"),
    "goose": _tables(goose_db_version="version_id is_applied tstamp"),
    "knex": _tables(knex_migrations="name batch migration_time", knex_migrations_lock="is_locked"),
    "Laravel": _tables(migrations="migration batch"),
    "Liquibase": _tables(
        databasechangelog="id author filename dateexecuted orderexecuted md5sum",
        databasechangeloglock="id locked lockgranted lockedby",
    ),
    "node-pg-migrate": _tables(pgmigrations="name run_on"),
    "Phinx": _tables(phinxlog="version migration_name start_time end_time"),
    "Prisma": _tables(_prisma_migrations="checksum finished_at migration_name applied_steps_count"),
    "Rails": _tables(schema_migrations="version", ar_internal_metadata="key value"),
    "refinery": _tables(refinery_schema_history="version name applied_on checksum"),
    "Sequelize": _tables(SequelizeMeta="name", SequelizeData="name"),
    "Sqitch": {
        "sqitch.changes": frozenset({"change_id", "change", "project"}),
        "sqitch.dependencies": frozenset({"change_id", "dependency"}),
        "sqitch.events": frozenset({"event", "change_id", "change"}),
        "sqitch.projects": frozenset({"project", "creator_name"}),
        "sqitch.releases": frozenset({"version", "installed_at"}),
        "sqitch.tags": frozenset({"tag_id", "tag", "change_id"}),
    },
    "sql-migrate": _tables(gorp_migrations="id applied_at"),
    "sqlx": _tables(_sqlx_migrations="version description installed_on success checksum"),
    "tern": _tables(schema_version="version"),
    "TypeORM": _tables(migrations="timestamp name", typeorm_metadata="type database schema table name value"),
    "yoyo": _tables(
        _yoyo_migration="migration_hash migration_id applied_at_utc",
        _yoyo_log="id migration_hash operation username",
        _yoyo_version="version installed_at_utc",
        yoyo_lock="locked ctime pid",
    ),
}


def is_known(table: str, columns: Iterable[str], *, tools: Iterable[str] = TOOLS) -> bool:
    """Say whether a table is one of these tools', by its name and its columns."""
    there = set(columns)
    _, _, name = table.rpartition(".")
    return any(
        wanted <= there
        for tool in tools
        for known, wanted in TOOLS[tool].items()
        if known == (table if "." in known else name)
    )


def is_named(table: str, *, tools: Iterable[str] = TOOLS) -> bool:
    """Say whether a table has the name of one of these tools' own, where its columns are not known."""
    names = {name for tool in tools for name in TOOLS[tool]}
    return table in names or table.rpartition(".")[2] in names


def tables(recording: Recording) -> frozenset[str]:
    """Return the tables of a rehearsal that are its migration tool's own."""
    return tables_in(recording.scenario.migration, recording.snapshots.values())


def tables_in(choice: MigrationChoice, states: Iterable[Snapshot]) -> frozenset[str]:
    """Return the tables of a database's states that are a migration tool's own."""
    found = (table for state in states for table in state.tables.values())
    return frozenset(one.table for one in found if _is_of(choice, one.table, one.columns))


def _is_of(choice: MigrationChoice, table: str, columns: Iterable[str]) -> bool:
    if table in named(choice):
        return True
    if choice.tool == "alembic":  # its env.py may give the table another name
        return set(columns) == TOOLS["Alembic"]["alembic_version"]
    return choice.tool == "command" and is_known(table, columns)


def named(choice: MigrationChoice) -> tuple[str, ...]:
    """Return the tables that the scenario itself calls the tool's: migration.options.bookkeeping."""
    value = choice.options.get("bookkeeping", ())
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def without(comparison: Comparison, own: Container[str]) -> Comparison:
    """Return a comparison without the tool's own tables: neither their rows nor their schema."""
    return replace(
        comparison,
        schema=tuple(_others(comparison.schema, own)),
        physical=tuple(_others(comparison.physical, own)),
        tables=tuple(one for one in comparison.tables if one.table not in own),
    )


def _others(differences: Iterable[PropertyDifference], own: Container[str]) -> Iterator[PropertyDifference]:
    return (one for one in differences if not _is_part(one.object, own))


def _is_part(name: str, own: Container[str]) -> bool:
    """Say whether an object is one of these tables, a part of one, or the sequence that numbers one's rows."""
    kind, _, rest = name.partition(" ")
    first = rest.partition(" ")[0]
    if kind == "table":
        return first in own
    return kind == "sequence" and first.removesuffix("_seq").rpartition("_")[0] in own
