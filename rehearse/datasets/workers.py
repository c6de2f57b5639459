"""Where chunks of rows are made: in processes of this machine, or on a cluster's machines (cluster.py).

The seam is the executor of concurrent.futures: whatever can give one makes rows. What a chunk needs beside its number,
the plan, goes to each worker once.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, Protocol, TypeVar

from rehearse.errors import RehearseError

R = TypeVar("R")


class Workers(Protocol):
    """A factory of executors; small and picklable."""

    def open(self, known: object) -> AbstractContextManager[Making]:
        """Have workers that each know one thing, until the block is left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """Workers that are there. `submit(deed, *task)` has one of them call `deed(known, *task)`.

    `ahead` is how many results of one `each` are under way or wait; `lost` are the errors that say that a worker, named
    by `place`, is gone.
    """

    submit: Callable[..., Future[Any]]
    ahead: int
    place: str
    lost: tuple[type[Exception], ...]

    def each(self, deed: Callable[..., R], tasks: Iterable[tuple[Any, ...]]) -> Iterator[R]:
        """Yield what the deed gives for each task, in the order of the tasks."""
        following = iter(tasks)
        coming: deque[Future[R]] = deque()
        try:
            coming.extend(self.submit(deed, *task) for task in islice(following, self.ahead))
            while coming:
                yield coming.popleft().result()
                coming.extend(self.submit(deed, *task) for task in islice(following, 1))
        except self.lost as error:
            why = f"a worker ended while it made rows ({type(error).__name__})"
            raise RehearseError(f"{self.place}: {why}; has it memory enough? fewer workers need less") from error
        finally:
            for one in coming:
                one.cancel()


@dataclass(frozen=True, slots=True)
class Processes:
    """So many processes of this machine, spawned."""

    count: int

    @contextmanager
    def open(self, known: object) -> Iterator[Making]:
        """Start processes as they are needed, each told what is to be known when it starts."""
        pool: Executor = ProcessPoolExecutor(
            self.count, mp_context=get_context("spawn"), initializer=_adopt, initargs=(known,)
        )

        def submit(deed: Callable[..., Any], *task: Any) -> Future[Any]:
            with _interrupts_held():  # inherited by a process that starts now: Ctrl-C is for the parent
                return pool.submit(_call, deed, *task)

        try:
            yield Making(
                submit=submit,
                ahead=self.count + 1,
                place=f"--workers {self.count}",
                lost=(BrokenExecutor, CancelledError),
            )
        finally:
            pool.shutdown(cancel_futures=True)


_adopted: list[object] = []  # in a spawned process: the one thing that it knows


@contextmanager
def _interrupts_held() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _adopt(known: object) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    _adopted[:] = [known]


def _end_with_parent() -> None:
    """End this process when its parent is killed: it would wait for work forever."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _call(deed: Callable[..., R], *task: Any) -> R:
    return deed(_adopted[0], *task)


def named(text: str) -> Workers | None:
    """Return the workers that a text names: a number of processes, or tcp://HOST:PORT of a Dask scheduler.

    None, for "0", is the caller's thread. Raises a ValueError for other texts, and Missing where Dask is not installed.
    """
    if text.startswith(("tcp://", "tls://")):
        from rehearse.datasets.cluster import Cluster  # noqa: PLC0415

        return Cluster(text)
    if not text.isdecimal() or int(text) > 1024:
        raise ValueError(f"{text!r} is neither a number of processes nor tcp://HOST:PORT of a Dask scheduler")
    return Processes(int(text)) if int(text) else None
