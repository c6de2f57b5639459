"""What of PostgreSQL is on this machine, and how to get what is not; starts no server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from rehearse.engines import _docker_engine, _local
from rehearse.engines.postgres import binaries, container
from rehearse.errors import Missing, Mistake
from rehearse.protocols import Diagnosis
from rehearse.units import human_size

_PROGRAMS = {"pg_restore": "restores dumps in pg_dump's custom, tar and directory formats"}


def diagnose() -> Iterator[Diagnosis]:
    """Yield what each way to a server finds, and what a dump and root would need."""
    yield _server("embedded", lambda: [binaries.embedded(None)])
    yield _server("binary", binaries.every_installed)
    yield _docker_engine.diagnose("postgres", newest=container.PRODUCT.newest)
    yield _account()
    for name, use in _PROGRAMS.items():
        yield _program(name, use)
    yield _room()


def _server(via: str, find: Callable[[], list[binaries.Installation]]) -> Diagnosis:
    try:
        says = ", ".join(map(str, find()))
    except Mistake as missing:
        return Diagnosis(subject=f"postgres via {via}", found=False, says="not here", remedy=str(missing))
    return Diagnosis(subject=f"postgres via {via}", found=True, says=says)


def _account() -> Diagnosis:
    try:
        user = _local.unprivileged()
    except Missing as missing:
        return Diagnosis(subject="server's user", found=False, says="none", remedy=str(missing))
    return Diagnosis(subject="server's user", found=True, says=f"{user.name}, since root may not" if user else "you")


def _program(name: str, use: str) -> Diagnosis:
    try:
        path = binaries.program(name, None, at_least=binaries.OLDEST)
    except Mistake as missing:
        return Diagnosis(subject=name, found=False, says="not here", remedy=str(missing))
    return Diagnosis(subject=name, found=True, says=f"{path}; {use}")


def _room() -> Diagnosis:
    try:
        root = _local.temporary_root(_local.unprivileged())
    except Missing as missing:
        return Diagnosis(subject="servers' folder", found=False, says="none", remedy=str(missing))
    free = human_size(shutil.disk_usage(root).free)
    return Diagnosis(subject="servers' folder", found=True, says=f"{root}, {free} free; REHEARSE_TMP names another")
