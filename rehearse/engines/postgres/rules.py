"""Infers, after the way forward, which rules the new columns follow: on a sample, then asked of all rows in one scan.

Only new columns are looked at, and those of another type whose values changed. Reads only; what takes longer than its
time limit is told as seen in the sample alone. A rule is said of the row's other columns as they are now, else of a
row of the table that its foreign key names, else of what the row held at the start.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import Connection, sql

from rehearse.engines import _writes
from rehearse.engines._rule_terms import Term
from rehearse.engines._rules import Rule, infer, is_copy
from rehearse.engines.postgres import images, rule_proof, rule_terms
from rehearse.engines.postgres.pairing import Pairing, pair
from rehearse.engines.postgres.rule_proof import Place, Proof, States
from rehearse.engines.postgres.rule_rows import Sampled, Source, kind, matched, plain, quoted, sampled
from rehearse.engines.postgres.schema import Connects, begin
from rehearse.events import Event, Remarked, RuleInferred
from rehearse.model import Comparison, TableComparison
from rehearse.protocols import Role

if TYPE_CHECKING:
    import pandas

_COLUMNS = 40  # of a table
_TERMS = 400  # of a table, asked of the server in one query
_PARENTS = 4
_LOOKED_S = 20.0  # for all tables together
_TIMEOUT = "5s"  # for one query

# Foreign keys of one column each: the table's schema and name, its column, the table that is named, and its column.
_FOREIGN = """
select n.nspname, c.relname, a.attname, pn.nspname, p.relname, pa.attname
from pg_constraint k
join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
join pg_class p on p.oid = k.confrelid join pg_namespace pn on pn.oid = p.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
join pg_attribute pa on pa.attrelid = p.oid and pa.attnum = k.confkey[1]
where k.contype = 'f' and cardinality(k.conkey) = 1 and k.conparentid = 0
order by 1, 2, k.conname
"""


def inferred(
    newer: Connects,
    older: Connects,
    comparison: Comparison,
    writes: pandas.DataFrame,
    *,
    without: Collection[tuple[str, str]] = (),
) -> list[Event]:
    """Return the rules that the new columns of `newer` follow; `without` are (table, column)s that need none.

    What the server refuses to answer is a remark.
    """
    if not any(map(_may_differ, comparison.tables)):
        return []
    with older.connect(Role.OWNER) as old, newer.connect(Role.OWNER) as new:
        for connection in (old, new):
            begin(connection)
        zone = str(_one(new, "show timezone"))
        for connection in (old, new):
            connection.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(_TIMEOUT)))
            connection.execute("set local timezone = 'UTC'")
            connection.execute("set local max_parallel_workers_per_gather = 2")
            connection.execute("set local standard_conforming_strings = on")
        try:
            look = _Look(old=old, new=new, zone=zone, comparison=comparison, written=_writes.by_table(writes))
            return list(look.rules(frozenset(without)))
        finally:
            old.execute("rollback")
            new.execute("rollback")


def _one(connection: Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None, "one row"
    return row[0]


@dataclass(slots=True, kw_only=True)
class _Look:
    """Both states of a database, and what was asked of them so far."""

    old: Connection[Any]
    new: Connection[Any]
    zone: str
    comparison: Comparison
    written: Mapping[str, pandas.DataFrame]
    olds: dict[str, images.Table] = field(default_factory=dict)
    news: dict[str, images.Table] = field(default_factory=dict)
    parents: dict[str, list[_Parent]] = field(default_factory=dict)

    def rules(self, without: frozenset[tuple[str, str]]) -> Iterator[Event]:
        """Yield the rules, table by table, until the time is over."""
        until = time.monotonic() + _LOOKED_S
        self.olds, self.news = images.read(self.old), images.read(self.new)
        self.parents = _parents(self.new, self.news)
        for one in filter(_may_differ, self.comparison.tables):
            columns = [column for column in self._wanted(one) if (one.table, column.name) not in without]
            try:
                with self.new.transaction(), self.old.transaction():
                    found = list(self._of_table(one, columns)) if columns and time.monotonic() < until else []
            except psycopg.Error as refused:
                says = f"which rules the new columns of {one.table} follow could not be asked: {refused}"
                found = [Remarked(at_ns=time.monotonic_ns(), source="rules", says=says)]
            yield from found

    def _wanted(self, one: TableComparison) -> Iterator[images.Column]:
        """Yield a table's new columns, and those of another type whose values changed; of a new table, all but keys."""
        table, old = self.news[one.table], self.olds.get(one.table)
        changed = {column.column for column in one.columns}
        keys = {*table.key, *(parent.column for parent in self.parents.get(one.table, ()))}
        for name, column in table.columns.items():
            is_new = name not in old.columns if old else name not in keys
            is_retyped = old is not None and name in changed and old.columns[name].type != column.type
            if (is_new or is_retyped) and not column.is_generated and kind(column) is not None:
                yield column

    def _of_table(self, one: TableComparison, columns: list[images.Column]) -> Iterator[Event]:
        table, old = self.news[one.table], self.olds.get(one.table)
        sample = sampled(self.new, table, one.rows_after or 0)
        aims = sample.terms([Source.of(column) for column in columns[:_COLUMNS]])
        open_ = {column.name: (column, aim) for column, aim in zip(columns, aims, strict=False)}
        known = [name for name in table.columns if old and name in old.columns and name not in open_]
        own = [Source.of(table.columns[name]) for name in known]
        for place in (own, self._of_parents(one.table)):
            for rule in self._present(table, sample, open_, place, may_be_constant=old is not None and place is own):
                del open_[rule.column]
                yield rule
        if old is not None and open_:
            yield from self._before(pair(old, table), sample, open_)

    def _of_parents(self, name: str) -> list[Source]:
        """Return the columns, there since the start, of the rows that a table's foreign keys name."""
        found = []
        for parent in [*self.parents.get(name, ())[:_PARENTS], *self._twin(name)]:
            known = self.olds.get(parent.table.name)
            columns = (one for one in parent.table.columns.values() if known and _is_kept(one, known))
            found += [parent.source(self.news[name], one) for one in columns if one.name != parent.key]
        return found

    def _twin(self, name: str) -> list[_Parent]:
        """Return, of a new table, the old one with its key and the most of its columns: it may be a copy of that."""
        table = self.news[name]
        if name in self.olds or len(table.key) != 1:
            return []
        key = table.columns[table.key[0]]
        alike = [
            (len(table.columns.keys() & one.columns.keys()), other)
            for other, one in self.news.items()
            if other in self.olds and one.key == table.key and one.columns[key.name].type == key.type
        ]
        shared, other = max(alike, default=(0, ""))
        return [_Parent(key.name, self.news[other], key.name)] if shared > 1 else []

    def _present(
        self,
        table: images.Table,
        sample: Sampled,
        open_: Mapping[str, tuple[images.Column, Term]],
        sources: list[Source],
        *,
        may_be_constant: bool,
    ) -> Iterator[RuleInferred]:
        """Yield rules of the row's columns as they are now."""
        guessed = [
            (column, [rule for rule in rules if may_be_constant or not rule.is_constant])
            for column, rules in self._guessed(sample, open_, sources)
        ]
        for column, proof in rule_proof.present(Place(self.new, table), guessed, sample, self.written.get(table.name)):
            yield _told(table.name, column.name, proof, of_before=False)

    def _before(
        self, pairing: Pairing, sample: Sampled, open_: Mapping[str, tuple[images.Column, Term]]
    ) -> Iterator[RuleInferred]:
        """Yield rules of what the row held at the start, in columns that are gone or of another type."""
        table, old = pairing.newer, pairing.older
        gone = [Source.of(one) for one in old.columns.values() if not _is_kept(one, table)]
        if not gone or not pairing.key:
            return
        twins, states = matched(self.old, pairing, sample), States(old=self.old, new=self.new, pairing=pairing)
        for column, rules in self._guessed(twins, open_, gone):
            usable = [rule for rule in rules if not rule.is_constant]
            proof = rule_proof.before(states, column, usable, sample, self.written.get(table.name))
            if proof is not None:
                yield _told(table.name, column.name, proof, of_before=True)

    def _guessed(
        self, sample: Sampled, open_: Mapping[str, tuple[images.Column, Term]], sources: list[Source]
    ) -> Iterator[tuple[images.Column, list[Rule]]]:
        """Yield the rules that the sampled rows follow; what the sources themselves do not give, their terms may."""
        if not open_:
            return
        raw = sample.terms(sources[: 2 * _COLUMNS])
        wanted = {
            name: list(dict.fromkeys(one for term in raw for one in rule_terms.proposals(aim, term, self.zone)))
            for name, (_, aim) in open_.items()
            if not any(is_copy(aim, term) for term in raw)
        }
        asked = list(dict.fromkeys(one for some in wanted.values() for one in some))[:_TERMS]
        answered = dict(zip(asked, sample.terms([Source(*one) for one in asked]), strict=True)) if asked else {}
        for name, (column, aim) in list(open_.items()):
            more = [answered[one] for one in wanted.get(name, ()) if one in answered]
            rules = infer(aim, column.type, [*raw, *more])
            if rules:
                yield column, rules


def _may_differ(one: TableComparison) -> bool:
    return bool(one.rows_after) and bool(one.columns_new or one.columns or one.rows_before is None)


def _is_kept(column: images.Column, old: images.Table) -> bool:
    """Say whether another state of the table has the column, of the same type."""
    return column.name in old.columns and old.columns[column.name].type == column.type


@dataclass(frozen=True, slots=True)
class _Parent:
    """A table that a foreign key names: the naming table's column, and the key that it names."""

    column: str
    table: images.Table
    key: str

    def source(self, child: images.Table, column: images.Column) -> Source:
        """Return the expression of a column of the row that is named."""
        alias = "p" if child.relation != "p" else "parent"
        said = (
            f"(SELECT {alias}.{quoted(column.name)} FROM {plain(self.table)} {alias} "
            f"WHERE {alias}.{quoted(self.key)} = {quoted(child.relation)}.{quoted(self.column)})"
        )
        of = Source.of(column)
        return Source(said, of.kind, 2, is_whole=of.is_whole)


def _parents(connection: Connection[Any], tables: Mapping[str, images.Table]) -> dict[str, list[_Parent]]:
    by_place = {(table.schema, table.relation): table for table in tables.values()}
    found: dict[str, list[_Parent]] = {}
    for *child, column, schema, relation, key in connection.execute(_FOREIGN):
        parent, named = by_place.get((schema, relation)), by_place.get((child[0], child[1]))
        if parent is not None and named is not None:
            found.setdefault(named.name, []).append(_Parent(column, parent, key))
    return found


def _told(table: str, column: str, proof: Proof, *, of_before: bool) -> RuleInferred:
    return RuleInferred(
        at_ns=time.monotonic_ns(),
        table=table,
        column=column,
        rule=proof.rule.sql,
        of_before=of_before,
        sampled=proof.sampled,
        rows=proof.rows,
        broken=proof.broken,
        by_calls=proof.by_calls,
        examples=proof.examples,
        others=proof.others,
    )
