"""One server of our own: a data folder copied from a template, started, and taken down without a trace."""

from __future__ import annotations

import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql

from rehearse.engines import _local, _watchdog
from rehearse.engines.mysql import configuration
from rehearse.engines.mysql.binaries import Installation
from rehearse.engines.mysql.client import Address, connect
from rehearse.errors import ServerFailed, TooBig
from rehearse.model import Setting

_START_S = 60.0
_TRIES = 5  # a port that was free may be taken before the server binds it
_LARGEST_FILE = 64 << 30  # of any file of the server: a log that runs wild is stopped, a table is not
_ROOM_BYTES = 400 << 20  # an empty server, its redo log, and temporary tables
_TAKEN = "Address already in use"


@dataclass(frozen=True, slots=True)
class Instance:
    """A running server: where it is and what it writes."""

    folder: Path
    socket: Path
    port: int
    process: subprocess.Popen[bytes]
    dog: _local.Watchdog

    def has_ended(self, *, within_s: float) -> bool:
        """Say whether the server's process is gone, or goes in a moment."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=within_s)
        return self.process.returncode is not None


@contextmanager
def running(
    installation: Installation, settings: Mapping[str, Setting], *, owner: Address, opening: Iterable[str]
) -> Iterator[Instance]:
    """Start a server of our own, on which `opening` is run before anybody can connect.

    Leaving the block ends it and removes its folder, as does our death.
    """
    user = _local.unprivileged()
    with _local.watchdog() as dog, ExitStack() as traces:
        for folder in _local.abandoned(_local.temporary_root(user)):
            _watchdog.take_down(folder, folder / "pid")
        folder = _new_folder(dog, traces, user)
        _local.check_space(folder, _ROOM_BYTES)
        sockets = folder if _local.fits_sockets(folder) else _new_folder(dog, traces, user, root=Path("/tmp"))  # noqa: S108
        _fill(folder / "data", installation, user)
        (folder / "tmp").mkdir()
        first = folder / "init.sql"
        first.touch(mode=0o600)
        first.write_text("".join(f"{one};\n" for one in opening))
        started = _started(folder, sockets, installation, user, settings, dog=dog, owner=owner)
        traces.callback(_end, started)
        first.unlink()
        yield started
        if dog.keeps:
            traces.pop_all()


def last_words(folder: Path) -> str:
    """Return the end of what a server said, for an error."""
    said = [folder / "output.log", folder / "error.log"]
    lines = [line for path in said if path.exists() for line in path.read_text(errors="replace").splitlines()]
    return "\n".join(lines[-12:])


def _new_folder(dog: _local.Watchdog, traces: ExitStack, user: _local.User | None, *, root: Path | None = None) -> Path:
    folder = _local.new_folder(user, root=root)
    dog.remove(folder, pidfile=folder / "pid")
    traces.enter_context(_local.held(folder))
    traces.callback(_watchdog.take_down, folder, folder / "pid")
    return folder


def _end(instance: Instance) -> None:
    """End the server, and take its exit status so that no zombie stays. Nothing in it is worth a clean shutdown."""
    instance.process.kill()
    with suppress(subprocess.TimeoutExpired):
        instance.process.wait(timeout=10)


def _fill(data: Path, installation: Installation, user: _local.User | None) -> None:
    """Copy a cached template to the data folder; make the template first where there is none."""
    name = f"{installation.flavour.name}-{_local.digest(installation.build, *installation.flavour.programs.initialize)}"
    template = _local.cache_folder() / "templates" / name
    try:
        with _local.locked(template.with_suffix(".lock")):
            if not template.exists():
                _init(data, installation, user)
                _keep(data, template)
    except OSError:  # a cache that we may not write to, or that is full: the next start is as slow as this one
        if not data.exists():
            _init(data, installation, user)
    if not data.exists():
        _local.copy_tree(template, data)
        _local.give(data, user)


def _keep(data: Path, template: Path) -> None:
    staging = template.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    _local.copy_tree(data, staging)
    _local.keep_private(staging)
    staging.rename(template)


def _init(data: Path, installation: Installation, user: _local.User | None) -> None:
    """Make a data folder; a script finds its parts from the server's own folder."""
    program = installation.installer or installation.server
    command: list[str | Path] = [
        program,
        "--no-defaults",
        f"--datadir={data}",
        *installation.flavour.programs.initialize,
    ]
    made = _local.run(command, user, cwd=data.parent)
    if made.returncode != 0 or not (data / "mysql").is_dir():
        raise ServerFailed(f"{program.name} of {installation} failed:\n{made.stdout}{made.stderr}".strip())


def _started(
    folder: Path,
    sockets: Path,
    installation: Installation,
    user: _local.User | None,
    settings: Mapping[str, Setting],
    *,
    dog: _local.Watchdog,
    owner: Address,
) -> Instance:
    for left in reversed(range(_TRIES)):
        port = _local.free_port()
        configuration.write(folder, installation.flavour.programs, settings, port=port, sockets=sockets)
        _local.give(folder, user)
        if left == _TRIES - 1:
            configuration.check(folder, installation, user)
        command: list[str | Path] = [installation.server, f"--defaults-file={folder / configuration.FILE}"]
        process = _local.start(command, user, cwd=folder, output=folder / "output.log")
        with suppress(AttributeError, OSError):  # macOS has no prlimit
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
        if _is_ready(process, owner, sockets / "socket"):
            return Instance(folder, sockets / "socket", port, process, dog)
        words = last_words(folder)
        if not left or _TAKEN not in words:
            raise _failure(installation, words)
    raise AssertionError("the last try returns or raises")


def _is_ready(process: subprocess.Popen[bytes], owner: Address, path: Path) -> bool:
    """Wait until the owner can connect, which is after the opening statements; False: it ended, or never was ready."""
    reached = Address(host="localhost", port=0, user=owner.user, password=owner.password, socket=path)
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if _listens(path):
            with suppress(pymysql.err.MySQLError, OSError), connect(reached, connect_timeout=5):
                return True
        time.sleep(0.01)
    process.kill()
    process.wait()
    return False


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as tried, suppress(OSError):
        tried.connect(str(path))
        return True
    return False


def _failure(installation: Installation, words: str) -> ServerFailed | TooBig:
    if "Cannot allocate memory" in words or "No space left on device" in words:
        return TooBig(f"{installation} could not start, this machine has too little room for it:\n{words}")
    return ServerFailed(f"{installation} did not start; it said:\n{words}")
