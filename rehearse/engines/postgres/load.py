"""Fills tables: rows by COPY BINARY, then indexes, then the foreign keys' proof, sequences, statistics.

Nothing is dropped and made again, so that the schema is afterwards what it was before, to the last comment. Where we
are superuser, a table's indexes are marked "not ready" (as CREATE INDEX CONCURRENTLY does) while its rows come and are
built afterwards by REINDEX, which marks them ready; triggers sleep; and each foreign key is proved by the anti-join
that ALTER TABLE … VALIDATE CONSTRAINT runs. Elsewhere rows go in, parents first, under constraints and indexes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, runtime_checkable

import psycopg
from psycopg import sql

from rehearse.engines.postgres import trial, wear
from rehearse.engines.postgres.abreast import Abreast, ahead
from rehearse.engines.postgres.binary import HEADER, TRAILER, Encoder, can_send
from rehearse.engines.postgres.csv_rows import as_csv
from rehearse.engines.postgres.structure import Connects, structure
from rehearse.errors import RehearseError, ScenarioMistake, ServerFailed, near_miss
from rehearse.events import Journal, TableLoaded
from rehearse.model.names import split
from rehearse.profiles import Column, TableStructure
from rehearse.protocols import Sampled, TableData

if TYPE_CHECKING:
    import pyarrow

    from rehearse.engines.postgres.roles import Connection

__all__ = ["load", "structure"]

T = TypeVar("T")

# What a table consists of on disk: itself, or the partitions that hold its rows.
_PARTS = """
    SELECT c.oid, c.relkind = 'p'
    FROM pg_class c
    WHERE c.oid = %(table)s OR c.oid IN (SELECT relid FROM pg_partition_tree(%(table)s))
"""
_SLEEP_TRIGGERS = "UPDATE pg_class SET relhastriggers = false WHERE oid = %s AND relhastriggers RETURNING oid"
_WAKE_TRIGGERS = "UPDATE pg_class SET relhastriggers = true WHERE oid = %s"
_UNREADY = """
    UPDATE pg_index
    SET indisready = false, indisvalid = false
    WHERE indrelid = ANY(%s) AND indisready AND indisvalid AND indislive
      AND indexrelid IN (SELECT oid FROM pg_class WHERE relkind = 'i')
    RETURNING indexrelid::regclass::text
"""
_FOREIGN_KEYS = """
    SELECT conname, conrelid::regclass::text, confrelid::regclass::text,
           ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place),
           ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place)
    FROM pg_constraint
    WHERE contype = 'f' AND convalidated AND conparentid = 0 AND conrelid = ANY(%s)
"""
_CHECKED_AT_ONCE = """
    SELECT conrelid, confrelid, ARRAY(
        SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY(conkey) ORDER BY attnum
    )
    FROM pg_constraint
    WHERE contype = 'f' AND NOT condeferrable AND conparentid = 0 AND conrelid = ANY(%(tables)s)
      AND confrelid = ANY(%(tables)s)
"""
# Sequences that a table's columns own or draw their defaults from.
_SEQUENCES = """
    SELECT s.oid::regclass::text, a.attname
    FROM pg_depend d
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i') AND d.refobjid = %(table)s
    UNION
    SELECT s.oid::regclass::text, a.attname
    FROM pg_attrdef f
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
    JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE f.adrelid = %(table)s
"""
_VIEWS = """
    SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'm' AND c.relispopulated ORDER BY c.oid
"""
_SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
    FROM (SELECT %(table)s::oid AS relid UNION SELECT relid FROM pg_partition_tree(%(table)s)) parts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table to fill. `parts` are the relations that hold its rows."""

    rows: TableData
    known: TableStructure
    oid: int
    name: sql.Identifier
    parts: tuple[int, ...]
    partitioned: bool


@runtime_checkable
class AsText(Protocol):
    """A TableData whose columns are all texts, as the server writes and reads them; it may turn out to hold no row."""

    @property
    def is_text(self) -> Literal[True]:
        """Says so."""
        ...


def load(database: Connects, tables: Iterable[TableData], journal: Journal, *, streams: int | None = None) -> None:
    """Fill tables, parents first, in the fastest sound order; what stood in them before is replaced.

    Writes a TableLoaded for each. What the server refuses is a ServerFailed that names the table; the tables are then
    left empty, with every index whole. Conditions that sample rows break, and circles of foreign keys that cannot be
    filled, are a ScenarioMistake before anything is written.
    """
    work = Abreast(database, streams=streams)
    with work.connect() as connection:
        targets = targets_of(connection, database, list(tables))
        bare = connection.info.parameter_status("is_superuser") == "on"
        complaints = list(_refused_samples(work, connection, targets, bare=bare))
        complaints += [] if bare else _circles(connection, targets)
    if complaints:
        raise ScenarioMistake("\n".join(complaints))
    if bare:
        _fill_bare(work, targets)
    else:
        _fill_plainly(work, targets)
    work.each(lambda target: _settle(work, target, journal), targets)
    _refresh(work)
    work.each(lambda target: _report(work, target, journal), targets)


def targets_of(connection: Connection, database: Connects, tables: Sequence[TableData]) -> list[Target]:
    """Return the tables that are to be filled; raises a ScenarioMistake for one that is not there."""
    known = structure(database).tables
    for one in tables:
        if one.table not in known:
            raise ScenarioMistake(f"there is no table {one.table!r} to fill{near_miss(one.table, known)}")
    return [_target(connection, one, known[one.table]) for one in tables]


def _target(connection: Connection, rows: TableData, known: TableStructure) -> Target:
    schema, name = split(rows.table)
    identifier = sql.Identifier(schema or "public", name)
    found = connection.execute("SELECT %s::regclass::oid", [identifier.as_string(connection)]).fetchone()
    assert found is not None
    parts = connection.execute(_PARTS, {"table": found[0]}).fetchall()
    return Target(
        rows=rows,
        known=known,
        oid=found[0],
        name=identifier,
        parts=tuple(oid for oid, is_parent in parts if not is_parent),
        partitioned=any(is_parent for _, is_parent in parts),
    )


def _refused_samples(work: Abreast, connection: Connection, targets: Sequence[Target], *, bare: bool) -> Iterator[str]:
    """Yield what the server does not take of a few rows of each table."""
    for target in targets:
        rows = target.rows
        if not isinstance(rows, Sampled) or not rows.rows or (not bare and trial.changes_rows(connection, target.oid)):
            continue
        fill = partial(fill_trial, work, connection, target, rows.sample(trial.ROWS))
        told = trial.complaint(connection, target.known, target.oid, target.name, fill)
        if told:
            yield told


def fill_trial(work: Abreast, connection: Connection, target: Target, batch: pyarrow.RecordBatch) -> None:
    """Send some rows of a table into the temporary table for trials, which is there."""
    tried = replace(target, rows=trial.SampleRows(target.rows.table, batch), name=trial.TABLE)
    _fill(work, connection, tried, freeze=False)


def _circles(connection: Connection, targets: Sequence[Target]) -> list[str]:
    """Return a complaint for each foreign key whose parents come after their children, where it is checked at once."""
    order = {target.oid: (place, target.rows) for place, target in enumerate(targets)}
    found = connection.execute(_CHECKED_AT_ONCE, {"tables": list(order)}).fetchall()
    return [
        f"tables.{order[child][1].table}.columns.{' and '.join(columns)}: points at {order[parent][1].table}, which "
        "points back, so neither can be filled first; make the foreign key DEFERRABLE, or load as a superuser"
        for child, parent, columns in found
        if order[parent][0] > order[child][0] and order[parent][1].rows and order[child][1].rows
    ]


def _fill_plainly(work: Abreast, targets: Sequence[Target]) -> None:
    with work.connect() as connection, connection.transaction():
        connection.execute("SET CONSTRAINTS ALL DEFERRED")  # those that may be: tables that point at each other
        for target in reversed(targets):
            connection.execute(sql.SQL("DELETE FROM {}").format(target.name))
        for target in targets:
            with _refusals(target):
                _fill(work, connection, target, freeze=False)


def _fill_bare(work: Abreast, targets: Sequence[Target]) -> None:
    largest_first = sorted(targets, key=lambda target: -target.rows.rows)
    try:
        found = work.each(lambda target: _copy_bare(work, target), largest_first)
        work.each(lambda name: _reindex(work, name), [name for names in found for name in names])
        with work.connect() as connection:
            keys = connection.execute(_FOREIGN_KEYS, [[target.oid for target in targets]]).fetchall()
        work.each(lambda key: _prove(work, key), keys)
    except RehearseError:  # the server's, or a later row for which there are no values
        for target in targets:
            _emptied(work, target)
        raise


def _emptied(work: Abreast, target: Target) -> None:
    with work.connect() as connection:
        with connection.transaction():
            slept = _without_rows(connection, target)
            if slept:
                connection.execute(_WAKE_TRIGGERS, [target.oid])
        connection.execute(sql.SQL("REINDEX TABLE {}").format(target.name))


def _without_rows(connection: Connection, target: Target) -> bool:
    """Take all rows out, and say whether the table's triggers were put to sleep for it.

    TRUNCATE, which makes FREEZE possible, refuses a table that foreign keys point at; it looks at `relhastriggers`.
    """
    if target.partitioned:
        connection.execute(sql.SQL("DELETE FROM {}").format(target.name))
        return False
    slept = connection.execute(_SLEEP_TRIGGERS, [target.oid]).fetchone() is not None
    connection.execute(sql.SQL("TRUNCATE ONLY {}").format(target.name))
    return slept


def _copy_bare(work: Abreast, target: Target) -> list[str]:
    """Fill a table in one transaction, without its indexes and triggers; return the indexes to build."""
    with work.connect() as connection, _refusals(target), connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        slept = _without_rows(connection, target)
        indexes = [name for (name,) in connection.execute(_UNREADY, [list(target.parts)])]
        _fill(work, connection, target, freeze=not target.partitioned)
        if slept:
            connection.execute(_WAKE_TRIGGERS, [target.oid])
    return indexes


def _fill(work: Abreast, connection: Connection, target: Target, *, freeze: bool) -> None:
    """Send a table's rows; columns whose type has no binary form here go through a staging table as text."""
    if isinstance(target.rows, AsText):
        _fill_from_text(work, connection, target, freeze=freeze)
        return
    if not target.rows.rows:
        return
    chunks = iter(target.rows.chunks())
    first = next(chunks)
    columns = {name: target.known.columns[name] for name in first.schema.names}
    cast = [name for name, column in columns.items() if not can_send(column.type)]
    into = _staging(connection, columns) if cast else target.name
    encoder = Encoder(columns)
    names = sql.SQL(", ").join(map(sql.Identifier, encoder.names))
    options = sql.SQL("FORMAT binary, FREEZE" if freeze and not cast else "FORMAT binary")
    statement = sql.SQL("COPY {} ({}) FROM STDIN ({})").format(into, names, options)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(HEADER)
        for content in work.unless_stopped(ahead(encoder.rows(chunk) for chunk in _chain(first, chunks))):
            copy.write(content)
        copy.write(TRAILER)
    if cast:
        _unstage(connection, target, columns)


def _fill_from_text(work: Abreast, connection: Connection, target: Target, *, freeze: bool) -> None:
    chunks = iter(target.rows.chunks())
    first = next(chunks, None)
    if first is None:
        return
    names = sql.SQL(", ").join(map(sql.Identifier, first.schema.names))
    options = sql.SQL("FORMAT csv, FREEZE" if freeze else "FORMAT csv")
    statement = sql.SQL("COPY {} ({}) FROM STDIN ({})").format(target.name, names, options)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for content in work.unless_stopped(ahead(as_csv(chunk) for chunk in ahead(_chain(first, chunks)))):
            copy.write(content)


def _staging(connection: Connection, columns: dict[str, Column]) -> sql.Identifier:
    definitions = sql.SQL(", ").join(
        sql.SQL("{} {}").format(
            sql.Identifier(name), sql.SQL(column.type.declared if can_send(column.type) else "text")
        )
        for name, column in columns.items()
    )
    connection.execute(sql.SQL("CREATE TEMP TABLE rehearse_staging ({}) ON COMMIT DROP").format(definitions))
    return sql.Identifier("pg_temp", "rehearse_staging")


def _unstage(connection: Connection, target: Target, columns: dict[str, Column]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    values = sql.SQL(", ").join(
        sql.Identifier(name)
        if can_send(column.type)
        else sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(column.type.declared))
        for name, column in columns.items()
    )
    insert = "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM pg_temp.rehearse_staging"
    connection.execute(sql.SQL(insert).format(target.name, names, values))


def _reindex(work: Abreast, name: str) -> None:
    with work.connect() as connection:
        try:
            connection.execute(sql.SQL("REINDEX INDEX {}").format(sql.SQL(name)))
        except psycopg.Error as error:
            advice = ""
            if isinstance(error, psycopg.errors.ExclusionViolation):
                advice = (
                    f"; {error.diag.constraint_name} of {error.diag.table_name} excludes rows that overlap: "
                    "give one of its columns a shape of which no two values do, such as kind = 'serial', or fewer rows"
                )
            raise ServerFailed(f"index {name} does not hold for the generated rows: {_words(error)}{advice}") from error


def _prove(work: Abreast, key: tuple[str, str, str, list[str], list[str]]) -> None:
    """Raise a ServerFailed where a row points at no parent."""
    constraint, child, parent, columns, theirs = key
    pairs = [
        (sql.Identifier("c", mine), sql.Identifier("p", other)) for mine, other in zip(columns, theirs, strict=True)
    ]
    equal = sql.SQL(" AND ").join(sql.SQL("{} = {}").format(mine, other) for mine, other in pairs)
    given = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(mine) for mine, _ in pairs)
    query = "SELECT {} FROM ONLY_CHILD c LEFT JOIN ONLY_PARENT p ON {} WHERE p.{} IS NULL AND {} LIMIT 1"
    query = query.replace("ONLY_CHILD", child).replace("ONLY_PARENT", parent)
    wanted = sql.SQL(", ").join(mine for mine, _ in pairs)
    with work.connect() as connection:
        found = connection.execute(sql.SQL(query).format(wanted, equal, sql.Identifier(theirs[0]), given)).fetchone()
    if found:
        raise ServerFailed(
            f"{child}: {', '.join(columns)} = {', '.join(map(str, found))} is not in {parent} ({constraint}); "
            "give the column kind = 'parent' in the profile"
        )


def _settle(work: Abreast, target: Target, journal: Journal) -> None:
    """Set the table's sequences past its greatest numbers, and leave statistics and visibility as the rows tell."""
    with work.connect() as connection:
        wear.flush(connection)
        for sequence, column in connection.execute(_SEQUENCES, {"table": target.oid}).fetchall():
            greatest = sql.SQL("SELECT setval(%s, max({})) FROM {} HAVING max({}) > 0")
            name = sql.Identifier(column)
            connection.execute(greatest.format(name, target.name, name), [sequence])
        wear.vacuum(connection, target.name, target.parts, target.rows, journal)


def _refresh(work: Abreast) -> None:
    with work.connect() as connection:
        wear.flush(connection)
        for (view,) in connection.execute(_VIEWS).fetchall():
            connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.SQL(view)))
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.SQL(view)))


def _report(work: Abreast, target: Target, journal: Journal) -> None:
    with work.connect() as connection:
        found = connection.execute(_SIZE, {"table": target.oid}).fetchone()
    assert found is not None
    journal.write(
        TableLoaded(at_ns=time.monotonic_ns(), table=target.rows.table, rows=target.rows.rows, size_bytes=int(found[0]))
    )


class _refusals:  # noqa: N801 - reads as a statement
    """Turns what the server refuses into a ServerFailed that names table and column."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, psycopg.Error):
            column = f".{error.diag.column_name}" if error.diag.column_name else ""
            raise ServerFailed(
                f"{self.target.rows.table}{column}: the server refuses the generated rows: {_words(error)}; "
                "give the column a shape in the profile that the table's conditions allow"
            ) from error


def _words(error: psycopg.Error) -> str:
    diag = error.diag
    return " — ".join(part for part in (diag.message_primary or str(error), diag.message_detail) if part)


def _chain(first: T, rest: Iterator[T]) -> Iterator[T]:
    yield first
    yield from rest
