"""The states of a rehearsed database: a snapshot of each, copies to compare with, and what differs between two."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas

from rehearse.events import CallEnded, History, Journal, RowWritten
from rehearse.model import Comparison, Snapshot
from rehearse.protocols import Comparable, Database, Forkable
from rehearse.rehearsal.phase import staged
from rehearse.rehearsal.progress import Progress


@dataclass(slots=True)
class States:
    """What was seen so far of the states "start", "forward", "back" and "again"; each is looked at in quiet."""

    journal: Journal
    progress: Progress
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    copies: dict[str, Database] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    written: pandas.DataFrame = field(default_factory=pandas.DataFrame)  # rows, as the last comparison knew them

    def look(self, database: Database, name: str) -> None:
        """Take a snapshot; reads every row."""
        with staged(f"snapshot {name}", self.journal, self.progress):
            self.snapshots[name] = database.snapshot(name)

    def keep(self, database: Database, name: str) -> None:
        """Keep the database's bytes as they are now, to compare with later; nobody is connected to it."""
        if isinstance(database, Forkable):
            with staged(f"keep {name}", self.journal, self.progress):
                self.copies[name] = database.fork(name)

    def compare(self, database: Database, before: str, after: str, writes: pandas.DataFrame) -> None:
        """Take the snapshot `after` and compare it with the copy of `before`, knowing the traffic's writes since."""
        self.look(database, after)
        copy, older = self.copies.get(before), self.snapshots[before]
        if copy is None or not isinstance(database, Comparable):
            return
        with staged(f"compare {before} and {after}", self.journal, self.progress):
            self.written = writes[writes["at_ns"] > older.at_ns]
            newer, origin = self.snapshots[after], self.snapshots["start"]
            known = next((one for one in self.comparisons if one.before == before), None)
            self.comparisons.append(database.compare(copy, older, newer, self.written, origin=origin, known=known))


def written(facts: History) -> pandas.DataFrame:
    """Return the rows written with the name of the call that wrote each, for the words of a finding."""
    calls = facts.frame(CallEnded)[["number", "call"]]
    return facts.frame(RowWritten).merge(calls, on="number", how="left")
