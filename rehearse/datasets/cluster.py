"""Chunks of rows made on the machines of a Dask cluster; needs the extra `cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rehearse.datasets.workers import Making
from rehearse.errors import Missing

try:
    from distributed import Client
    from distributed.scheduler import KilledWorker
except ImportError as error:
    raise Missing(
        "--workers tcp://…: Dask is not installed here; pip install 'rehearse-migrations[cluster]'"
    ) from error

_TIMEOUT_S = 5
_GREATEST_AHEAD = 16  # chunks of 32,768 rows; more than one server takes while the next are made
# What decides the bytes of a row: our code, its arithmetic, its encodings, its word lists.
_DECIDING = ("rehearse-migrations", "numpy", "pyarrow", "faker")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers of a running Dask scheduler, found by its address."""

    address: str

    @contextmanager
    def open(self, known: object) -> Iterator[Making]:
        """Connect, see that every worker has our versions, and send what is to be known to each."""
        with _client(self.address) as client:
            _same_versions(client, self.address, _versions())
            sent = client.scatter(known, broadcast=True, hash=False)
            executor = client.get_executor()

            def submit(deed: Callable[..., Any], *task: Any) -> Future[Any]:
                submitted: Future[Any] = executor.submit(deed, sent, *task)
                return submitted

            try:
                yield Making(
                    submit=submit,
                    ahead=min(_GREATEST_AHEAD, sum(client.nthreads().values()) + 1),
                    place=f"--workers {self.address}",
                    lost=(KilledWorker, CancelledError, OSError),
                )
            finally:
                executor.shutdown(wait=False)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """Connect to a scheduler that has a worker; Missing, within seconds, where there is none."""
    try:
        client = Client(address, timeout=_TIMEOUT_S, set_as_default=False, name="rehearse")
    except (OSError, ValueError) as error:  # asyncio's TimeoutError is an OSError
        raise Missing(
            f"--workers {address}: no Dask scheduler answers there within {_TIMEOUT_S} s; "
            "start one: dask scheduler --host HOST --port PORT, and dask worker tcp://HOST:PORT on each machine"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_TIMEOUT_S)
        except OSError as error:
            raise Missing(
                f"--workers {address}: the scheduler has no worker; start one on each machine: dask worker {address}"
            ) from error
        yield client


def _same_versions(client: Any, address: str, ours: dict[str, str]) -> None:
    """Raise Missing for workers that would make other rows than this machine, or none."""
    theirs = client.run(_versions, on_error="return")
    complaints = [_difference(worker, ours, found) for worker, found in theirs.items() if found != ours]
    if complaints:
        wanted = " ".join(f"{name}=={ours[name]}" for name in _DECIDING)
        raise Missing(f"--workers {address}: {'; '.join(complaints)}; install there: pip install {wanted}")


def _difference(worker: str, ours: dict[str, str], found: dict[str, str] | Exception) -> str:
    if isinstance(found, Exception):
        return f"{worker} cannot make rows ({found})"
    other = ", ".join(f"{name} {found[name]}" for name in _DECIDING if found[name] != ours[name])
    return f"{worker} has {other}, and would make other rows"


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _DECIDING}
