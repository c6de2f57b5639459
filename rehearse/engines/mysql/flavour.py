"""What tells MariaDB from MySQL: their programs, and SQL where theirs differs.

Where a clause alone differs, SQL says both in the servers' own comments: `/*M! … */` is MariaDB's, `/*!80000 … */` is
MySQL's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A server's programs: where they are found, and what they are called with."""

    servers: tuple[str, ...]  # names of the server's program, the better one first
    installers: tuple[str, ...]  # names of the script that makes a data folder; empty: the server does it itself
    variable: str  # of the environment; names folders to look into first
    folders: tuple[str, ...]  # the usual ones, as patterns
    version: re.Pattern[str]  # what --version says
    remedy: str
    initialize: tuple[str, ...]  # options that make a data folder
    check: tuple[str, ...]  # options that have the server only read its configuration
    section: str  # of the configuration file
    needed: Mapping[str, str]  # lines of it that only this server knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One of the family's servers."""

    name: str  # as engine.name has it
    title: str
    dump: str  # the program that writes dumps
    programs: Programs
    oldest: tuple[int, int]  # the oldest version that will do
    reported: re.Pattern[str]  # what SELECT version() says, and no other server does
    identified: Callable[[str], str]  # how CREATE USER says a password
    settings: str  # SQL for the settings that differ from the defaults: name, value

    def is_new_enough(self, version: str) -> bool:
        """Say whether a version will do."""
        return tuple(map(int, version.split(".")[:2])) >= self.oldest

    @property
    def oldest_told(self) -> str:
        """The oldest version that will do, as text."""
        return ".".join(map(str, self.oldest))
