"""What a local server is configured to: production's settings as given, and what watching needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rehearse.engines import _local
from rehearse.engines.postgres.binaries import Installation
from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Setting
from rehearse.units import size_bytes

FILE = "rehearse.conf"
CONNECTIONS = 300
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
    "listen_addresses": "127.0.0.1",
    "cluster_name": "rehearse",
    "logging_collector": "on",
    "log_directory": "log",
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
    wanted = {name.lower(): _text(value) for name, value in settings.items() if not _IGNORED.fullmatch(name.lower())}
    values = {**_DEFAULTS, **_NEEDED, **wanted}
    values["port"] = str(port)
    values["unix_socket_directories"] = f'"{sockets}"'
    values["log_destination"] = "jsonlog" if installation.major >= 15 else "stderr"
    values["shared_preload_libraries"] = _preloaded(wanted.get("shared_preload_libraries", ""), installation)
    (data / FILE).write_text("".join(f"{name} = {_quoted(value)}\n" for name, value in values.items()))
    (data / "pg_hba.conf").write_text(_ACCESS)


def include(data: Path) -> None:
    """Have a fresh data folder read our file after its own."""
    with (data / "postgresql.conf").open("a") as own:
        own.write(f"\ninclude_if_exists = '{FILE}'\n")


def unloadable(settings: Mapping[str, Setting], installation: Installation) -> list[str]:
    """Return the libraries that are to be preloaded and are not in this build."""
    wanted = _libraries(str(settings.get("shared_preload_libraries", "")))
    return [name for name in wanted if not installation.has_library(name)]


def check(data: Path, installation: Installation, user: _local.User | None) -> None:
    """Raise a ScenarioMistake for a setting that this server does not know or take, in its own words."""
    said = _local.run([installation.program("postgres"), "-D", data, "-C", "cluster_name"], user)
    if said.returncode == 0:
        return
    complaint = next((line for line in said.stderr.splitlines() if _NAMED.search(line)), said.stderr.strip())
    found = _NAMED.search(complaint)
    words = re.sub(r"^.*?(LOG|FATAL|ERROR):\s*|\s*in file .*$", "", complaint)
    name = found[1] if found else "?"
    near = near_miss(name, _known(installation, user)) if "unrecognized" in complaint else ""
    raise ScenarioMistake(f"engine.settings.{name}: PostgreSQL {installation.version} says: {words}{near}")


def _known(installation: Installation, user: _local.User | None) -> list[str]:
    described = _local.run([installation.program("postgres"), "--describe-config"], user).stdout
    return [line.split("\t", 1)[0] for line in described.splitlines()]


def _preloaded(wanted: str, installation: Installation) -> str:
    names = dict.fromkeys([*_libraries(wanted), "pg_stat_statements"])
    return ",".join(name for name in names if installation.has_library(name))


def _libraries(text: str) -> list[str]:
    return [name.strip(" '\"") for name in text.split(",") if name.strip(" '\"")]


def _text(value: Setting) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\n", " ") + "'"
