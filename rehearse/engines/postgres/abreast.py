"""Deeds on several connections at once, which end together: when one fails or we are interrupted, all are cancelled."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from rehearse.engines.postgres.structure import Connects
from rehearse.errors import ServerFailed

if TYPE_CHECKING:
    from rehearse.engines.postgres.roles import Connection

_STREAMS = max(2, min(8, os.cpu_count() or 1))
# Much memory for one sort or hash, no wait for the disk at commit.
_SETTINGS = ("maintenance_work_mem=256MB", "work_mem=128MB", "synchronous_commit=off", "search_path=public")
T = TypeVar("T")
R = TypeVar("R")


class Abreast:
    """Connections for bulk work on one database."""

    def __init__(self, database: Connects, *, streams: int | None = None) -> None:
        """Begin with no connection; so many deeds at once, or as many as suits the machine."""
        self._database = database
        self._streams = streams or _STREAMS
        self._open: set[Connection] = set()
        self._lock = Lock()
        self._stopped = False

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Connect, to be cancelled with all others."""
        with self._database.connect(options=" ".join(f"-c {one}" for one in _SETTINGS)) as connection:
            with self._lock:
                self._open.add(connection)
            try:
                yield connection
            finally:
                with self._lock:
                    self._open.discard(connection)

    def unless_stopped(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items until another deed fails: a COPY that the server has cancelled would send on to its end."""
        for item in items:
            if self._stopped:
                raise ServerFailed("stopped, since another table could not be loaded")
            yield item

    def each(self, deed: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """Do a deed for each thing, some at once, begun in their order; return what they gave in the same order."""
        self._stopped = False  # the threads of an earlier round have ended
        with ThreadPoolExecutor(self._streams, thread_name_prefix="rehearse-load") as threads:
            coming = [threads.submit(deed, thing) for thing in things]
            try:
                done = wait(coming, return_when=FIRST_EXCEPTION).done
                broken = next((error for one in done if (error := one.exception())), None)
                if broken:
                    raise broken
            except BaseException:  # Ctrl-C too
                threads.shutdown(wait=False, cancel_futures=True)
                self._cancel()
                raise
            return [one.result() for one in coming]

    def _cancel(self) -> None:
        with self._lock:
            self._stopped = True
            for connection in self._open:
                try:
                    connection.cancel()
                except psycopg.Error:
                    continue  # it ended by itself


@contextmanager
def stoppable(connections: Sequence[Any], threads: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads for queries on these connections; what still runs when one fails, or at Ctrl-C, is cancelled.

    A driver whose connections cannot cancel (PyMySQL) is waited for.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="rehearse-read") as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for one in connections:
                if hasattr(one, "cancel"):
                    with suppress(psycopg.Error):  # it ended by itself
                        one.cancel()
            raise


def ahead(items: Iterator[T], *, count: int = 3) -> Iterator[T]:
    """Yield the items, so many of the next ones being made while one is used: a busy machine stops us by turns."""
    nothing: Any = object()
    thread = ThreadPoolExecutor(1, thread_name_prefix="rehearse-make")
    try:
        coming = deque(thread.submit(next, items, nothing) for _ in range(count))
        while (item := coming.popleft().result()) is not nothing:
            coming.append(thread.submit(next, items, nothing))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
