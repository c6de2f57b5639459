"""One server of our own: a data folder copied from a template, started, and taken down without a trace."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rehearse.engines import _local, _watchdog
from rehearse.engines.postgres import binaries, configuration
from rehearse.engines.postgres.binaries import Installation
from rehearse.errors import ServerFailed, TooBig
from rehearse.model import Setting

OWNER = "rehearse"
_START_S = 60.0
_LAST_WORDS_S = 2.0
_TRIES = 5  # a port that was free may be taken before the server binds it
_LARGEST_FILE = 2 << 30  # of any file of the server; data files end at 1 GB, so this stops a log that runs wild
_ROOM_BYTES = 300 << 20  # an empty cluster and its first WAL files


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server: where it is and what it writes."""

    folder: Path
    sockets: Path
    port: int
    process: subprocess.Popen[bytes]
    dog: _local.Watchdog

    @property
    def data(self) -> Path:
        """The server's data folder."""
        return self.folder / "data"

    @property
    def log_path(self) -> Path:
        """The server's log, a JSON object a line."""
        return self.data / "log" / f"{configuration.LOG}.json"

    def has_ended(self, *, within_s: float) -> bool:
        """Say whether the server's main process is gone, or goes in a moment."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=within_s)
        return self.process.returncode is not None


@contextmanager
def running(installation: Installation, settings: Mapping[str, Setting]) -> Iterator[Cluster]:
    """Start a server of our own; leaving the block ends it and removes its folder, as does our death."""
    user = _local.unprivileged()
    installation = binaries.reachable(installation, user)
    with _local.watchdog() as dog, ExitStack() as traces:
        _sweep(user)
        folder = _new_folder(dog, traces, user)
        _local.check_space(folder, _ROOM_BYTES)
        sockets = folder if _local.fits_sockets(folder) else _new_folder(dog, traces, user, root=Path("/tmp"))  # noqa: S108
        _fill(folder / "data", installation, user)
        cluster = _started(folder, sockets, installation, user, settings, dog=dog)
        traces.callback(_end, cluster)
        yield cluster
        if dog.keeps:
            traces.pop_all()


def last_words(folder: Path) -> str:
    """Return the end of what a server said, for an error."""
    said = [folder / "output.log", folder / "data" / "log" / f"{configuration.LOG}.log"]
    said.append(folder / "data" / "log" / f"{configuration.LOG}.json")
    lines = [line for path in said if path.exists() for line in path.read_text(errors="replace").splitlines()]
    return "\n".join(lines[-12:])


def _reason_to_end(folder: Path) -> str:
    """Return the last words of a server that did not start; its log's writer ends a little later than itself."""
    deadline = time.monotonic() + _LAST_WORDS_S
    while True:
        words = last_words(folder)
        if "FATAL" in words or "PANIC" in words or time.monotonic() > deadline:
            return words
        time.sleep(0.01)


def _new_folder(dog: _local.Watchdog, traces: ExitStack, user: _local.User | None, *, root: Path | None = None) -> Path:
    folder = _local.new_folder(user, root=root)
    dog.remove(folder, pidfile=_pidfile(folder))
    traces.enter_context(_local.held(folder))
    traces.callback(_watchdog.take_down, folder, _pidfile(folder))
    return folder


def _sweep(user: _local.User | None) -> None:
    for folder in _local.abandoned(_local.temporary_root(user)):
        _watchdog.take_down(folder, _pidfile(folder))


def _end(cluster: Cluster) -> None:
    """End the server, and take its exit status so that no zombie stays."""
    _watchdog.end_server(cluster.folder, _pidfile(cluster.folder), patience_s=3.0)
    with suppress(subprocess.TimeoutExpired):
        cluster.process.wait(timeout=10)


def _pidfile(folder: Path) -> Path:
    return folder / "data" / "postmaster.pid"


def _fill(data: Path, installation: Installation, user: _local.User | None) -> None:
    """Copy a cached template to the data folder; make the template first where there is none."""
    template = _template(installation)
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


def _template(installation: Installation) -> Path:
    return (
        _local.cache_folder()
        / "templates"
        / f"postgres-{_local.digest(installation.build, *_init_options(installation))}"
    )


def _keep(data: Path, template: Path) -> None:
    staging = template.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    _local.copy_tree(data, staging)
    _local.keep_private(staging)
    staging.rename(template)


def _init(data: Path, installation: Installation, user: _local.User | None) -> None:
    made = _local.run([installation.program("initdb"), "-D", data, *_init_options(installation)], user)
    if made.returncode != 0:
        raise ServerFailed(f"initdb of PostgreSQL {installation} failed:\n{made.stdout}{made.stderr}".strip())
    configuration.include(data)


def _init_options(installation: Installation) -> list[str]:
    """Return initdb's options: UTF-8 in the order of code points, the same on every machine."""
    plain = ["-U", OWNER, "-E", "UTF8", "-A", "trust", "--no-sync", "--no-instructions"]
    if installation.major >= 17:
        return [*plain, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [*plain, f"--locale={'C.UTF-8' if _local.has_locale('C.UTF-8') else 'C'}"]


def _started(
    folder: Path,
    sockets: Path,
    installation: Installation,
    user: _local.User | None,
    settings: Mapping[str, Setting],
    *,
    dog: _local.Watchdog,
) -> Cluster:
    for left in reversed(range(_TRIES)):
        port = _local.free_port()
        configuration.write(folder / "data", sockets, installation, settings, port=port)
        _local.give(folder / "data" / configuration.FILE, user)
        configuration.check(folder / "data", installation, user)
        command: list[str | Path] = [installation.program("postgres"), "-D", folder / "data"]
        process = _local.start(command, user, cwd=folder, output=folder / "output.log")
        with suppress(AttributeError, OSError):  # macOS has no prlimit
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
        if _is_ready(process, folder):
            return Cluster(folder, sockets, port, process, dog)
        words = _reason_to_end(folder)
        if not left or "could not bind" not in words:
            raise _failure(installation, words)
    raise AssertionError("the last try returns or raises")


def _is_ready(process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Wait until the server says in its pid file that it takes connections; False: it ended."""
    deadline = time.monotonic() + _START_S
    while process.poll() is None:
        with suppress(OSError, IndexError):
            if _pidfile(folder).read_text().splitlines()[7].strip() == "ready":
                return True
        if time.monotonic() > deadline:
            _watchdog.end_server(folder, _pidfile(folder), patience_s=1.0)
            process.kill()
            process.wait()
            return False
        time.sleep(0.005)
    return False


def _failure(installation: Installation, words: str) -> ServerFailed | TooBig:
    if "could not map anonymous shared memory" in words or "No space left on device" in words:
        return TooBig(f"PostgreSQL {installation} could not start, this machine has too little room for it:\n{words}")
    return ServerFailed(f"PostgreSQL {installation} did not start; it said:\n{words}")
