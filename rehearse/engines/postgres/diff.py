"""What differs between two databases that nobody writes to for us: of one server or of two, both only read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Protocol

import psycopg
from psycopg import Connection

from rehearse.engines import _differences
from rehearse.engines.postgres import checksum, images, table_comparison
from rehearse.engines.postgres.mending import mend
from rehearse.engines.postgres.pairing import pair
from rehearse.engines.postgres.schema import begin, read_physical, read_schema
from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Comparison, Snapshot, TableComparison, TableState

Told = Callable[[str], None]


class Opens(Protocol):
    """A database of the user's."""

    def connect(self, **options: Any) -> Connection[Any]:
        """Return a connection in autocommit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is compared: schema, data or both; of the tables whose names fit a pattern, or of all."""

    schema: bool = True
    data: bool = True
    tables: Sequence[str] = ()
    examples: int = 3


def difference(first: Opens, second: Opens, asked: Asked, told: Told = lambda _: None) -> Comparison:
    """Return what differs between two databases, each read in one REPEATABLE READ transaction, side by side.

    Tables whose checksums agree are read once; of the others keys and hashes are streamed, and the texts of a few
    examples. Holds about 60 bytes a row, in slices of 2 million rows. `told` hears what is being read.
    """
    began = time.monotonic_ns()
    with first.connect() as old, second.connect() as new:
        begin(old)
        begin(new)
        sides = images.read(old), images.read(new)
        names = _chosen(*sides, asked.tables)
        told("schemas")
        before, after = (_snapshot(one, word, names, asked) for one, word in ((old, "first"), (new, "second")))
        tables = []
        for name in names if asked.data else ():
            told(name)
            tables.append(_Pair(old, new, sides[0].get(name), sides[1].get(name)).compared(name, asked.examples))
        old.execute("rollback")
        new.execute("rollback")
    return Comparison(
        before="first",
        after="second",
        took_ns=time.monotonic_ns() - began,
        schema=tuple(replace(one, mend=mend(one)) for one in _differences.schema(before, after, later=False)),
        physical=_differences.physical(before, after),
        tables=tuple(tables),
    )


def _chosen(mine: Iterable[str], theirs: Iterable[str], patterns: Sequence[str]) -> list[str]:
    known = sorted({*mine, *theirs})
    patterns = [one.removeprefix("public.") for one in patterns]
    for one in patterns:
        if not any(fnmatchcase(name, one) for name in known):
            raise ScenarioMistake(f"--tables {one}: neither database has such a table{near_miss(one, known)}")
    return [name for name in known if not patterns or any(fnmatchcase(name, one) for one in patterns)]


def _snapshot(connection: Connection[Any], name: str, tables: Sequence[str], asked: Asked) -> Snapshot:
    schema = read_schema(connection) if asked.schema else {}
    physical = read_physical(connection) if asked.schema else {}
    if asked.tables:
        schema, physical = _of_tables(schema, tables), _of_tables(physical, tables)
    return Snapshot(name=name, at_ns=time.monotonic_ns(), took_ns=0, schema=schema, physical=physical, tables={})


def _of_tables(objects: dict[str, dict[str, str]], tables: Sequence[str]) -> dict[str, dict[str, str]]:
    whole = {f"table {name}" for name in tables}
    return {name: one for name, one in objects.items() if name in whole or " ".join(name.split(" ")[:2]) in whole}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A table on both sides; None: it is not there."""

    old: Connection[Any]
    new: Connection[Any]
    first: images.Table | None
    second: images.Table | None

    def compared(self, name: str, examples: int) -> TableComparison:
        try:
            with self.old.transaction(), self.new.transaction():
                return self._compared(name, examples)
        except psycopg.errors.InsufficientPrivilege as refused:
            says = refused.diag.message_primary or str(refused)
            return TableComparison(
                table=name,
                rows_before=None,
                rows_after=None,
                rows_missing=None,
                rows_unexpected=None,
                unmeasured=(says,),
            )

    def _compared(self, name: str, examples: int) -> TableComparison:
        with ThreadPoolExecutor(2) as both:  # the servers read side by side
            before, after = both.map(_state, (self.old, self.new), (self.first, self.second))
        if self.first is None or self.second is None or before is None or after is None:
            return table_comparison.alone(name, before, after, None)
        pairing = pair(self.first, self.second)
        work = table_comparison.Work(
            old=self.old, new=self.new, pairing=pairing, before=before, after=after, limit=max(1, examples)
        )
        found = work.compare(None)
        return found if examples else replace(found, columns=tuple(replace(one, examples=()) for one in found.columns))


def _state(connection: Connection[Any], table: images.Table | None) -> TableState | None:
    if table is None:
        return None
    connection.execute("set local max_parallel_workers_per_gather = 2")
    return checksum.state(connection, table)
