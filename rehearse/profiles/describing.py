"""From what a server knows to a profile that may leave the house: each column's statistics become a shape.

Literal values pass the gate or stay behind: what a column's values look like is told by lengths, patterns, quantiles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from rehearse.profiles import fanouts, figures, texts
from rehearse.profiles.defaults import default_shape, listed, vocabulary_of
from rehearse.profiles.joining import joined
from rehearse.profiles.learning import Joined
from rehearse.profiles.personal import Personal, by_name
from rehearse.profiles.privacy import Gate, coarse, moment, rounded, rounded_micros, years
from rehearse.profiles.profile import Facts, Profile, QueryMix, Source, Table
from rehearse.profiles.queries import told
from rehearse.profiles.shapes import (
    Bool,
    Choice,
    Default,
    Histogram,
    Items,
    Json,
    Moment,
    Parent,
    Random,
    Serial,
    Shape,
    Text,
    Word,
)
from rehearse.profiles.statistics import ColumnStatistics, PairStatistics, Statistics, TableStatistics
from rehearse.profiles.structure import Column, ForeignKey, Structure
from rehearse.profiles.structure import Table as TableStructure

_MOST_COMMON = 30
_FEW = 200  # so few different numbers are told one by one, as far as they may be
_LEAST_SHARE = 0.002  # of a number that is worth its own mention beside a histogram
Tier = Literal["catalogs", "aggregates", "sample"]
_REFERENCE = re.compile(r"(?:^|_)(?:id|uid|no|nr|number|key|code)$", re.IGNORECASE)
_WITH_PLACE = 0.9  # correlation of a reference with the rows' places, from which the children are counted
_BY_CHANCE = 0.15  # correlation below which that of a reference to a short list is none
_LIST_DIGITS, _LIST_LETTERS = 6, 3  # of a key in such a list that may be told
_LOOKUP_ROWS = 1000  # a table that others point at and that is as small is a list, and does not grow
_BOOLS = {"t": "true", "f": "false"}
_IN_ORDER = 0.5  # correlation of a key with the rows' places, above which it is taken for counted up
_INDEX_BYTES = 1 << 16  # of an index that is described by itself
_STALE = 0.1  # of the rows written since they were last looked at
_OF_TYPE: Mapping[str, tuple[Personal, ...]] = {
    **dict.fromkeys(("date", "timestamp"), ("birth date",)),
    **dict.fromkeys(("integer", "numeric", "float"), ("phone", "card", "national id", "location", "ip", "birth date")),
}
_WORDS: Mapping[Personal, Word] = {
    "email": "email",
    "phone": "phone",
    "name": "full name",
    "address": "street",
    "user name": "user name",
    "url": "url",
    "free text": "paragraph",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that a reader of the profile should know of a table, or of its column."""

    where: str
    says: str
    kind: str = "note"  # "look": a reviewer should; "unseen": what the server did not show


@dataclass(slots=True)
class _Describing:
    """The tables of one database, on their way to a profile."""

    structure: Structure
    statistics: Statistics
    gate: Gate
    learned: Mapping[str, Joined] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    def tables(self) -> dict[str, Table]:
        return {name: self._table(self.structure.tables[name], seen) for name, seen in self._seen()}

    def _seen(self) -> Iterator[tuple[str, TableStatistics]]:
        for name in sorted(self.structure.tables):
            if name in self.statistics.tables:
                yield name, self.statistics.tables[name]

    def _table(self, table: TableStructure, seen: TableStatistics) -> Table:
        self._ages(table.name, seen)
        rows = round(seen.rows)
        columns = {name: shape for name in table.columns if (shape := self._column(table, name, seen)) is not None}
        pages = max(1, seen.pages)
        made = Table(
            rows=rows,
            fixed=0 < rows <= _LOOKUP_ROWS and self._is_pointed_at(table.name),
            dead=round((seen.dead or 0) / rows, 3) if rows else 0.0,
            visible=round(min(1.0, seen.visible_pages / pages), 3) if seen.pages else 1.0,
            facts=self._facts(seen),
            columns=columns,
        )
        return joined(made, self.learned.get(table.name) or self._paired(table, seen.rows))

    def _paired(self, table: TableStructure, rows: float) -> Joined:
        """Return which columns go by which others, as the server's own statistics on two columns together tell."""
        given: dict[str, tuple[str, dict[str, dict[str, float]]]] = {}
        for pair in self.statistics.pairs:
            if pair.table != table.name or len(pair.columns) != 2 or set(pair.columns) & set(given):
                continue
            of, name = pair.columns
            if name in {other for other, _ in given.values()}:
                continue
            given[name] = of, _shares(pair, table, rows, self.gate.floor)
        return Joined(given=given)

    def _ages(self, name: str, seen: TableStatistics) -> None:
        if not seen.are_columns_seen:
            return  # why stands among what is unseen
        if seen.rows and seen.analyzed is None:
            self._say(name, "was never analyzed: its columns are described by their types alone; run ANALYZE", "unseen")
        elif seen.rows and not seen.columns:
            self._say(name, "the statistics of its columns are not shown to this role", "unseen")
        elif seen.changed and seen.rows and seen.changed > _STALE * seen.rows:
            share = seen.changed / seen.rows
            self._say(name, f"{share:.0%} of its rows were written since it was analyzed; run ANALYZE", "unseen")

    def _facts(self, seen: TableStatistics) -> Facts:
        since = self.statistics.counted_since
        seconds = (self.statistics.taken_at - since).total_seconds() if since else 0.0

        def rate(count: int | None) -> float | None:
            return round(count / seconds, 6) if count is not None and seconds > 0 else None

        return Facts(
            bytes=seen.size_bytes,
            index_bytes=seen.index_bytes,
            indexes={name: size for name, size in seen.indexes.items() if size >= _INDEX_BYTES},
            toast_bytes=seen.toast_bytes,
            partitions=seen.partitions,
            options=list(seen.options),
            inserts_per_s=rate(seen.inserted),
            updates_per_s=rate(seen.updated),
            deletes_per_s=rate(seen.deleted),
        )

    def _is_pointed_at(self, name: str) -> bool:
        return any(key.parent == name for table in self.structure.tables.values() for key in table.foreign_keys)

    def _say(self, where: str, says: str, kind: str = "note") -> None:
        self.remarks.append(Remark(where, says, kind))

    def _column(self, table: TableStructure, name: str, seen: TableStatistics) -> Shape | None:
        column, found = table.columns[name], seen.columns.get(name)
        if column.computed:
            return None
        key = next((key for key in self._references(table) if name in key.columns), None)
        if key is not None:
            return self._listed_parent(table, column, key, seen) or self._parent(table, column, key, seen)
        if found is None:
            return None
        listed_ids = self._ids(table.name) if table.primary_key == (name,) else []
        if listed_ids:
            return Choice(of=[*listed_ids], each=True, correlation=figures.score(found))
        shape = self._shape(table, column, found, seen.rows)
        if shape is None or not column.nullable:
            return shape
        return replace(shape, null=figures.rounded_share(found.null))

    def _references(self, table: TableStructure) -> Iterator[ForeignKey]:
        yield from table.foreign_keys
        yield from self.structure.undeclared(table)

    def _ids(self, name: str) -> list[str]:
        """Return the keys of a table that is a short list of others' words, where they may be told; else nothing.

        They are all there among the bounds of the histogram; what they stand for is in other columns.
        """
        table, seen = self.structure.tables.get(name), self.statistics.tables.get(name)
        if table is None or seen is None or not table.primary_key or len(table.primary_key) > 1:
            return []
        found, column = seen.columns.get(table.primary_key[0]), table.columns[table.primary_key[0]]
        if found is None or not 1 < len(found.bounds) == round(seen.rows) or not self._is_pointed_at(name):
            return []
        if any(key for key in table.foreign_keys if column.name in key.columns) or self._tells_of_people(table):
            return []
        if self.gate.is_public(table.name, column.name):
            return list(found.bounds)
        if self.gate.personal(table.name, column.name, found.bounds):
            return []
        # No row shares a key: what is told is short enough to be a number in a list, or a code as of a currency.
        few = all(
            len(one) <= (_LIST_DIGITS if column.type.kind == "integer" else _LIST_LETTERS) for one in found.bounds
        )
        codes = column.type.kind == "integer" or self.gate.codes([(one, 1.0) for one in found.bounds], 1e9, 1)
        return list(found.bounds) if few and codes else []

    def _tells_of_people(self, table: TableStructure) -> bool:
        """Say whether the rows of a short list may be persons, who are told by no key either."""
        kinds = ("email", "phone", "user name", "national id", "birth date", "iban", "card")
        return any(by_name(name) in kinds for name in table.columns if not self.gate.is_public(table.name, name))

    def _listed_parent(
        self, table: TableStructure, column: Column, key: ForeignKey, seen: TableStatistics
    ) -> Shape | None:
        """Return the shares of a short list's keys, where a column points at one and each is shared by enough rows."""
        found, ids = seen.columns.get(column.name), self._ids(key.parent)
        if found is None or not ids or len(key.columns) > 1 or found.bounds or not found.common:
            return None
        if any(column.name in one for one in table.keys) or key not in table.foreign_keys:
            return None
        filled, score = max(1e-9, 1.0 - found.null), figures.score(found)
        if abs(score) > _WITH_PLACE:  # the children lie in their parents' order, and are counted
            return None
        told = [(value, share) for value, share in found.common if share * seen.rows >= self.gate.floor]
        if {value for value, _ in told} - set(ids) or sum(share for _, share in told) < 0.9 * filled:
            return None
        return Choice(
            of={value: figures.rounded_share(share / filled) for value, share in told},
            correlation=score if abs(score) > _BY_CHANCE else 0.0,
            null=figures.rounded_share(found.null) if column.nullable else None,
        )

    def _parent(self, table: TableStructure, column: Column, key: ForeignKey, seen: TableStatistics) -> Shape | None:
        found, parent = seen.columns.get(column.name), self.statistics.tables.get(key.parent)
        counted = next(
            (one for one in self.statistics.fanouts if one.table == table.name and one.columns == key.columns), None
        )
        if found is None or parent is None or not seen.rows:
            return None
        groups = counted.groups if counted else fanouts.estimated_groups(found, seen.rows, parent.rows)
        null = figures.rounded_share(counted.null if counted else found.null)
        is_declared = key in table.foreign_keys
        orphans = (counted.orphans or 0) if counted else 0
        if orphans:
            where = f"{table.name}.{column.name}"
            self._say(where, f"{orphans} rows point at no row of {key.parent}: a foreign key would fail")
        return Parent(
            to=None if is_declared else f"{key.parent}.{key.parent_columns[0]}",
            groups=[*fanouts.binned(groups)],
            slices=fanouts.sliced(counted.parts) if counted and self._came_in_order(key.parent) else [],
            correlation=figures.score(found),
            orphans=figures.rounded_share(orphans / seen.rows),
            null=null if column.nullable else None,
        )

    def _came_in_order(self, name: str) -> bool:
        """Say whether a table's key was counted up as its rows came, so that its parts are those of the rows."""
        key = self.structure.tables[name].primary_key or ()
        if len(key) != 1 or name in self.learned:
            return len(key) == 1
        found = self.statistics.tables[name].columns.get(key[0])
        return found is not None and (found.correlation or 0.0) > _IN_ORDER

    def _shape(  # noqa: PLR0911 - one answer a type
        self, table: TableStructure, column: Column, found: ColumnStatistics, rows: float
    ) -> Shape | None:
        unique = (column.name,) in table.keys
        match column.type.kind:
            case "integer" | "numeric" | "float" if unique or column.numbered:
                return Serial(order="rows" if abs(found.correlation or 1.0) > _IN_ORDER else "random")
            case "integer" | "numeric" | "float":
                return self._numbers(table, column, found, rows)
            case "date" | "timestamp":
                return self._moments(table, column, found, rows)
            case "bool":
                return Bool(true=figures.rounded_share(figures.part(found, "t")))
            case "enum":
                return self._labels(column, found, list(column.type.labels))
            case "text":
                return self._text(table, column, found, rows)
            case "json":
                return self._json(table, column, found, rows)
            case "array":
                return self._array(table, column, found, rows)
            case "uuid" | "bytes" | "inet":
                return self._bits(column, found, rows, unique=unique)
            case _:
                default = default_shape(table, column)
                return None if isinstance(default, Default) else default

    def _numbers(self, table: TableStructure, column: Column, found: ColumnStatistics, rows: float) -> Shape:
        common = [(float(value), share) for value, share in found.common if figures.is_finite(value)]
        bounds = [float(one) for one in found.bounds if figures.is_finite(one)]
        if self._is_personal(table, column, [value for value, _ in found.common] + list(found.bounds)):
            return figures.magnitude([*bounds, *(value for value, _ in common)])
        is_public = self.gate.is_public(table.name, column.name)
        return self._histogram(column, found, rows, common, bounds, is_public=is_public)

    def _moments(self, table: TableStructure, column: Column, found: ColumnStatistics, rows: float) -> Shape:
        common = [(moment, share) for value, share in found.common if (moment := figures.micros(value)) is not None]
        bounds = [moment for one in found.bounds if (moment := figures.micros(one)) is not None]
        if self._is_personal(table, column, []):
            return figures.decades([*bounds, *(value for value, _ in common)])
        is_public = self.gate.is_public(table.name, column.name)
        return self._histogram(column, found, rows, common, bounds, is_public=is_public)

    def _histogram(
        self,
        column: Column,
        found: ColumnStatistics,
        rows: float,
        common: Sequence[tuple[float, float]],
        bounds: Sequence[float],
        *,
        is_public: bool,
    ) -> Shape:
        filled, moments = 1.0 - found.null, column.type.kind in ("date", "timestamp")
        if not (bounds or common) or filled <= 0:
            return figures.default_shape_of(column)
        told = [] if _is_reference(column) else self.gate.numbers(common, rows, moments=moments)
        least = max(_LEAST_SHARE, 2.0 / max(1.0, figures.value_count(found, rows)))
        few = not bounds or figures.value_count(found, rows) <= _FEW
        told = told[:_FEW] if few else [one for one in told if one[1] >= least][:_MOST_COMMON]
        withheld = [one for one in common if one not in told]
        rest = filled - sum(share for _, share in common)
        edges = figures.quantiles_of(bounds, rest if bounds else 0.0, withheld) or [value for value, _ in told]
        edges = edges if len(edges) > 1 else [min(edges), max(edges)]
        beside = max(1.0, rows * (filled - sum(share for _, share in told)))
        at, exact = figures.simplified(sorted(edges) if is_public else self.gate.thinned(sorted(edges), beside))
        kept = rounded_micros(exact) if moments else rounded(exact)
        if bounds and beside < self.gate.floor and not is_public:
            at, kept = [0.0, 1.0], years(exact) if moments else coarse(exact)
        return Histogram(
            bounds=[moment(one) for one in kept] if moments else [figures.number(one, column.type) for one in kept],
            at=None if figures.is_even(at) else [round(one, 4) for one in at],
            common={
                figures.word(value, moments=moments): figures.rounded_share(share / filled) for value, share in told
            },
            correlation=figures.score(found),
            **figures.kinds(found, rows, len(told)),
        )

    def _is_personal(self, table: TableStructure, column: Column, seen: Sequence[str]) -> Personal | None:
        kind = self.gate.personal(table.name, column.name, seen)
        if kind not in _OF_TYPE.get(column.type.kind, (kind,)):  # `last_login` is a moment and no login
            return None
        if kind:
            self._say(f"{table.name}.{column.name}", f"told by its shape alone: {kind}")
        return kind

    def _look(self, table: TableStructure, column: Column, literals: int) -> None:
        if literals:
            self._say(f"{table.name}.{column.name}", f"holds {literals} literal values", "look")

    def _labels(self, column: Column, found: ColumnStatistics, labels: Sequence[str]) -> Shape:
        shares = dict(found.common)
        known = {label: shares[label] for label in labels if label in shares}
        left = max(0.0, 1.0 - found.null - sum(known.values()))
        others = [label for label in labels if label not in known]
        if others and left > 1e-6:
            known |= dict.fromkeys(others, left / len(others))
        if not known:
            return Choice(of=list(labels))
        total = sum(known.values())
        return Choice(
            of={label: figures.rounded_share(share / total) for label, share in known.items()},
            correlation=figures.score(found),
        )

    def _text(self, table: TableStructure, column: Column, found: ColumnStatistics, rows: float) -> Shape | None:
        names = listed(table, column)
        if names and self._is_personal(table, column, [str(name) for name in names]):
            return None  # rows are made of the condition's own list, which stands in the schema
        if names:
            return self._labels(column, found, [str(name) for name in names])
        seen, filled = figures.weighted(found), max(1e-9, 1.0 - found.null)
        values = [value for value, _ in seen]
        kinds = figures.value_count(found, rows)
        unique = (column.name,) in table.keys or kinds >= 0.999 * rows * filled
        personal = self._is_personal(table, column, values)
        is_public = self.gate.is_public(table.name, column.name)
        if is_public and unique and len(set(values)) >= rows:  # a list of names, of which each is there once
            self._look(table, column, len(set(values)))
            return Choice(of=sorted(set(values)), each=True)
        if is_public or (personal is None and not unique and not found.bounds):
            codes = self.gate.codes(found.common, rows, kinds, is_public=is_public)
            if codes:
                self._look(table, column, len(codes))
                return figures.codes_with_others(codes, found, filled, kinds)
        word = _WORDS.get(personal, "word") if personal else vocabulary_of(column.name)
        seen_texts = texts.Seen(
            values=seen,
            common=[(value, share / filled) for value, share in found.common],
            spread={} if unique else figures.kinds(found, rows, 0),
            mean=figures.characters(found, column.type),
            rows=rows * filled,
            is_unique=(column.name,) in table.keys,
            floor=self.gate.floor,
            is_rising=unique and abs(found.correlation or 0.0) > 0.9,
        )
        return texts.shape(seen_texts, word, is_personal=personal is not None)

    def _json(self, table: TableStructure, column: Column, found: ColumnStatistics, rows: float) -> Shape:
        where = (table.name, column.name)
        shape = texts.json_shape(figures.weighted(found), rows * (1.0 - found.null), self.gate, where)
        if shape is None or not (shape.keys or shape.other):
            wide = max(2, round(found.width_bytes) - 12)
            return Json(keys={"text": Text(of="sentence", lengths=[wide // 2, wide, wide + wide // 2])})
        self._look(table, column, texts.literals(shape))
        return shape

    def _array(self, table: TableStructure, column: Column, found: ColumnStatistics, rows: float) -> Shape:
        inner = self._element(table, column, found, rows)
        sizes = texts.quantiles([float(one) for one in found.sizes], [1.0] * len(found.sizes)) if found.sizes else []
        return Items(of=inner, sizes=sizes) if sizes else Items(of=inner)

    def _element(self, table: TableStructure, column: Column, found: ColumnStatistics, rows: float) -> Shape:
        assert column.type.element is not None
        kind, values = column.type.element, [value for value, _ in found.items]
        if kind.kind == "enum":
            return Choice(of={value: figures.rounded_share(share) for value, share in found.items} or list(kind.labels))
        personal = self._is_personal(table, column, values)
        if kind.kind in ("text", "integer") and not personal and found.items:
            codes = self.gate.codes(found.items, rows, len(found.items))
            if codes:
                self._look(table, column, len(codes))
                return Choice(of={value: figures.rounded_share(share) for value, share in codes})
        return figures.default_shape_of(replace(column, type=kind, has_default=False))

    def _bits(self, column: Column, found: ColumnStatistics, rows: float, *, unique: bool) -> Shape:
        spread = {} if unique else figures.kinds(found, rows, 0)
        if column.type.kind != "bytes":
            return Random(**spread)
        sizes = [(len(value) - 2) // 2 for value, _ in figures.weighted(found)]
        width = max(1, round(found.width_bytes - 1))
        around = (min(sizes), max(sizes)) if sizes else (max(1, width // 2), width + width // 2)
        return Random(least=around[0], most=min(100_000, around[1]), **spread)


def _shares(pair: PairStatistics, table: TableStructure, rows: float, floor: int) -> dict[str, dict[str, float]]:
    """Return the shares of a column's values for each of another's, as far as enough rows share both."""
    words = [_BOOLS if table.columns[name].type.kind == "bool" else {} for name in pair.columns]
    found: dict[str, dict[str, float]] = {}
    for (first, second), share in pair.common:
        if first is not None and second is not None and share * rows >= floor:
            found.setdefault(words[0].get(first, first), {})[words[1].get(second, second)] = share
    return {
        value: {name: round(share / sum(row.values()), 4) for name, share in row.items()}
        for value, row in found.items()
    }


def _is_reference(column: Column) -> bool:
    """Say whether numbers are somebody's, as those of a key elsewhere are, rather than amounts."""
    return bool(_REFERENCE.search(column.name))


def describe(
    structure: Structure,
    statistics: Statistics,
    gate: Gate,
    *,
    name: str,
    schema: str | None = None,
    tier: Tier = "catalogs",
    learned: Mapping[str, Joined] | None = None,
) -> tuple[Profile, list[Remark]]:
    """Return the profile of a database, and what a reader of it should know."""
    work = _Describing(structure, statistics, gate, learned or {})
    tables = work.tables()
    source = Source(
        server=statistics.server,
        taken=statistics.taken_at.replace(tzinfo=None, microsecond=0),
        tier=tier,
        statements=len(statistics.asked),
        seconds=round(sum(one.took_s for one in statistics.asked), 3),
        rows_read=sum(one.rows_read for one in statistics.asked),
        floor=gate.floor,
        public=list(gate.public),
    )
    profile = Profile(
        name=name,
        schema=schema,
        now=_now(statistics, learned or {}),
        tables=tables,
        source=source,
        queries=_mix(statistics),
    )
    return profile, [*(Remark("", one, "unseen") for one in statistics.unseen), *work.remarks]


def _now(statistics: Statistics, learned: Mapping[str, Joined]) -> Moment:
    """Return where history ends: when the profile was taken, or at the last moment before that its sample has."""
    taken = statistics.taken_at.timestamp() * 1e6
    ends = [one.last_us for one in learned.values() if one.last_us is not None and one.last_us <= taken]
    return moment(rounded_micros([max(ends), max(ends) - 3650 * 86_400e6])[0]) if ends else statistics.taken_at.date()


def _mix(statistics: Statistics) -> list[QueryMix]:
    since = statistics.counted_since
    seconds = (statistics.taken_at - since).total_seconds() if since else 0.0
    return [
        QueryMix(
            sql=text,
            per_s=round(one.calls / seconds, 6) if seconds else None,
            mean_ms=round(one.mean_ms, 3),
            rows=round(one.rows / max(1, one.calls), 3),
        )
        for one in statistics.queries
        if (text := told(one.text)) is not None
    ]
