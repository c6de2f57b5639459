"""A small process that outlives its parent by the time it takes to remove what the parent started.

It reads duties from a pipe, one JSON object a line. When the pipe ends or the parent is gone without a word, it does
them, the newest first: {"folder": …, "pidfile": …} ends the server in a folder and then removes the folder;
{"module": …, "function": …, "arguments": {…}} calls a function. {"forget": "all"} means that the parent did it itself,
{"keep": "all"} that they wait until somebody ends this process.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ALIVE = ".alive"  # a file in each folder, locked by whoever answers for it
_POLL_S = 0.5  # a forked child of the parent may hold the pipe open, so the parent is looked at as well


def main() -> None:
    """Wait for the parent's end, then do the duties that it left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    duties = _left_duties(os.getppid())
    if {"keep": "all"} in duties:
        duties.remove({"keep": "all"})
        _await_signal([Path(duty["folder"]) for duty in duties if "folder" in duty])
    for duty in reversed(duties):
        _do(duty)


def _await_signal(folders: list[Path]) -> None:
    """Hold the folders in the parent's stead until SIGTERM or SIGINT."""
    import fcntl  # noqa: PLC0415

    asked = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    for number in asked:
        signal.signal(number, signal.SIG_DFL)
    for folder in folders:
        fcntl.flock(os.open(folder / ALIVE, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    signal.sigwait(asked)


def _left_duties(parent: int) -> list[dict[str, Any]]:
    duties: list[dict[str, Any]] = []
    pending = b""
    while True:
        readable = select.select([0], [], [], _POLL_S)[0]
        read = os.read(0, 65_536) if readable else b""
        *lines, pending = (pending + read).split(b"\n")
        for duty in map(json.loads, lines):
            duties = [] if "forget" in duty else [*duties, duty]
        if (readable and not read) or (not readable and os.getppid() != parent):
            return duties


def _do(duty: dict[str, Any]) -> None:
    if "folder" in duty:
        take_down(Path(duty["folder"]), Path(duty["pidfile"]))
        return
    sys.path[:] = duty["path"]
    getattr(import_module(duty["module"]), duty["function"])(**duty["arguments"])


def take_down(folder: Path, pidfile: Path, *, patience_s: float = 3.0) -> None:
    """End the server whose pid stands in `pidfile`, wait until it is gone, then remove its folder.

    In this order: a server whose folder went first writes errors without end.
    """
    end_server(folder, pidfile, patience_s=patience_s)
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def end_server(folder: Path, pidfile: Path, *, patience_s: float) -> None:
    """Ask the server in a folder to quit at once; kill its children and then it where it does not in time.

    Its main process goes last, since only it removes the memory that they shared.
    """
    family = _family(folder, pidfile)
    _send(family[:1], signal.SIGQUIT)
    _send(family, signal.SIGCONT)  # one that was stopped, to hold a lock for example, could not quit
    for victims in (family[1:], family):
        if left := _await_end(family, patience_s):
            _send([one for one in victims if one in left], signal.SIGKILL)
    _await_end(family, 10.0)


def _family(folder: Path, pidfile: Path) -> list[Any]:
    """Return the server's main process and its children; empty where the pid is now someone else's."""
    import psutil  # noqa: PLC0415 - the process starts without it, it is needed at the end only

    try:
        main_process = psutil.Process(int(pidfile.read_text().split()[0]))
        if str(folder) not in " ".join(main_process.cmdline()):
            return []
        return [main_process, *main_process.children(recursive=True)]
    except (OSError, ValueError, IndexError, psutil.Error):
        return []


def _send(processes: list[Any], number: int) -> None:
    import psutil  # noqa: PLC0415

    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


def _await_end(processes: list[Any], limit_s: float) -> list[Any]:
    """Return those that still run after the limit; a zombie is gone."""
    deadline = time.monotonic() + limit_s
    left = [one for one in processes if _runs(one)]
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = [one for one in left if _runs(one)]
    return left


def _runs(process: Any) -> bool:
    import psutil  # noqa: PLC0415

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


if __name__ == "__main__":
    main()
