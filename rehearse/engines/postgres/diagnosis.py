"""What of PostgreSQL is on this machine, for `rehearse doctor`."""

from __future__ import annotations

from collections.abc import Iterable

from rehearse.engines import _local
from rehearse.engines.postgres import binaries
from rehearse.errors import Missing
from rehearse.protocols import Diagnosis


def diagnose() -> Iterable[Diagnosis]:
    """Yield the servers, the client programs, and whom a server runs as."""
    yield _server("embedded")
    yield _server("binary")
    for name in ("pg_restore", "pg_dump"):
        yield _program(name)
    yield _user()


def _server(via: str) -> Diagnosis:
    find = {"embedded": binaries.embedded, "binary": binaries.installed}[via]
    subject = f"postgres via {via}"
    try:
        return Diagnosis(subject=subject, found=True, says=f"PostgreSQL {find(None)}")
    except Missing as missing:
        return Diagnosis(subject=subject, found=False, says="not here", remedy=str(missing))


def _program(name: str) -> Diagnosis:
    try:
        path = binaries.program(name, None, at_least=binaries.OLDEST)
    except Missing as missing:
        return Diagnosis(subject=name, found=False, says="not here", remedy=str(missing))
    return Diagnosis(subject=name, found=True, says=str(path))


def _user() -> Diagnosis:
    try:
        user = _local.unprivileged()
    except Missing as missing:
        return Diagnosis(subject="server's user", found=False, says="none", remedy=str(missing))
    return Diagnosis(subject="server's user", found=True, says=user.name if user else "yourself")
