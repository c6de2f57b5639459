"""Runs in the project's own Python, as a process of its own: needs nothing but Alembic.

Called with the ini file, its section, the way ("prepare", "forward", "back"), and the revisions from and to ("" for the
default). The database's URL is in REHEARSE_SQLALCHEMY_URL. The last line of an error is the error's first.
Exit code 3: the downgrade is not implemented.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any


def main(ini: str, section: str, way: str, start: str, end: str) -> int:
    """Upgrade or downgrade; what goes wrong is printed as the tool prints it."""
    sys.path[:] = [place for place in sys.path if place]  # the current folder is for alembic.ini to name, not for us
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(ini, ini_section=section)
    config.set_main_option("sqlalchemy.url", os.environ["REHEARSE_SQLALCHEMY_URL"].replace("%", "%%"))
    try:
        first, last = _revisions(config, start, end)
        if way == "prepare":
            for revision in first:
                command.upgrade(config, revision)
        elif way == "forward":
            command.upgrade(config, last)
        else:
            command.downgrade(config, first[0] if first else "base")
    except Exception as error:
        _tell(error)
        return 3 if isinstance(error, NotImplementedError) else 1
    return 0


def _tell(error: Exception) -> None:
    """Print the project's own part of the traceback, then the error's further lines, then its first."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "site-packages" not in one.filename and one.filename[0] != "<"]
    first, *further = (str(error).strip() or repr(error)).splitlines()
    sys.stderr.writelines(traceback.format_list(own))
    sys.stderr.write("\n".join((*further, f"{type(error).__name__}: {first}")) + "\n")


def _revisions(config: Any, start: str, end: str) -> tuple[list[str], str]:
    """Return the revisions to start from (none: an empty database) and the one to reach; by default the newest."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    last = end or "head"
    if start:
        return ([] if start == "base" else [start]), last
    revision = ScriptDirectory.from_config(config).get_revision(last)
    before = () if revision is None else revision.down_revision or ()
    parents = [before] if isinstance(before, str) else list(before)
    if len(parents) > 1:
        raise SystemExit(f"{last} merges {', '.join(parents)}: name one in migration.options.from")
    return parents, last


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
