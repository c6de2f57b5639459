"""Backfills that production can bear: one UPDATE or INSERT … SELECT in batches by key, resumable, verified at the end.

    from rehearse.backfill import Backfill, run

    result = run("postgresql://me@db/shop", Backfill(
        statement="UPDATE customers SET full_name = first_name || ' ' || last_name WHERE full_name IS NULL"))
    assert result.is_right

A run that was killed goes on where it was: its state is written in the transaction of each batch.
"""

from __future__ import annotations

import threading

from rehearse.backfill.connections import Connections
from rehearse.backfill.outlook import Outlook, outlook
from rehearse.backfill.plan import Plan, planned
from rehearse.backfill.progress import Standing
from rehearse.backfill.running import Result, Running, only
from rehearse.backfill.state import Table
from rehearse.backfill.task import Backfill, Ceiling, update
from rehearse.units import NS_PER_MS

__all__ = ["Backfill", "Ceiling", "Outlook", "Plan", "Result", "Standing", "connections", "look", "run", "update"]


def connections(url: str, task: Backfill) -> Connections:
    """Return what opens sessions with the task's limits; nothing is connected yet."""
    return Connections(url, task.lock_timeout_ns // NS_PER_MS, task.statement_timeout_ns // NS_PER_MS)


def look(url: str, task: Backfill, *, restart: bool = False) -> Outlook:
    """Say what a backfill would do, and from where; writes nothing."""
    opened = connections(url, task)
    with opened.open() as session:
        return outlook(session, planned(session, opened.dialect(session), task), restart=restart)


def run(
    url: str,
    task: Backfill,
    *,
    restart: bool = False,
    keep_state: bool = False,
    stop: threading.Event | None = None,
    standing: Standing | None = None,
    through: Connections | None = None,
) -> Result:
    """Run a backfill to its end, or until `stop` is set: then it ends after the batch under way.

    `restart` forgets where a run before it was; `standing` is counted on, and can be read from another thread. Raises
    Mistake for what cannot be run so, ServerFailed where the server refuses it for good.
    """
    opened = through or connections(url, task)
    with opened.open() as session:
        plan = planned(session, opened.dialect(session), task)
        with only(session, plan, plan.name):
            running = Running(plan, opened.open, Table(plan), stop or threading.Event(), standing or Standing())
            return running.run(session, restart=restart, keep_state=keep_state)
