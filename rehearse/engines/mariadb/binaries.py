"""Where MariaDB's server is on this machine; chosen by version."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rehearse.engines import _local
from rehearse.errors import Missing, ScenarioMistake

OLDEST = (10, 5)  # the first with metadata locks in performance_schema
_NAMED = "REHEARSE_MARIADB_BIN"
_FOLDERS = (
    "/usr/sbin",  # Debian, Ubuntu
    "/usr/libexec",  # Red Hat
    "/usr/local/mysql/bin",
    "/opt/homebrew/opt/mariadb*/bin",
    "/usr/local/opt/mariadb*/bin",
)
_INSTALLERS = ("mariadb-install-db", "mysql_install_db")
_VERSION = re.compile(r"Ver (\d+\.\d+\.\d+)-MariaDB")
_REMEDY = (
    "install it (Debian: apt install mariadb-server-core, which starts no service), or name the folder of mariadbd in "
    f"{_NAMED}"
)


@dataclass(frozen=True, slots=True)
class Installation:
    """A server's program, the script that makes its data folder, and its version."""

    server: Path
    installer: Path
    version: str

    @property
    def number(self) -> tuple[int, ...]:
        """The version as numbers, for comparing."""
        return tuple(map(int, self.version.split(".")))

    @property
    def build(self) -> str:
        """What tells this build from another of the same version."""
        found = self.server.stat()
        return f"{self.version} {found.st_mtime_ns} {found.st_size}"

    def __str__(self) -> str:
        return f"{self.version} in {self.server.parent}"


def installed(version: str | None) -> Installation:
    """Return the server that is installed here: of REHEARSE_MARIADB_BIN, PATH, or the usual folders."""
    found = every_installed()
    fit = [one for one in found if version is None or one.version == version or one.version.startswith(f"{version}.")]
    if not fit:
        here = ", ".join(map(str, found))
        raise Missing(f"engine.version = {version!r}: found here: {here}; {_REMEDY}")
    if fit[0].number < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ScenarioMistake(f"engine.version: MariaDB {fit[0]} is too old; {oldest} is the oldest")
    return fit[0]


def every_installed() -> list[Installation]:
    """Return the servers that are installed here, each once."""
    found = list({one.server: one for one in _installed()}.values())
    if not found:
        raise Missing(f"no MariaDB server was found in {_NAMED}, in PATH or in {', '.join(_FOLDERS)}; {_REMEDY}")
    return found


def _installed() -> Iterator[Installation]:
    named = [Path(part).expanduser() for part in os.environ.get(_NAMED, "").split(os.pathsep) if part]
    for folder in named:
        if not (one := _at(folder)):
            raise Missing(f"{_NAMED}: {folder} holds no mariadbd with a mariadb-install-db that can be run")
        yield one
    usual = [folder for pattern in _FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    for folder in [*map(Path, os.environ.get("PATH", "").split(os.pathsep)), *usual]:
        if one := _at(folder):
            yield one


@lru_cache
def _at(folder: Path) -> Installation | None:
    """Return the MariaDB of a folder; a MySQL of the same name is none."""
    server = next((folder / name for name in ("mariadbd", "mysqld") if (folder / name).exists()), None)
    if server is None:
        return None
    places = [folder, folder.parent / "bin", folder.parent / "scripts"]
    beside = [place / name for place in places for name in _INSTALLERS if (place / name).exists()]
    installer = beside[0] if beside else next((Path(one) for one in map(shutil.which, _INSTALLERS) if one), None)
    found = _VERSION.search(_local.run([server, "--version"], None).stdout)
    return Installation(server.resolve(), installer, found[1]) if found and installer else None
