"""Sizes at which a server begins to work otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes at which a server begins to work otherwise, in bytes; None: it has none, or it is not known.

    `settings` are the server's own words for them.
    """

    cache: int | None = None
    memory: int | None = None
    sort: int | None = None
    log: int | None = None
    parallel: int | None = None  # a table of this size is read by one more process, of three times it by two …
    workers: int = 0  # at most
    settings: Mapping[str, str] = field(default_factory=dict)
