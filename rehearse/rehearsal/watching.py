"""Runs probes in a thread of their own, each at its own interval, from `with` to the end of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread

from rehearse.events import Journal, Remarked
from rehearse.protocols import Probe


@contextmanager
def watching(probes: Sequence[Probe], journal: Journal) -> Iterator[None]:
    """Let the probes look until the block is left; what they still held is then written, and they are closed.

    Each probe has a thread: a slow look of one does not delay the others. A probe that breaks is out, and that is
    remarked as a weakness of what was measured.
    """
    stop = Flag()
    threads = [Thread(target=_look, args=(probe, journal, stop), daemon=True) for probe in probes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _look(probe: Probe, journal: Journal, stop: Flag) -> None:
    try:
        due = time.monotonic_ns()
        while not stop.wait(max(0, due - time.monotonic_ns()) / 1e9):
            for event in probe.look():
                journal.write(event)
            due = max(due + probe.every_ns, time.monotonic_ns())
    except Exception as error:
        journal.write(_broke(probe, error))
    finally:
        _close(probe, journal)


def _close(probe: Probe, journal: Journal) -> None:
    try:
        for event in probe.close():
            journal.write(event)
    except Exception as error:
        journal.write(_broke(probe, error))


def _broke(probe: Probe, error: Exception) -> Remarked:
    says = f"{type(probe).__name__} stopped looking: {type(error).__name__}: {error}"
    return Remarked(at_ns=time.monotonic_ns(), source="locks", says=says, weakens=True)
