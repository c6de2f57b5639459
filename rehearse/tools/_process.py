"""Runs a migration tool as a process group of its own: the database in its environment, no password in its words."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from rehearse.events import Journal, Remarked
from rehearse.protocols import MigrationFailed
from rehearse.units import human_duration

_KEPT_BYTES = 64 << 10  # of each output, from its end
_TAIL_LINES = 15  # of an error
_SAID_LINES = 40  # of a remark
_GRACE_S = 2.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and the last 64 kB of what it said, the password masked."""

    code: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """Both outputs, one after the other."""
        return "\n".join(filter(None, (self.output.strip(), self.errors.strip())))

    @property
    def tail(self) -> str:
        """The last lines of the errors, or of the output where there are no errors."""
        return "\n".join((self.errors.strip() or self.output.strip()).splitlines()[-_TAIL_LINES:])


def run(
    command: Sequence[str] | str,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    url: str,
    timeout_ns: int | None = None,
) -> Ended:
    """Run a program, or a text as a shell command, and wait for it; nothing of its group lives on afterwards.

    Raises MigrationFailed where it cannot be started, or was stopped because it outlived the time-out.
    """
    with TemporaryFile() as output, TemporaryFile() as errors:
        with _group(command, cwd, environment, output, errors) as process:
            timed_out = _outlives(process, timeout_ns)
        ended = Ended(process.returncode, masked(_end_of(output), url), masked(_end_of(errors), url))
    if timed_out and timeout_ns is not None:
        stopped = f"cancelled after {human_duration(timeout_ns)} (migration.timeout)"
        raise MigrationFailed("\n".join(filter(None, (stopped, ended.tail))))
    return ended


def environment(url: str, settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, str]:
    """Return our environment and the database in it, as libpq and most tools look for it.

    `own` may say `$DATABASE_URL`, `$PGHOST` and so on, for tools that look for another name. `settings` become session
    settings by PGOPTIONS, which libpq's drivers obey.
    """
    parts = urlsplit(url)
    named = _mysql(parts) if parts.scheme == "mysql" else _libpq(parts, settings)
    found = {"DATABASE_URL": url, "REHEARSE_URL": url, **named}
    found = {name: value for name, value in found.items() if value}
    renamed = {str(name): Template(str(value)).safe_substitute(found) for name, value in own.items()}
    inherited = {name: value for name, value in os.environ.items() if name not in ("PGSERVICE", "PGPASSFILE")}
    return inherited | found | renamed


def _libpq(parts: SplitResult, settings: Mapping[str, Any]) -> dict[str, str]:
    words = dict(parse_qsl(parts.query))
    return {
        "PGHOST": words.get("host") or parts.hostname or "",
        "PGPORT": str(parts.port or words.get("port") or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
        "PGAPPNAME": words.get("application_name", "rehearse-migration"),
        "PGOPTIONS": _options(settings),
    }


def _mysql(parts: SplitResult) -> dict[str, str]:
    """Return what MySQL's and MariaDB's own clients read, and the names that most containers' scripts look for."""
    return {
        "MYSQL_HOST": parts.hostname or "",
        "MYSQL_TCP_PORT": str(parts.port or 3306),
        "MYSQL_USER": unquote(parts.username or ""),
        "MYSQL_PWD": unquote(parts.password or ""),
        "MYSQL_DATABASE": unquote(parts.path.lstrip("/")),
    }


def masked(text: str, url: str) -> str:
    """Return a text in which the URL's password is not to be read, however it is quoted."""
    password = unquote(urlsplit(url).password or "")
    for secret in {password, quote(password, safe=""), quote(password)}:
        text = text.replace(secret, "***") if secret else text
    return text


def remark(journal: Journal, ended: Ended) -> None:
    """Write down the last lines that the tool said."""
    lines = ended.said.splitlines()[-_SAID_LINES:]
    if lines:
        journal.write(Remarked(at_ns=time.monotonic_ns(), source="tool", says="\n".join(lines)))


@contextmanager
def _group(
    command: Sequence[str] | str, cwd: Path, environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that leads a group; the group is gone when this is left, however it is left."""
    try:
        process = subprocess.Popen(
            command,
            shell=isinstance(command, str),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise MigrationFailed(f"{error.filename or command}: {error.strerror}") from error
    try:
        yield process
    finally:
        _end(process)


def _outlives(process: subprocess.Popen[bytes], timeout_ns: int | None) -> bool:
    try:
        process.wait(None if timeout_ns is None else timeout_ns / 1e9)
    except subprocess.TimeoutExpired:
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _KEPT_BYTES))
    return file.read().decode(errors="replace")


def _options(settings: Mapping[str, Any]) -> str:
    """Return PGOPTIONS; blanks and backslashes in a value are escaped as libpq reads them."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def _escaped(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\\", "\\\\").replace(" ", "\\ ")
