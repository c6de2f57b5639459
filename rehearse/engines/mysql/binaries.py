"""Where a server is on this machine; chosen by version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rehearse.engines import _local
from rehearse.engines.mysql.flavour import Flavour
from rehearse.errors import Missing, ScenarioMistake


@dataclass(frozen=True, slots=True)
class Installation:
    """A server's program, the script that makes its data folder (None: the program itself), and its version."""

    flavour: Flavour
    server: Path
    installer: Path | None
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
        return f"{self.flavour.title} {self.version} in {self.server.parent}"


def installed(flavour: Flavour, version: str | None) -> Installation:
    """Return the server that is installed here: of the environment's variable, PATH, or the usual folders."""
    found = every_installed(flavour)
    fit = [one for one in found if version is None or one.version == version or one.version.startswith(f"{version}.")]
    if not fit:
        here = ", ".join(map(str, found))
        raise Missing(f"engine.version = {version!r}: found here: {here}; {flavour.programs.remedy}")
    if not flavour.is_new_enough(fit[0].version):
        raise ScenarioMistake(f"engine.version: {fit[0]} is too old; {flavour.oldest_told} is the oldest")
    return fit[0]


def every_installed(flavour: Flavour) -> list[Installation]:
    """Return the servers that are installed here, each once."""
    programs = flavour.programs
    found = list({one.server: one for one in _installed(flavour)}.values())
    if not found:
        places = ", ".join([programs.variable, "PATH", *programs.folders])
        raise Missing(f"no {flavour.title} server was found in {places}; {programs.remedy}")
    return found


def _installed(flavour: Flavour) -> Iterator[Installation]:
    programs = flavour.programs
    named = [Path(part).expanduser() for part in os.environ.get(programs.variable, "").split(os.pathsep) if part]
    for folder in named:
        if not (one := _at(folder, flavour)):
            needed = " with a ".join([programs.servers[0], *programs.installers[:1]])
            raise Missing(f"{programs.variable}: {folder} holds no {needed} that can be run")
        yield one
    usual = [folder for pattern in programs.folders for folder in Path("/").glob(pattern.lstrip("/"))]
    for folder in [*map(Path, os.environ.get("PATH", "").split(os.pathsep)), *usual]:
        if one := _at(folder, flavour):
            yield one


def _at(folder: Path, flavour: Flavour) -> Installation | None:
    """Return the server of a folder; another flavour's of the same name is none."""
    programs = flavour.programs
    server = next((folder / name for name in programs.servers if (folder / name).exists()), None)
    if server is None:
        return None
    installer = _installer(folder, programs.installers)
    found = programs.version.search(_says(server))
    is_whole = installer is not None or not programs.installers
    return Installation(flavour, server.resolve(), installer, found[1]) if found and is_whole else None


def _installer(folder: Path, names: Sequence[str]) -> Path | None:
    places = [folder, folder.parent / "bin", folder.parent / "scripts"]
    beside = [place / name for place in places for name in names if (place / name).exists()]
    return beside[0] if beside else next((Path(one) for one in map(shutil.which, names) if one), None)


@lru_cache
def _says(server: Path) -> str:
    return _local.run([server, "--version"], None).stdout
