"""A pair run on a real server as a rehearsal runs it, but for the traffic: writes are made one by one, in quiet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.events import CallEnded, Outcome, PhaseRan, RowWritten
from rehearse.model import MigrationChoice, Recording
from rehearse.protocols import Migration, MigrationFailed, Role
from rehearse.recording.journal import ListingJournal
from rehearse.registry import tool
from rehearse.rehearsal.progress import Silent
from rehearse.rehearsal.states import States, written
from rehearse.testing import recordings
from tests.rollback.pair import Pair


def recording(server: PostgresServer, pair: Pair, name: str) -> Recording:
    """Return what a rehearsal of the pair records: its states, comparisons, phases, statements and writes."""
    journal = ListingJournal()
    states = States(journal, Silent())
    plain = recordings.scenario()
    choice = MigrationChoice(
        schema=f"{pair.base}\n", forward=f"{pair.up}\n", back=f"{pair.down}\n", transaction=pair.transaction
    )
    scenario = replace(plain, migration=choice)
    database = server.create(name)
    try:
        _run(database, pair, tool("sql").open(scenario), journal, states)
    finally:
        for one in (database, *states.copies.values()):
            one.drop()
    made = recordings.recorded(of=scenario, snapshots=states.snapshots, comparisons=states.comparisons)
    return replace(made, history=journal.close())


def _run(database: PostgresDatabase, pair: Pair, migration: Migration, journal: ListingJournal, states: States) -> None:
    url = database.url(Role.MIGRATION)
    migration.prepare(url)
    database.grant()
    states.look(database, "start")
    states.keep(database, "start")
    failed = _phase("forward", journal, lambda: migration.forward(url, journal))
    assert not failed, failed
    _write(database, pair, journal)
    states.compare(database, "start", "forward", written(journal.close()))
    states.keep(database, "forward")
    failed = _phase("back", journal, lambda: migration.back(url, journal))
    assert not failed, failed
    states.compare(database, "start", "back", written(journal.close()))
    _phase("again", journal, lambda: migration.forward(url, journal))
    states.compare(database, "forward", "again", written(journal.close()))


def _phase(name: str, journal: ListingJournal, act: Callable[[], None]) -> str | None:
    began, error = time.monotonic_ns(), None
    try:
        act()
    except MigrationFailed as failed:
        error = str(failed)
    ended = time.monotonic_ns()
    journal.write(PhaseRan(at_ns=began, name=name, acted_ns=began, finished_ns=ended, ended_ns=ended, error=error))
    return error


def _write(database: PostgresDatabase, pair: Pair, journal: ListingJournal) -> None:
    with database.connect(Role.APPLICATION) as connection:
        for number, one in enumerate(pair.writes, start=1):
            sent = time.monotonic_ns()
            assert connection.execute(one.sql.encode()).rowcount == 1, one.sql
            done, (key, values) = time.monotonic_ns(), one.texts
            journal.write(
                RowWritten(
                    at_ns=sent,
                    done_ns=done,
                    number=number,
                    outcome=Outcome.OK,
                    table=one.table,
                    kind=one.kind,
                    key=key,
                    values=values,
                )
            )
            journal.write(
                CallEnded(
                    at_ns=sent, call=one.kind, session=1, sent_ns=sent, done_ns=done, outcome=Outcome.OK, number=number
                )
            )
