"""What this machine's processes take: the server's, the clients' (all of ours but the server), and all together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil


class Machine:
    """Figures of this machine since it started, or since a process did; a difference of two says what a while took.

    `server` is the first process of a server on this machine, None where it runs elsewhere.
    """

    def __init__(self, server: int | None) -> None:
        self._server = _process(server)

    def figures(self) -> Iterator[tuple[str, float]]:
        """Yield those that can be had.

        "server cpu", "client cpu" and "machine cpu" are seconds of CPU (the last of all cores, whoever took them),
        "server read" and "server written" bytes that reached the storage layer, and
        "client queued" the seconds for which the clients' living processes wanted a core and had none.
        """
        if self._server is not None:
            yield from (("server cpu", seconds) for seconds in server_cpu(self._server))
            yield from _storage(self._server.pid)
        cpu, queued = _clients(None if self._server is None else self._server.pid)
        yield "client cpu", cpu
        yield "client queued", queued
        times = psutil.cpu_times()
        yield "machine cores", float(psutil.cpu_count() or 1)
        yield "machine cpu", sum(times) - times.idle - getattr(times, "iowait", 0.0) - _counted_twice(times)


def server_cpu(postmaster: psutil.Process) -> Iterator[float]:
    """Yield the CPU seconds of a server's processes, those that ended included; nothing where it is gone.

    Of processes that ended in ticks of 10 ms; of those that live, from Linux's scheduler, to the ns. Elsewhere all are
    in ticks: good over a second and more.
    """
    try:
        times = postmaster.cpu_times()
        pids = children(postmaster.pid)  # for psutil reads every process of the machine, and each for 50 µs
        living = sum(map(cpu_ns, pids)) / 1e9 if pids else sum(map(_seconds, postmaster.children()))
    except psutil.Error:
        return
    yield times.user + times.system + times.children_user + times.children_system + living


def children(pid: int | None) -> list[int]:
    """Return the process ids of a process's children, from Linux's list of them; elsewhere none."""
    try:
        return [
            int(child)
            for listed in Path(f"/proc/{pid}/task").glob("*/children")
            for child in listed.read_text(encoding="ascii").split()
        ]
    except OSError:
        return []


def own_number(parent: int | None, pid: int | None) -> int | None:
    """Return the process of a parent's children that calls itself `pid`: in a container it has another number there."""
    for child in children(parent):
        with suppress(OSError):
            numbers = re.search(
                r"^NSpid:\s*(.*)$", Path(f"/proc/{child}/status").read_text(encoding="utf-8"), re.MULTILINE
            )
            if numbers and numbers[1].split()[-1] == str(pid):
                return child
    return None


def cpu_ns(pid: int | None) -> int:
    """Return the CPU that a process has taken, to the ns, from Linux's scheduler; 0 elsewhere."""
    return _schedule(pid)[0]


class Queued:
    """For how long a process or thread of this machine wanted a core and had none, from one asking to the next."""

    def __init__(self) -> None:
        self._seen: dict[Path, int] = {}

    def grew(self, process: int | None, thread: int | None = None) -> int | None:
        """Return the ns since the last time; None at the first, and where Linux does not say."""
        if process is None:
            return None
        place = Path(f"/proc/{process}") / ("schedstat" if thread is None else f"task/{thread}/schedstat")
        try:
            now = int(place.read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return None
        before, self._seen[place] = self._seen.get(place), now
        return None if before is None else now - before


def _schedule(pid: int | None) -> tuple[int, int]:
    """Return the ns that a process ran, and those that it wanted to and had no core; 0 where Linux does not say."""
    try:
        ran, queued, *_ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
        return int(ran), int(queued)
    except (OSError, ValueError):
        return 0, 0


def _clients(server: int | None) -> tuple[float, float]:
    """Return the CPU seconds of this process and its descendants, those that ended included, without the server's.

    The second figure is how long the main threads of the living wanted a core and had none.
    """
    own = os.times()
    seconds = own.user + own.system + own.children_user + own.children_system
    queued = _schedule(os.getpid())[1]
    ahead = children(os.getpid())
    while ahead:
        pid = ahead.pop()
        if pid != server:
            seconds += _whole(pid)
            queued += _schedule(pid)[1]
            ahead += children(pid)
    return seconds, queued / 1e9


def _whole(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


def _storage(pid: int) -> Iterator[tuple[str, float]]:
    """Yield what a process tree read from and wrote to storage; Linux adds what ended to its parent's account."""
    read = written = 0
    try:
        for one in (pid, *children(pid)):
            with open(f"/proc/{one}/io", encoding="ascii") as file:  # noqa: PTH123  a quarter of Path's time
                account = dict(line.split(": ") for line in file)
            read += int(account["read_bytes"])
            written += int(account["write_bytes"])
    except (OSError, KeyError, ValueError):  # another system, or another user's processes
        return
    yield "server read", float(read)
    yield "server written", float(written)


def _counted_twice(times: object) -> float:
    """Return guests' time, which Linux counts as the user's, too."""
    return float(getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0))


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _process(pid: int | None) -> psutil.Process | None:
    try:
        return None if pid is None else psutil.Process(pid)
    except psutil.Error:
        return None
