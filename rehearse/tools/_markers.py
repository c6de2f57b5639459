"""Markers: what a comment before a statement asks for, `-- rehearse:name word=value word`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rehearse import units
from rehearse.backfill.task import Backfill
from rehearse.errors import Mistake, near_miss

_MARKER = r"--[ \t]*rehearse:{}\b([^\n]*)"
_ROWS = ("batch", "most_keys")
_TIMES = ("batch_time", "pause", "lock_timeout", "statement_timeout")
_BACKFILL = ("key", "once", "attempts", "workers", *_ROWS, *_TIMES)


def words(name: str, known: Sequence[str], comments: str, place: str) -> Mapping[str, str] | None:
    """Return the words of a marker, those without a value as empty; None where it is not there."""
    marker = re.search(_MARKER.format(name), comments)
    if marker is None:
        return None
    found = {word.partition("=")[0]: word.partition("=")[2] for word in marker[1].split()}
    for word in found:
        if word not in known:
            raise Mistake(f"{place}: rehearse:{name}: {word!r} is not known{near_miss(word, known)}")
    return found


def backfill(sql: str, comments: str, place: str) -> Backfill | None:
    """Return the backfill that `-- rehearse:backfill …` makes of a statement; None where the marker is not there.

    `key=tenant,id` names the columns of a unique key, `batch_time=off` keeps batches as large as `batch` says.
    """
    found = words("backfill", _BACKFILL, comments, place)
    if found is None:
        return None
    try:
        return Backfill(statement=sql, **_options(found))
    except (ValueError, Mistake) as error:
        raise Mistake(f"{place}: rehearse:backfill: {error}") from error


def _options(found: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {name: units.rows(found[name]) for name in _ROWS if name in found}
    options |= {f"{name}_ns": units.duration_ns(found[name]) for name in _TIMES if found.get(name, "off") != "off"}
    options |= {"batch_time_ns": None} if found.get("batch_time") == "off" else {}
    options |= {"key": tuple(found["key"].split(","))} if "key" in found else {}
    options |= {name: units.rows(found[name]) for name in ("attempts", "workers") if name in found}
    return options | {"once": "once" in found}
