"""Dumps of pg_dump: plain ones are run as files are, the others through pg_restore, which turns them into SQL."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from rehearse.engines import _local
from rehearse.engines.postgres import binaries, files
from rehearse.errors import Missing, ScenarioMistake

if TYPE_CHECKING:
    from rehearse.engines.postgres.database import PostgresDatabase


def restore(database: PostgresDatabase, path: Path) -> None:
    """Restore a dump in any of pg_dump's formats."""
    if _needs_pg_restore(path):
        _through_pg_restore(database, path)
    else:
        files.run_file(database, path)


def _needs_pg_restore(path: Path) -> bool:
    if path.is_dir():
        if not (path / "toc.dat").exists():
            raise ScenarioMistake(f"{files.shown(path)}: a folder that is no dump: there is no toc.dat in it")
        return True
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise ScenarioMistake(f"{files.shown(path)}: {error.strerror or error}") from error
    return head.startswith(b"PGDMP") or head[257:262] == b"ustar"


def _through_pg_restore(database: PostgresDatabase, path: Path) -> None:
    """Have pg_restore write SQL, and run that: it needs no connection, no password, and no version but the dump's."""
    program = _able(database, path)
    command: list[str | Path] = [program, "--file=-", "--no-owner", "--no-subscriptions", "--no-tablespaces", path]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=_local.environment()
        )
        try:
            stream = cast(IO[bytes], process.stdout)
            files.run_stream(database, stream, f"{files.shown(path)} (as SQL)", folder=path.parent)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            cast(IO[bytes], process.stdout).close()
        if status:
            said.seek(0)
            raise ScenarioMistake(f"{files.shown(path)}: {said.read().decode('utf-8', 'replace').strip()}")


def _able(database: PostgresDatabase, path: Path) -> Path:
    """Return a pg_restore that can read the dump: an older one cannot read a newer pg_dump's."""
    found = binaries.programs("pg_restore", database.server.installation)
    if not found:
        return binaries.program("pg_restore", None, at_least=database.server.major)
    for program in found:
        listed = _local.run([program, "--list", path.absolute()], None)
        if listed.returncode == 0:
            return program
    words = listed.stderr.strip()
    if "unsupported version" in words:
        raise Missing(
            f"{files.shown(path)}: {words}: it needs the pg_restore of the pg_dump that wrote it, or a newer one; "
            "name its folder in REHEARSE_PG_BIN"
        )
    raise ScenarioMistake(f"{files.shown(path)}: {words}")
