"""What every server needs that runs from programs on this machine.

An unprivileged user to run as, a folder that is removed, a free port, a cache, a watchdog, and a look at the room.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import psutil

from rehearse.engines import _watchdog
from rehearse.errors import Missing, TooBig
from rehearse.units import human_size

_CANDIDATES = ("postgres", "mysql", "nobody")
_PREFIX = "rehearse-"
_SETTLED_S = 60  # a younger folder may not be locked yet
_SOCKET_FOLDER_LIMIT = 80  # the kernel takes 107 characters (103 on macOS), the socket's own name included


@dataclass(frozen=True, slots=True)
class User:
    """An account of this machine."""

    name: str
    uid: int
    gid: int


def unprivileged() -> User | None:
    """Return whom root runs a server as (REHEARSE_USER, or an account that every system has); None: as ourselves."""
    if os.geteuid() != 0:
        return None
    wanted = os.environ.get("REHEARSE_USER")
    for name in (wanted,) if wanted else _CANDIDATES:
        with suppress(KeyError, OSError, subprocess.SubprocessError):  # a container may map no user but root
            found = pwd.getpwnam(name)
            user = User(found.pw_name, found.pw_uid, found.pw_gid)
            run(["/bin/sh", "-c", ":"], user)
            return user
    raise Missing(
        "a database server refuses to run as root, and root cannot become "
        f"{wanted or ' or '.join(_CANDIDATES)} here; name another user in REHEARSE_USER, or run rehearse as one"
    )


def run(
    command: Sequence[str | Path], user: User | None, *, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as `user`, in its own session (the terminal's Ctrl-C is not for it)."""
    return subprocess.run(
        [str(part) for part in command],
        **_as(user),
        cwd=cwd or "/",
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        start_new_session=True,
        check=False,
    )


def start(command: Sequence[str | Path], user: User | None, *, cwd: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start a server as `user`, in its own session; what it says goes to a file."""
    with output.open("ab") as said:
        return subprocess.Popen(
            [str(part) for part in command],
            **_as(user),
            cwd=cwd,
            env=environment() | {"HOME": str(cwd)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def _as(user: User | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def environment() -> dict[str, str]:
    """Return our environment without what would steer a server or its tools, and with English messages."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return ours | {"LC_ALL": "C"}


def can_read(paths: Sequence[Path], user: User | None) -> bool:
    """Say whether `user` can reach and read all of the paths."""
    tests = " && ".join(f'test -r "${number}"' for number in range(1, len(paths) + 1))
    return run(["/bin/sh", "-c", tests, "sh", *paths], user).returncode == 0


def give(path: Path, user: User | None) -> None:
    """Make `user` the owner of a path and of all that is in it."""
    if user is None:
        return
    os.chown(path, user.uid, user.gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder, name), user.uid, user.gid, follow_symlinks=False)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, which the kernel drops when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cache_folder() -> Path:
    """Return the folder of what makes the next start quick (REHEARSE_CACHE, or the system's place for it)."""
    if named := os.environ.get("REHEARSE_CACHE"):
        return Path(named).expanduser().absolute()
    is_root = os.geteuid() == 0
    return platformdirs.site_cache_path("rehearse") if is_root else platformdirs.user_cache_path("rehearse")


def digest(*parts: object) -> str:
    """Return a short name for a combination of things."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with its times and modes, sharing blocks where the file system can."""
    clone = ["cp", "-a", "--reflink=auto"] if sys.platform == "linux" else ["cp", "-c", "-p", "-R"]
    copied = subprocess.run([*clone, source, target], capture_output=True, check=False)
    if copied.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)


def temporary_root(user: User | None) -> Path:
    """Return where servers keep their files: REHEARSE_TMP, or the system's folder for temporary files."""
    if named := os.environ.get("REHEARSE_TMP"):
        root = Path(named).expanduser().absolute()
        if not root.is_dir() or not can_read([root], user):
            who = user.name if user else "you"
            raise Missing(f"REHEARSE_TMP = {named}: no folder that {who} can read; make one, or leave it out")
        return root
    root = Path(tempfile.gettempdir())
    return root if can_read([root], user) else Path("/tmp")  # noqa: S108 - root's own may be closed to others


def new_folder(user: User | None, *, root: Path | None = None) -> Path:
    """Make an empty folder that only `user` (and root) can enter."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root or temporary_root(user)))
    give(folder, user)
    return folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Say by a lock that a folder's maker lives; the kernel drops it with us."""
    with (folder / _watchdog.ALIVE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def abandoned(root: Path) -> Iterator[Path]:
    """Yield our folders whose maker and its watchdog died together, as when a container is stopped."""
    for folder in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # someone else's, or it is just being removed
            if time.time() - folder.stat().st_mtime < _SETTLED_S:
                continue
            with (folder / _watchdog.ALIVE).open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder


def is_abandoned(folder: Path) -> bool:
    """Say whether nobody holds one of our folders any more, or it is gone."""
    try:
        with (folder / _watchdog.ALIVE).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False


def fits_sockets(folder: Path) -> bool:
    """Say whether a socket in the folder has a path that is short enough."""
    return len(str(folder)) <= _SOCKET_FOLDER_LIMIT


def has_locale(name: str) -> bool:
    """Say whether the C library knows a locale."""
    if not shutil.which("locale"):
        return False
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    return name.lower().replace("-", "") in (one.lower().replace("-", "") for one in known)


def open_to_all(folder: Path) -> None:
    """Let everyone read a folder, and run what its owner can run."""
    for parent, _, files in os.walk(folder):
        Path(parent).chmod(0o755)
        for path in (Path(parent, name) for name in files):
            mode = path.lstat().st_mode
            if not path.is_symlink():
                path.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))


def keep_private(folder: Path) -> None:
    """Take a folder into our own hands, so that whoever a server runs as cannot change it."""
    ours = User("", os.geteuid(), os.getegid())
    give(folder, ours)
    folder.chmod(0o700)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses now; another may take it first, so be ready to ask again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sync_tree(folder: Path) -> None:
    """Write a folder's files from the system's cache to the disk, so that no measurement pays for it."""
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                number = os.open(Path(parent, name), os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)


def check_space(path: Path, needed_bytes: int) -> None:
    """Raise TooBig where the disk of `path` has less room than needed."""
    free = shutil.disk_usage(path).free
    if needed_bytes > free:
        raise TooBig(
            f"{path}: {human_size(needed_bytes)} are needed and {human_size(free)} are free; "
            "lower data.scale (--scale), make room, or point REHEARSE_TMP to a bigger disk"
        )


def check_memory(needed_bytes: int) -> None:
    """Raise TooBig where less memory is to be had than needed."""
    free = available_memory()
    if needed_bytes > free:
        raise TooBig(
            f"{human_size(needed_bytes)} of memory are needed and {human_size(free)} are free; "
            "lower data.scale (--scale) or engine.settings.shared_buffers"
        )


def available_memory() -> int:
    """Return the bytes that can be used without swapping, within our control group's limit."""
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        free = min(free, limit - int((group / "memory.current").read_text()))
    return max(free, 0)


class Watchdog:
    """A process of its own that does our duties when we die, even by SIGKILL."""

    def __init__(self) -> None:
        self.keeps = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", _watchdog.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def remove(self, folder: Path, *, pidfile: Path) -> None:
        """Have a folder removed, after the server in it was ended."""
        self._tell({"folder": str(folder), "pidfile": str(pidfile)})

    def call(self, module: str, function: str, arguments: Mapping[str, Any]) -> None:
        """Have a function called."""
        self._tell({"module": module, "function": function, "arguments": dict(arguments), "path": sys.path})

    def keep(self) -> int:
        """Have what we made outlive us; the duties are done when the process ends whose number is returned."""
        self._tell({"keep": "all"})
        self.keeps = True
        return self._process.pid

    def forget(self) -> None:
        """Say that all duties are done."""
        with suppress(BrokenPipeError):
            self._tell({"forget": "all"})

    def close(self) -> None:
        """Wait until it has done what is left to do; where it keeps that, it is left alone."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if not self.keeps:
            self._process.wait()

    def _tell(self, duty: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(duty).encode() + b"\n")
        self._process.stdin.flush()


@contextmanager
def watchdog() -> Iterator[Watchdog]:
    """Keep a watchdog while the block runs, which itself removes what it made.

    Where an exception leaves the block, that may have been interrupted too (a second Ctrl-C), so the duties are done
    once more: they find nothing, or what is left.
    """
    dog = Watchdog()
    try:
        yield dog
        if not dog.keeps:
            dog.forget()
    finally:
        dog.close()
