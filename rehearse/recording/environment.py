"""Where a rehearsal ran: processor, memory, versions, load."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from rehearse.model import Environment

_GIT_S = 5.0


def environment(
    engine: str,
    engine_version: str,
    settings: Mapping[str, str],
    notes: tuple[str, ...],
    *,
    began: datetime | None = None,
    folder: Path | None = None,
) -> Environment:
    """Return what this machine and the server are, as far as they tell, and the commit of a folder."""
    return Environment(
        cpu=_cpu(),
        cores=_cores(),
        memory_bytes=psutil.virtual_memory().total,
        system=platform.platform(),
        python=platform.python_version(),
        rehearse=own_version(),
        engine=engine,
        engine_version=engine_version,
        load_average=_load_average(),
        settings=dict(settings),
        notes=notes,
        began=None if began is None else began.astimezone(UTC).isoformat(timespec="seconds"),
        commit=None if folder is None else commit(folder),
    )


def commit(folder: Path) -> str | None:
    """Return the commit that a folder's files are of, with a "+" where some have changed; None: no git there."""
    try:
        found = _git(folder, "rev-parse", "--short=12", "HEAD").strip()
        return f"{found}+" if _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".") else found
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "--no-optional-locks", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_GIT_S).stdout


def own_version() -> str:
    """Return the installed version of rehearse."""
    try:
        return version("rehearse-migrations")
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _cores() -> int:
    """Return the cores that this process may use, which in a container are fewer than the machine's."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
