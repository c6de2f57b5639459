"""Who waited for locks, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy
import pandas

from rehearse.events import CallEnded, E, LockWaited, PhaseRan
from rehearse.measures._remembered import remembered
from rehearse.model import Recording
from rehearse.units import NS_PER_MS


@remembered
def waits(recording: Recording, phase: str) -> list[LockWaited]:
    """Return the waits of a phase, their ends exact where a call of the session was answered just then."""
    return refined(_within(recording, phase, recording.history.of(LockWaited)), recording.history.frame(CallEnded))


def refined(found: Iterable[LockWaited], calls: pandas.DataFrame) -> list[LockWaited]:
    """Return the waits with the driver's time of the answer for an end, where it lies within the looks' doubt.

    A wait ends a moment before its call does, if the call is one statement; looks know the end only to their interval.
    """
    sent = calls[calls["sent_ns"].notna()].sort_values("done_ns")
    answers = {session: frame["done_ns"].to_numpy(numpy.int64) for session, frame in sent.groupby("session")}
    return [_refined(wait, answers.get(wait.session)) for wait in found]


def _refined(wait: LockWaited, answers: numpy.ndarray | None) -> LockWaited:
    if wait.role != "application" or answers is None:
        return wait
    half = wait.doubt_ns // 2 + 1
    place = int(numpy.searchsorted(answers, max(wait.at_ns, wait.ended_ns - half)))
    if place == len(answers) or answers[place] > wait.ended_ns + half:
        return wait
    return replace(wait, ended_ns=int(answers[place]), doubt_ns=min(wait.doubt_ns, NS_PER_MS))


def _phase(recording: Recording, name: str) -> PhaseRan | None:
    return next((one for one in recording.history.of(PhaseRan) if one.name == name), None)


def _within(recording: Recording, phase: str, events: Sequence[E]) -> list[E]:
    ran = _phase(recording, phase)
    return [] if ran is None else [one for one in events if ran.at_ns <= one.at_ns <= ran.ended_ns]
