"""A corpus of migrations forth and back: of each pair exactly what is lost is found, and nothing else."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rehearse.engines.postgres.server import PostgresServer
from rehearse.events import PhaseRan
from rehearse.measures import fidelity
from rehearse.model import Recording
from tests.engines.comparing import named
from tests.rollback import columns, contents, faithful, objects, parts, rights, twice
from tests.rollback.pair import Pair
from tests.rollback.rehearsed import recording

LOSSY = (*columns.PAIRS, *parts.PAIRS, *objects.PAIRS, *rights.PAIRS, *contents.PAIRS)
_numbers = itertools.count(1)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("pair", [*LOSSY, *faithful.PAIRS, *twice.PAIRS], ids=lambda pair: pair.name)
def test_what_is_lost_is_found_and_nothing_else(server: PostgresServer, pair: Pair) -> None:
    made = recording(server, pair, f"pair{next(_numbers)}")
    found, expected = seen(made), told(pair)
    again = error(made, "again")
    assert {key: value for key, value in found.items() if value != expected[key]} == {
        key: value for key, value in expected.items() if value != found[key]
    }
    assert (pair.fails_again is not None and pair.fails_again in str(again)) or pair.fails_again is again


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


def error(made: Recording, phase: str) -> str | None:
    return next((one.error for one in made.history.of(PhaseRan) if one.name == phase), None)
