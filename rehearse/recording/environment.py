"""Where a rehearsal ran: processor, memory, versions, load."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from rehearse.model import Environment


def environment(engine: str, engine_version: str, settings: Mapping[str, str], notes: tuple[str, ...]) -> Environment:
    """Return what this machine and the server are, as far as they tell."""
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
    )


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
