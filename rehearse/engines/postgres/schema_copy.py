"""A source's schema made in an empty database, without what would lead from the copy to another server.

Foreign servers, the passwords beside them, foreign tables, subscriptions and all that is made of these stay out: who
reads the copy would read production through them, and who writes to it would write there.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import conninfo, sql

from rehearse.engines import _local
from rehearse.engines.postgres import binaries, given
from rehearse.engines.postgres.copying import LOCK_TIMEOUT
from rehearse.engines.postgres.schema_texts import Look, entries, looks, may_tell
from rehearse.errors import Missing, ScenarioMistake, ServerFailed

if TYPE_CHECKING:
    from rehearse.engines.postgres.copying import Source
    from rehearse.engines.postgres.roles import Connection

_META = re.compile(r"^\\(?:un)?restrict .*$", re.MULTILINE)
# pg_dump's words for what leads elsewhere, and for statistics, which hold values of rows.
_ELSEWHERE = frozenset(
    {"SERVER", "USER MAPPING", "FOREIGN TABLE", "FOREIGN DATA WRAPPER", "SUBSCRIPTION", "SUBSCRIPTION TABLE",
     "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "STATISTICS DATA"}
)  # fmt: skip
_UNTOLD = frozenset({"STATISTICS DATA", "COMMENT", "INDEX", "USER MAPPING", "ACL", "TABLE ATTACH"})
_KINDS = (
    "USER MAPPING|FOREIGN TABLE|FOREIGN DATA WRAPPER|SUBSCRIPTION TABLE|PUBLICATION TABLES IN SCHEMA|PUBLICATION TABLE|"
    "STATISTICS DATA|TABLE ATTACH|INDEX ATTACH|MATERIALIZED VIEW|FK CONSTRAINT|[A-Z]+"
)
_ENTRY = re.compile(rf"(?P<id>\d+); \d+ \d+ (?P<kind>{_KINDS}) (?P<schema>\S+) (?P<name>.*)")
_NEEDS = re.compile(r";\s*depends on: (?P<ids>[\d ]+)")
_FULL_VIEWS = """
    SELECT n.nspname, c.relname
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND c.relispopulated
"""
# What a view holds that was made without its rows, in the order in which one may build on another; and whether it
# reads what may lie on another server: foreign tables, dblink, functions that name either or may do anything.
_EMPTY_VIEWS = """
    WITH RECURSIVE elsewhere AS (
        SELECT 'pg_class'::regclass::oid AS class, oid FROM pg_class WHERE relkind = 'f'
        UNION
        SELECT 'pg_proc'::regclass::oid, p.oid
        FROM pg_proc p
        JOIN pg_language l ON l.oid = p.prolang
        WHERE p.prosrc ~* 'dblink' OR NOT (l.lanpltrusted OR l.lanname IN ('internal', 'c'))
           OR EXISTS (SELECT FROM pg_class f WHERE f.relkind = 'f' AND position(f.relname IN p.prosrc) > 0)
        UNION
        SELECT 'pg_class'::regclass::oid, r.ev_class
        FROM elsewhere e
        JOIN pg_depend d ON d.refclassid = e.class AND d.refobjid = e.oid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite r ON r.oid = d.objid
    )
    SELECT n.nspname, c.relname, c.oid IN (SELECT oid FROM elsewhere WHERE class = 'pg_class'::regclass)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND NOT c.relispopulated
    ORDER BY c.oid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A source's schema as SQL. `left_out` names what stays out, with its kind; `looks` are texts that may tell."""

    sql: str
    left_out: tuple[str, ...]
    comments_left_out: int
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class _Thing:
    """An entry of an archive's table of contents, and the numbers of what it needs."""

    number: int
    kind: str
    name: str
    line: str
    needs: frozenset[int]


def schema_of(source: Source, known: Iterable[str] = ()) -> Schema:
    """Return the schema of a source; texts that fit a pattern of `known` are no reason to look.

    Raises ScenarioMistake where a table that holds rows here is made of something on another server.
    """
    with source.connect() as connection:
        major = connection.info.server_version // 10_000
    archive = _archive(source, major)
    restore = binaries.program("pg_restore", None, at_least=major)
    things = list(_things(_restored(restore, ["--list", "--verbose"], archive).decode()))
    elsewhere = _elsewhere(things)
    _refuse_tables(things, elsewhere)
    parts = list(entries(_META.sub("", _text(restore, archive, [one for one in things if one not in elsewhere]))))
    comments = [one for one in parts if one.kind == "COMMENT" and may_tell(one.sql)]
    kept = [one for one in parts if one not in comments]
    return Schema(
        sql="".join(one.sql for one in kept),
        left_out=tuple(_called(one) for one in things if one in elsewhere and one.kind not in _UNTOLD),
        comments_left_out=sum(not one.name.startswith("EXTENSION ") for one in comments),
        looks=tuple(look for one in kept if one.kind for look in looks(one, known)),
    )


def make(schema: Schema, into: str, where: str) -> None:
    """Make the schema in an empty database."""
    with given.connect(into, where) as connection:
        try:
            connection.execute(schema.sql.encode())
        except psycopg.Error as error:
            raise ServerFailed(
                f"{where}: the source's schema cannot be made there: {str(error).strip()}; make the tables yourself, "
                "empty, and what they need (extensions, roles), and run again"
            ) from None


def refill_views(source: Source, into: str, where: str) -> list[str]:
    """Fill the materialized views that hold rows at the source; return those that stay empty, and why.

    None is filled that may read from another server: that would bring its rows, as they are, into the copy.
    """
    with source.connect() as connection:
        full = set(connection.execute(_FULL_VIEWS).fetchall())
    with given.connect(into, where) as connection:
        empty = [one for one in connection.execute(_EMPTY_VIEWS).fetchall() if one[:2] in full]
        return list(_refilled(connection, empty))


def _refilled(connection: Connection, views: Sequence[tuple[str, str, bool]]) -> Iterator[str]:
    for schema, name, leads_elsewhere in views:
        if leads_elsewhere:
            yield f"{schema}.{name}: it may read from another server"
            continue
        try:
            connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(schema, name)))
        except psycopg.Error as error:
            yield f"{schema}.{name}: {error.diag.message_primary or str(error).strip()}"


def _archive(source: Source, major: int) -> bytes:
    """Return the schema as pg_dump archives it; the password goes by the environment, which other users cannot read."""
    words = given.words(source.url, "URL")
    password = words.pop("password", None)
    program = binaries.program("pg_dump", None, at_least=major)
    command: list[Any] = [
        program, "--format=custom", "--schema-only", "--encoding=UTF8", "--no-publications", "--no-subscriptions",
        f"--lock-wait-timeout={LOCK_TIMEOUT}", f"--snapshot={source.snapshot}",
        f"--dbname={conninfo.make_conninfo(**words)}",
    ]  # fmt: skip
    environment = _local.environment() | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise Missing(f"URL: pg_dump cannot read the schema: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _restored(program: Path, options: Sequence[str], archive: bytes) -> bytes:
    done = subprocess.run(
        [program, *options], input=archive, env=_local.environment(), capture_output=True, check=False
    )
    if done.returncode:
        raise Missing(f"URL: pg_restore cannot read the schema: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _text(program: Path, archive: bytes, things: Iterable[_Thing]) -> str:
    """Return the SQL that makes some things of an archive."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".list") as listed:
        listed.write("".join(f"{one.line}\n" for one in things))
        listed.flush()
        options = ["--file=-", "--no-owner", "--no-privileges", "--no-tablespaces", f"--use-list={listed.name}"]
        return _restored(program, options, archive).decode()


def _things(listing: str) -> Iterator[_Thing]:
    """Yield the entries of an archive from what `pg_restore --list --verbose` says."""
    lines = listing.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if found := _ENTRY.fullmatch(line):
            needs = _NEEDS.fullmatch(following.rstrip())
            numbers = frozenset(map(int, needs["ids"].split())) if needs else frozenset[int]()
            schema = "" if found["schema"] in ("-", "public") else f"{found['schema']}."
            yield _Thing(int(found["id"]), found["kind"], f"{schema}{_without_owner(found)}", line, numbers)


def _without_owner(found: re.Match[str]) -> str:
    return found["name"].rpartition(" ")[0] or found["name"]


def _elsewhere(things: Iterable[_Thing]) -> frozenset[_Thing]:
    """Return what leads to another server, and what is made of it to any depth."""
    by_number: Mapping[int, _Thing] = {one.number: one for one in things}
    out = {number for number, one in by_number.items() if one.kind in _ELSEWHERE}
    while more := {number for number, one in by_number.items() if number not in out and one.needs & out}:
        out |= more
    return frozenset(by_number[number] for number in out)


def _refuse_tables(things: Iterable[_Thing], elsewhere: frozenset[_Thing]) -> None:
    for one in things:
        if one in elsewhere and one.kind in ("TABLE", "TABLE ATTACH"):
            why = "it is part of a partitioned table" if one.kind == "TABLE ATTACH" else "it is made of such a thing"
            raise ScenarioMistake(
                f"{one.name}: {why}, and lies on another server, which a copy must not reach; make the tables in "
                "--into yourself, with a plain table in its place, and run again"
            )


def _called(thing: _Thing) -> str:
    return f"{thing.kind.lower()} {thing.name}"
