"""A corpus of migrations forth and back: of each pair exactly what is lost is found, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from rehearse.checks.fidelity import again_is_the_same, data_restored, schema_restored
from rehearse.engines.postgres.server import PostgresServer
from rehearse.events import PhaseRan
from rehearse.judging import judge
from rehearse.measures import fidelity
from rehearse.measures.irreversible import Irreversible, irreversible
from rehearse.model import Recording, Status
from tests.engines.comparing import named
from tests.rollback import columns, contents, faithful, kinds, objects, parts, rights, twice
from tests.rollback.pair import UNTOLD, Pair
from tests.rollback.rehearsed import recording

LOSSY = (*columns.PAIRS, *parts.PAIRS, *objects.PAIRS, *rights.PAIRS, *contents.PAIRS, *kinds.PAIRS, *twice.PAIRS)
PAIRS = (*LOSSY, *faithful.PAIRS)
_numbers = itertools.count(1)

pytestmark = pytest.mark.slow


def test_every_pair_has_a_name_of_its_own() -> None:
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_what_is_lost_is_found_and_nothing_else(server: PostgresServer, pair: Pair) -> None:
    made = recording(server, pair, f"pair{next(_numbers)}")
    found, expected = seen(made), told(pair)
    assert {key: value for key, value in found.items() if value != expected[key]} == {
        key: value for key, value in expected.items() if value != found[key]
    }
    again = error(made, "again")
    assert (again is None) if pair.fails_again is None else (pair.fails_again in str(again))
    assert (fidelity.rollback(made).fidelity == 1.0) == is_faithful(pair)
    assert failed(made) == {code for code, is_broken in broken(pair).items() if is_broken}
    steps = irreversible(made)
    assert steps is not None
    assert {place(one) for one in steps} == set(lost(made))
    assert {by(pair, one) for one in steps} == (pair.by if steps else set())


def seen(made: Recording) -> dict[str, Any]:
    found = fidelity.rollback(made)
    return {
        "schema": named(found.schema or ()),
        "data": set(found.data or ()),
        "physical": named(found.physical or ()),
        "lost writes": fidelity.integrity(made).lost_writes,
        "again": named(found.again or ()),
        "again, data": set(found.again_data or ()),
    }


def told(pair: Pair) -> dict[str, Any]:
    return {
        "schema": pair.schema,
        "data": pair.data,
        "physical": pair.physical,
        "lost writes": pair.lost_writes,
        "again": pair.again,
        "again, data": pair.again_data,
    }


def is_faithful(pair: Pair) -> bool:
    return not (pair.schema or pair.data or pair.again or pair.fails_again)


def failed(made: Recording) -> set[str]:
    answers = judge(made, checks=(schema_restored, data_restored, again_is_the_same)).answers
    return {one.rule.code for one in answers if one.status is Status.FAILED}


def broken(pair: Pair) -> dict[str, bool]:
    alone = {f"table {one.table}" for one in pair.data if one.column is None and not one.rows_lost}
    left = {one for one in pair.data if f"table {one.table}" in alone & {name for name, _ in pair.schema}}
    return {
        "F001": bool(pair.schema),
        "F002": bool(set(pair.data) - left),  # a table left over is the schema's, with all its rows
        "F003": bool(pair.again or pair.again_data),
    }


def lost(made: Recording) -> Iterator[tuple[str | None, str | None]]:
    """Yield the places of what did not come back, from the comparison itself."""
    back = made.comparison("start", "back")
    assert back is not None
    tables = {f"table {one.table}" for one in back.tables if one.rows_after is None and one.rows_before}
    columns = {f"table {one.table} column {name}" for one in back.tables for name, n in one.values_gone.items() if n}
    for one in back.schema:
        if one.before is not None and not (one.property == "exists" and one.object in tables | columns):
            yield one.object, one.property
    for table in back.tables:
        if table.rows_missing or (table.rows_before and table.rows_after is None):
            yield table.table, None
        yield from ((table.table, name) for name, count in table.values_gone.items() if count)
        yield from ((table.table, one.column) for one in table.columns if one.values_changed != one.values_filled)


def place(one: Irreversible) -> tuple[str | None, str | None]:
    return (one.table, one.column) if one.object is None else (one.object, one.property)


def by(pair: Pair, one: Irreversible) -> str:
    """Return the statement as the pair counts them: without the BEGIN before the first."""
    if one.statement is None:
        assert one.reason
        return UNTOLD
    return f"{one.phase} {one.statement.n - (pair.transaction == 'file')}"


def error(made: Recording, phase: str) -> str | None:
    return next((one.error for one in made.history.of(PhaseRan) if one.name == phase), None)
