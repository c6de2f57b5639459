"""What a local server is configured to: production's settings as given, and what watching needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from rehearse.engines import _local
from rehearse.engines.postgres.binaries import Installation
from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Setting
from rehearse.units import size_bytes

FILE = "rehearse.conf"
CONNECTIONS = 300
DESCRIBE = "--describe-config"
LOG = "server"  # log/server.json, and log/server.log for what cannot be JSON

_ACCESS = """\
local all rehearse,rehearse_loader trust
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""
# A production server has more than initdb's 128 MB and 100 connections; the rest is left as the server has it.
_DEFAULTS: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "max_connections": str(CONNECTIONS),
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
_NEEDED: Mapping[str, str] = {
    "cluster_name": "rehearse",
    "logging_collector": "on",
    "log_filename": f"{LOG}.log",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_lock_waits": "on",
    "password_encryption": "scram-sha-256",
}
# Of production's own paths, addresses and log: they would not work here, or would hide what is watched.
_IGNORED = re.compile(
    r"port|ssl.*|unix_socket_.*|data_directory|config_file|hba_file|ident_file|external_pid_file|archive_.*|restore_command|"
    r"primary_.*|krb_.*|log_(destination|file_mode|truncate_on_rotation)|event_source|bonjour.*|stats_temp_directory|"
    r"include.*|recovery_.*|synchronous_standby_names|cluster_name|listen_addresses|logging_collector|"
    r"log_(directory|filename|rotation_age|rotation_size|lock_waits)|password_encryption"
)
_NAMED = re.compile(r'parameter "([^"]+)"')


class Build(Protocol):
    """What a configuration depends on: a version, and the modules that came with it."""

    @property
    def version(self) -> str:
        """The version, for example "18.6"."""
        ...

    @property
    def major(self) -> int:
        """The version's first number."""
        ...

    def has_library(self, name: str) -> bool:
        """Say whether the server could load a module."""
        ...


def memory_bytes(settings: Mapping[str, Setting]) -> int:
    """Return what the server's buffers take; a number without a unit counts pages of 8 kB."""
    wanted = str(settings.get("shared_buffers", _DEFAULTS["shared_buffers"])).strip()
    try:
        return int(wanted) * 8192 if wanted.isdigit() else size_bytes(wanted)
    except ValueError:
        return 0  # the server says itself what is wrong with it


def ignored(settings: Mapping[str, Setting]) -> list[str]:
    """Return the settings that are not obeyed, since this server is not production's machine."""
    return [name for name in settings if _IGNORED.fullmatch(name.lower())]


def write(data: Path, sockets: Path, installation: Installation, settings: Mapping[str, Setting], *, port: int) -> None:
    """Write the configuration into a data folder; replaces what an earlier call wrote."""
    places = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": f'"{sockets}"'}
    (data / FILE).write_text(lines(settings, installation, {**places, "log_directory": "log"}))
    (data / "pg_hba.conf").write_text(_ACCESS)


def lines(settings: Mapping[str, Setting], build: Build, places: Mapping[str, str]) -> str:
    """Return a configuration file: production's settings, what watching needs, and its places here."""
    wanted = {name.lower(): _text(value) for name, value in settings.items() if not _IGNORED.fullmatch(name.lower())}
    values = {**_DEFAULTS, **_NEEDED, **wanted, **places}
    values["log_destination"] = "jsonlog" if build.major >= 15 else "stderr"
    values["shared_preload_libraries"] = _preloaded(wanted.get("shared_preload_libraries", ""), build)
    return "".join(f"{name} = {_quoted(value)}\n" for name, value in values.items())


def include(data: Path) -> None:
    """Have a fresh data folder read our file after its own."""
    with (data / "postgresql.conf").open("a") as own:
        own.write(f"\ninclude_if_exists = '{FILE}'\n")


def unloadable(settings: Mapping[str, Setting], build: Build) -> list[str]:
    """Return the libraries that are to be preloaded and are not in this build."""
    wanted = _libraries(str(settings.get("shared_preload_libraries", "")))
    return [name for name in wanted if not build.has_library(name)]


def check(data: Path, installation: Installation, user: _local.User | None) -> None:
    """Raise a ScenarioMistake for a setting that this server does not know or take, in its own words."""
    said = _local.run([installation.program("postgres"), "-D", data, "-C", "cluster_name"], user)
    if said.returncode != 0:
        described = partial(_local.run, [installation.program("postgres"), DESCRIBE], user)
        raise complaint(said.stderr, installation, lambda: described().stdout)


def complaint(said: str, build: Build, described: Callable[[], str]) -> ScenarioMistake:
    """Return what a server said of a setting; `described` returns what it says of all that it knows."""
    line = next((line for line in said.splitlines() if _NAMED.search(line)), said.strip())
    found = _NAMED.search(line)
    words = re.sub(r"^.*?(LOG|FATAL|ERROR):\s*|\s*in file .*$", "", line)
    name = found[1] if found else "?"
    known = [one.split("\t", 1)[0] for one in described().splitlines()] if "unrecognized" in line else []
    return ScenarioMistake(f"engine.settings.{name}: PostgreSQL {build.version} says: {words}{near_miss(name, known)}")


def _preloaded(wanted: str, build: Build) -> str:
    names = dict.fromkeys([*_libraries(wanted), "pg_stat_statements"])
    return ",".join(name for name in names if build.has_library(name))


def _libraries(text: str) -> list[str]:
    return [name.strip(" '\"") for name in text.split(",") if name.strip(" '\"")]


def _text(value: Setting) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\n", " ") + "'"
