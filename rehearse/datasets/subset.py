"""Which rows of a database make a smaller one: with which each table starts, and where one goes on from them.

Parents always come along, so that no foreign key is broken. Children come along with the rows that were asked for, and
with their children, never with a parent that came along: nearly all rows would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.profiles.structure import ForeignKey, Structure

SMALL_ROWS = 10_000  # a table that no foreign key leads to comes whole up to so many
LOOKUP_ROWS = 1_000  # and a table without parents, with children: what it holds are codes rather than customers

Expression = tuple[tuple[str, ...], tuple[str, ...]]  # columns, and the types that they are compared as


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user said."""

    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by table; all of a table's must hold
    shares: Mapping[str, float] = field(default_factory=dict)  # 0 to 1, by table
    share: float | None = None  # of the tables with which one can start where none is named
    children: frozenset[str] | None = None  # tables that may follow their parents; None: all


@dataclass(frozen=True, slots=True)
class First:
    """The rows that a table starts with: those of which all conditions hold and whose key's hash is in the share."""

    conditions: tuple[str, ...] = ()
    share: float = 1.0
    why: str = "whole"


@dataclass(frozen=True, slots=True)
class Edge:
    """A foreign key between tables: where its columns stand among those that are read of the two tables."""

    child: str
    at_child: int
    parent: str
    at_parent: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read of each table, and in which order."""

    firsts: Mapping[str, First]
    edges: tuple[Edge, ...]
    followed: frozenset[Edge]  # down, to the children of chosen rows
    groups: tuple[tuple[str, ...], ...]  # tables that point at each other are one; parents come first
    columns: Mapping[str, tuple[Expression, ...]]

    def in_cycle(self, table: str) -> bool:
        """Say whether a row of the table may lead to another of the same."""
        group = next(group for group in self.groups if table in group)
        return any(edge.child in group and edge.parent in group for edge in self.edges)


def plan(structure: Structure, asked: Asked, rows: Mapping[str, int], is_small: Callable[[str, int], bool]) -> Plan:
    """Decide with which rows each table starts, and which foreign keys are followed down from them.

    `rows` are estimates, by which that root is taken that has most rows below it; `is_small` says for certain whether a
    table has no more than so many. Raises ScenarioMistake for a name that is not there, and where nothing says how
    much of a table is wanted.
    """
    _refuse_unknown(structure, asked)
    edges, columns = _edges(structure)
    graph = _graph(structure, edges)
    groups = graph.groups()
    named = {*asked.where, *asked.shares}
    firsts = {name: _named(asked, name) for name in sorted(named)}
    followed: set[Edge] = set()
    undecided: list[str] = []
    for part in graph.parts():
        if part & named:
            followed |= {edge for edge in edges if edge.child in part and _may_follow(asked, edge.child)}
        elif _comes_whole(graph, part, asked, is_small):
            firsts |= {name: First() for name in part}
        elif asked.share is None:
            undecided += sorted(part)
        else:
            inside = [one for one in groups if part.issuperset(one)]
            found = _Spread(graph, inside, asked, rows=rows, is_small=is_small)
            firsts |= found.firsts()
            followed |= found.followed()
    if undecided:
        raise ScenarioMistake(_which_share(undecided, named))
    return Plan(firsts, edges, frozenset(followed), groups, columns)


def _refuse_unknown(structure: Structure, asked: Asked) -> None:
    for option, names in (("--where", asked.where), ("--share", asked.shares), ("--children", asked.children or ())):
        for name in names:
            if name not in structure.tables:
                raise ScenarioMistake(f"{option} {name}: there is no such table{near_miss(name, structure.tables)}")


def _named(asked: Asked, table: str) -> First:
    conditions, share = asked.where.get(table, ()), asked.shares.get(table)
    words = ["condition"] * bool(conditions) + ([f"share {share:.4g}"] if share is not None else [])
    return First(conditions, 1.0 if share is None else share, " and ".join(words))


def _may_follow(asked: Asked, table: str) -> bool:
    return asked.children is None or table in asked.children


def _comes_whole(graph: _Graph, part: frozenset[str], asked: Asked, is_small: Callable[[str, int], bool]) -> bool:
    """Say whether tables that nothing named leads to are all small; with a share for all, a table that stands alone."""
    return (len(part) == 1 or asked.share is None) and all(is_small(name, SMALL_ROWS) for name in sorted(part))


def _which_share(tables: Sequence[str], named: set[str]) -> str:
    there = f" from {', '.join(sorted(named))}" if named else ""
    return (
        f"{', '.join(tables)}: no foreign key leads there{there}, and more than {SMALL_ROWS:,} rows are not taken "
        f"whole unasked; add --share 5% for all such tables, or --share {tables[0]}=5% for one (100%: whole, 0%: empty)"
    )


def _edges(structure: Structure) -> tuple[tuple[Edge, ...], dict[str, tuple[Expression, ...]]]:
    """Return the foreign keys, and the columns of each table that they need: each of them once."""
    columns: dict[str, list[Expression]] = {name: [] for name in structure.tables}
    found = [
        Edge(name, _place(columns[name], key.columns, types), key.parent, _place(columns[key.parent], theirs, types))
        for name in sorted(structure.tables)
        for key in structure.tables[name].foreign_keys
        for types, theirs in [(_types(structure, key), key.parent_columns)]
    ]
    return tuple(dict.fromkeys(found)), {name: tuple(ones) for name, ones in columns.items()}


def _types(structure: Structure, key: ForeignKey) -> tuple[str, ...]:
    parent = structure.tables[key.parent]
    return tuple(parent.columns[name].type.declared for name in key.parent_columns)


def _place(known: list[Expression], names: tuple[str, ...], types: tuple[str, ...]) -> int:
    if (names, types) not in known:
        known.append((names, types))
    return known.index((names, types))


@dataclass(frozen=True, slots=True)
class _Graph:
    """Tables and the foreign keys between them."""

    edges: tuple[Edge, ...]
    parents: Mapping[str, list[str]]
    children: Mapping[str, list[str]]

    def below(self, tables: Sequence[str]) -> set[str]:
        """Return the tables from which some of these can be reached, these among them."""
        found, coming = set(tables), list(tables)
        while coming:
            new = set(self.children[coming.pop()]) - found
            found |= new
            coming += sorted(new)
        return found

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Return the strongly connected components, parents first: Kosaraju's two walks, without recursion."""
        ended: list[str] = []
        seen: set[str] = set()
        for table in self.parents:
            ended += _walk(table, self.children.__getitem__, seen)
        seen.clear()
        found = [tuple(sorted(_walk(table, self.parents.__getitem__, seen))) for table in reversed(ended)]
        return tuple(one for one in found if one)

    def parts(self) -> list[frozenset[str]]:
        """Return the tables that hang together, whichever way the foreign keys point."""
        seen: set[str] = set()
        found = [
            frozenset(_walk(table, lambda one: [*self.parents[one], *self.children[one]], seen))
            for table in self.parents
        ]
        return [one for one in found if one]


def _graph(structure: Structure, edges: tuple[Edge, ...]) -> _Graph:
    parents: dict[str, set[str]] = {name: set() for name in sorted(structure.tables)}
    children: dict[str, set[str]] = {name: set() for name in sorted(structure.tables)}
    for edge in edges:
        parents[edge.child].add(edge.parent)
        children[edge.parent].add(edge.child)
    return _Graph(
        edges,
        {name: sorted(ones) for name, ones in parents.items()},
        {name: sorted(ones) for name, ones in children.items()},
    )


def _walk(start: str, neighbours: Callable[[str], list[str]], seen: set[str]) -> list[str]:
    """Return what is reached from a table and was not seen, in the order in which the walk is done with it."""
    if start in seen:
        return []
    seen.add(start)
    done: list[str] = []
    path = [(start, iter(neighbours(start)))]
    while path:
        following = next((one for one in path[-1][1] if one not in seen), None)
        if following is None:
            done.append(path.pop()[0])
        else:
            seen.add(following)
            path.append((following, iter(neighbours(following))))
    return done


class _Spread:
    """A share of tables that hang together.

    A table follows the chosen rows of one root only, that with most rows below it: following all, 5% of the customers
    and 5% of the products would come, by way of orders, to half of the customers. For the same reason a share is not
    followed within the root: the head of a company has everybody below it.
    """

    def __init__(
        self,
        graph: _Graph,
        groups: Sequence[tuple[str, ...]],
        asked: Asked,
        *,
        rows: Mapping[str, int],
        is_small: Callable[[str, int], bool],
    ) -> None:
        self._graph, self._asked, self._rows = graph, asked, rows
        self._lookups: set[str] = set()
        roots: list[tuple[str, ...]] = []
        for group in groups:  # parents first
            above = {parent for name in group for parent in graph.parents[name]} - {*group}
            if not above <= self._lookups:
                continue
            if all(is_small(name, LOOKUP_ROWS) for name in group):
                self._lookups |= {*group}
            else:
                roots.append(group)
        self._roots = sorted(roots, key=self._weight)
        self._follows = self._claims()

    def firsts(self) -> dict[str, First]:
        """Return the tables that start with rows; of tables that point at each other, the one with most rows."""
        largest = [min(group, key=lambda one: (-self._rows.get(one, 0), one)) for group in self._roots]
        whole = {name: First() for name in sorted(self._lookups)}
        share = self._asked.share
        assert share is not None
        return whole | {name: First(share=share, why=f"share {share:.4g}") for name in largest}

    def followed(self) -> set[Edge]:
        return {
            edge
            for edge in self._graph.edges
            if edge.child in self._follows
            and not any(edge.child in group for group in self._roots)
            and self._follows[edge.child] == self._follows.get(edge.parent)
        }

    def _weight(self, group: tuple[str, ...]) -> tuple[int, int, str]:
        below = self._graph.below(group)
        return -sum(self._rows.get(name, 0) for name in below), -len(below), group[0]

    def _claims(self) -> dict[str, int]:
        """Return the root that each table follows, by its place."""
        found = {name: place for place, group in enumerate(self._roots) for name in group}
        for place, group in enumerate(self._roots):
            coming = list(group)
            while coming:
                for child in self._graph.children[coming.pop()]:
                    if child not in found and child not in self._lookups and _may_follow(self._asked, child):
                        found[child] = place
                        coming.append(child)
        return found
