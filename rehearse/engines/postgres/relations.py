"""Which table a lock is on: relations by oid, and the table of which an index, sequence or partition is a part."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rehearse.engines.postgres.wire import Wire
from rehearse.model.names import told

# Plain reads of catalogs, by oid: they wait for no lock of a migration on the tables themselves. From version 12.
_RELATIONS = """
SELECT c.oid,
       n.nspname,
       c.relname,
       c.relkind,
       coalesce(i.indrelid, s.refobjid, nullif(pg_partition_root(coalesce(i.indrelid, c.oid))::oid, c.oid))
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_depend s ON c.relkind = 'S' AND s.classid = 'pg_class'::regclass AND s.objid = c.oid
                       AND s.refclassid = 'pg_class'::regclass AND s.deptype IN ('a', 'i')
 WHERE c.oid = ANY ($1::oid[])
"""
_TOAST = re.compile(r"pg_toast_(\d+)(_index)?")


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, and the part of it that is meant; None: the table itself."""

    table: str
    part: str | None = None


class Relations:
    """Names of relations, asked once each and remembered until `renew`."""

    def __init__(self) -> None:
        self._known: dict[int, Relation] = {}

    def learn(self, wire: Wire, oids: Iterable[int]) -> None:
        """Ask for the names of those that are not known yet.

        A relation that no other session can see yet (its transaction made it) stays unknown.
        """
        found: dict[int, tuple[str, int | None]] = {}
        missing = {oid for oid in oids if oid not in self._known}
        asked = set(missing)
        for _ in range(3):  # a TOAST table's index → its table → the partitioned table
            if missing:
                found |= _asked(wire, missing)
            missing = {owner for _, owner in found.values() if owner is not None} - found.keys()
        self._known |= {oid: relation for oid in asked if (relation := _relation(oid, found)) is not None}

    def get(self, oid: int) -> Relation | None:
        """Return the relation, or None where it is not visible to others."""
        return self._known.get(oid)

    def renew(self, wire: Wire, oids: Collection[int]) -> None:
        """Ask again for names that a transaction may have changed."""
        for oid in oids:
            self._known.pop(oid, None)
        self.learn(wire, oids)


def _asked(wire: Wire, oids: Iterable[int]) -> dict[int, tuple[str, int | None]]:
    rows = wire.rows(_RELATIONS, ["{" + ",".join(map(str, oids)) + "}"])
    return {int(oid or 0): (_name(schema, name), _owner(schema, name, owner)) for oid, schema, name, _, owner in rows}


def _name(schema: str | None, name: str | None) -> str:
    return told(str(schema), str(name))


def _owner(schema: str | None, name: str | None, owner: str | None) -> int | None:
    toast = _TOAST.fullmatch(name or "") if schema == "pg_toast" else None
    if toast:
        return int(toast[1])
    return None if owner is None else int(owner)


def _relation(oid: int, found: dict[int, tuple[str, int | None]]) -> Relation | None:
    if oid not in found:
        return None
    name, owner = found[oid]
    part = None if owner is None else name
    while owner is not None and owner in found:
        name, owner = found[owner]
    return Relation(name, part)
