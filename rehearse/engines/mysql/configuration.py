"""What a local server is configured to: production's settings as given, and what watching needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rehearse.engines import _local
from rehearse.engines.mysql import stages
from rehearse.engines.mysql.binaries import Installation
from rehearse.engines.mysql.flavour import Programs
from rehearse.errors import ScenarioMistake
from rehearse.model import Setting
from rehearse.units import size_bytes

FILE = "my.cnf"
_OWN_BYTES = 256 << 20  # beside the buffer pool: performance_schema, sessions, caches

# A production server has more than the 128 MB and 151 connections of the default; the rest is the server's own.
_DEFAULTS: Mapping[str, str] = {
    "innodb_buffer_pool_size": "268435456",
    "max_connections": "300",
    "max_allowed_packet": "1073741824",
    "character_set_server": "utf8mb4",
    "default_time_zone": "+00:00",
    "event_scheduler": "OFF",  # MySQL's own default is ON: what events write would be nobody's writes
}
# The server's own defaults watch nothing. Memory for every statement is taken at the start, so only those of
# the migration are kept (see `accounts`), and of each so many bytes.
_NEEDED: Mapping[str, str] = {
    "bind_address": "127.0.0.1",
    "skip_name_resolve": "ON",
    "skip_log_bin": "",
    "local_infile": "ON",
    "performance_schema": "ON",
    "performance_schema_events_statements_history_long_size": "20000",
    "performance_schema_max_metadata_locks": "100000",
    "performance_schema_max_sql_text_length": "4096",
    "performance_schema_consumer_events_statements_history_long": "ON",
    "performance_schema_consumer_events_statements_history": "ON",
    "performance_schema_consumer_events_statements_current": "ON",
    "performance_schema_events_stages_history_long_size": "20000",
    "performance_schema_consumer_events_stages_history_long": "ON",
    "performance_schema_consumer_events_stages_current": "ON",
    "performance_schema_events_transactions_history_long_size": "20000",
    "performance_schema_consumer_events_transactions_history_long": "ON",
    "performance_schema_consumer_events_transactions_current": "ON",
}
_INSTRUMENTS = (
    *(
        "idle=OFF",
        "wait/%=OFF",
        "wait/lock/metadata/sql/mdl=ON",
        "wait/io/file/sql/binlog=ON",
        "statement/%=ON",
        "stage/%=OFF",
        "transaction=ON",
    ),
    *(f"{name}=ON" for name in stages.INSTRUMENTS),
)
# Of production's own paths, addresses, replication and logs: they would not work here, or would hide what is watched.
_IGNORED = re.compile(
    r"port|socket|datadir|basedir|tmpdir|pid_file|user|bind_address|log_.*|general_log.*|slow_query_log.*|ssl.*|"
    r"server_id|relay_.*|gtid_.*|wsrep.*|plugin_.*|secure_file_priv|init_file|skip_networking|performance_schema.*|"
    r"mysqlx.*|admin_.*|tls_.*|require_secure_transport|authentication_policy|default_authentication_plugin|"
    r"local_infile|skip_name_resolve|skip_log_bin|innodb_(data|log_group|undo)_.*(dir|path)"
)
_COMPLAINED = re.compile(
    r"unknown (variable|option)|ambiguous option|while setting value|unknown suffix|takes no arg|requires an arg", re.I
)
_STAMP = re.compile(r"^.*\[ERROR\] ")


def ignored(settings: Mapping[str, Setting]) -> list[str]:
    """Return the settings that are production's machine's and not this one's."""
    return sorted(name for name in settings if _IGNORED.fullmatch(_plain(name)) and _plain(name) != "log_bin")


def memory_bytes(settings: Mapping[str, Setting]) -> int:
    """Return what the server's buffer pool and its own needs take."""
    named = {_plain(name): value for name, value in settings.items()}
    wanted = str(named.get("innodb_buffer_pool_size", _DEFAULTS["innodb_buffer_pool_size"])).strip()
    try:
        return _OWN_BYTES + (int(wanted) if wanted.isdigit() else size_bytes(wanted))
    except ValueError:
        return _OWN_BYTES  # the server says itself what is wrong with it


def write(folder: Path, programs: Programs, settings: Mapping[str, Setting], *, port: int, sockets: Path) -> None:
    """Write the server's only configuration file; no other is read."""
    places = {
        "datadir": str(folder / "data"),
        "tmpdir": str(folder / "tmp"),
        "socket": str(sockets / "socket"),
        "pid_file": str(folder / "pid"),
        "log_error": str(folder / "error.log"),
        "init_file": str(folder / "init.sql"),
        "port": str(port),
    }
    (folder / FILE).write_text(lines(programs, settings, places, binlog=str(folder / "binlog")))


def lines(
    programs: Programs, settings: Mapping[str, Setting], places: Mapping[str, str], *, binlog: str = "binlog"
) -> str:
    """Return a configuration file: production's settings, what watching needs, and its places here."""
    kept = {
        _plain(name): _text(name, value)
        for name, value in settings.items()
        if name not in ignored(settings) and _plain(name) != "log_bin"
    }
    words = {**_DEFAULTS, **kept, **_NEEDED, **programs.needed, **places}
    if _keeps_binlog(settings):
        del words["skip_log_bin"]
        words["log_bin"] = binlog
    told = [f"{name} = {value}" if value else name for name, value in words.items()]
    told += [f"performance_schema_instrument = '{one}'" for one in _INSTRUMENTS]
    return "\n".join([f"[{programs.section}]", *told, ""])


def _keeps_binlog(settings: Mapping[str, Setting]) -> bool:
    """Say whether production's binary log is wanted: its own place is not obeyed, and what it costs is measured."""
    return any(
        _plain(name) == "log_bin" and _text(name, value).upper() not in ("OFF", "0") for name, value in settings.items()
    )


def check(folder: Path, installation: Installation, user: _local.User | None) -> None:
    """Raise a ScenarioMistake for a setting that the server does not know, in its words."""
    command: list[str | Path] = [
        installation.server,
        f"--defaults-file={folder / FILE}",
        *installation.flavour.programs.check,
    ]
    tried = _local.run(command, user)
    if tried.returncode != 0:
        said = [line for line in tried.stderr.splitlines() if "ERROR" in line or "unknown" in line]
        raise ScenarioMistake(
            f"engine.settings: {installation.flavour.title} says: {' '.join(said) or tried.stderr.strip()[-500:]}"
        )


def complaint(title: str, said: str) -> ScenarioMistake | None:
    """Return what a server that did not start said of a setting that it does not know or take, if it did."""
    found = next((line for line in said.splitlines() if _COMPLAINED.search(line)), None)
    if found is None:
        return None
    return ScenarioMistake(f"engine.settings: {title} says: {re.sub(_STAMP, '', found)}")


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _text(name: str, value: Setting) -> str:
    text = ("ON" if value else "OFF") if isinstance(value, bool) else str(value)
    if "\n" in text or "\n" in name:
        raise ScenarioMistake(f"engine.settings.{name}: a value is one line")
    return re.sub(r"(?i)(?<=\d)([KMGT])B$", r"\1", text)  # '256MB' is said as 256M here
