"""Whether recordings are of the same data, and in what else they differ that a comparison of them must tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rehearse.events import TableLoaded
from rehearse.model import Recording, Scenario

_MACHINE = ("cpu", "cores", "memory_bytes", "system", "engine_version", "rehearse")
_TRAFFIC = ("rate", "sessions", "calls", "skew", "arrivals", "curve", "mix")


def other_data(recordings: Sequence[Recording]) -> Iterator[str]:
    """Say in what the data of recordings differ: engine, seed, tables, rows, and checksums of them at the start."""
    first = recordings[0]
    for one in recordings[1:]:
        name = one.scenario.name
        for key, mine, theirs in (
            ("engine", first.scenario.engine.name, one.scenario.engine.name),
            ("seed", first.scenario.seed, one.scenario.seed),
        ):
            if mine != theirs:
                yield f"{key} is {theirs} in {name} and {mine} in {first.scenario.name}"
        yield from _other_rows(first, one)


def _other_rows(first: Recording, one: Recording) -> Iterator[str]:
    mine, theirs = (_rows(each) for each in (first, one))
    for table in sorted(mine.keys() | theirs.keys()):
        if mine.get(table) != theirs.get(table):
            there, here = (_counted(each.get(table)) for each in (theirs, mine))
            yield f"{table} has {there} in {one.scenario.name} and {here} in {first.scenario.name}"
        elif not _is_like(first, one, table):
            yield f"{table} has other values in {one.scenario.name} than in {first.scenario.name}"


def _rows(recording: Recording) -> dict[str, int]:
    return {one.table: one.rows for one in recording.history.of(TableLoaded)}


def _counted(rows: int | None) -> str:
    return "no rows: it is not there" if rows is None else f"{rows:,} rows"


def _is_like(first: Recording, one: Recording, table: str) -> bool:
    """Say whether nothing speaks against it that a table holds the same rows in both."""
    states = [each.snapshots["start"].tables.get(table) for each in (first, one) if "start" in each.snapshots]
    known = [state for state in states if state is not None and state.checksum is not None]
    return len(known) < 2 or known[0].is_like(known[1])


def other_circumstances(recordings: Sequence[Recording]) -> Iterator[str]:
    """Say in what machines, servers, traffic and budgets of recordings differ."""
    for place in _MACHINE:
        values = {getattr(one.environment, place): one.scenario.name for one in recordings}
        if len(values) > 1:
            said = ", ".join(f"{value} ({name})" for value, name in values.items())
            yield f"the recordings were made elsewhere: {place.replace('_', ' ')} is {said}"
    settings = {tuple(sorted(one.environment.settings.items())) for one in recordings}
    if len(settings) > 1:
        shared = frozenset.intersection(*map(frozenset, settings))
        names = sorted({name for one in settings for name, _ in frozenset(one) - shared})
        yield f"the servers had other settings: {', '.join(names)}"
    yield from other_words([one.scenario for one in recordings])


def other_words(scenarios: Sequence[Scenario]) -> Iterator[str]:
    """Say in what traffic and budget scenarios differ that are compared."""
    first = scenarios[0]
    for key in _TRAFFIC:
        if any(getattr(one.workload, key) != getattr(first.workload, key) for one in scenarios):
            yield f"the traffic is not the same: workload.{key}"
    if any(one.budget != first.budget for one in scenarios):
        yield "each is judged by its own budget, and they differ"
