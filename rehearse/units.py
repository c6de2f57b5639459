"""Amounts as people write them, to whole units and back: "250ms" is nanoseconds, "2GB" bytes, "400/s" a rate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_DURATIONS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": NS_PER_MS, "s": NS_PER_S}
_DURATIONS |= {"min": 60 * NS_PER_S, "m": 60 * NS_PER_S, "h": 3_600 * NS_PER_S, "d": 86_400 * NS_PER_S}
_SIZES = {"B": 1, "kB": 1 << 10, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_COUNTS = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000, "B": 1_000_000_000}
_AMOUNT = re.compile(r"\s*(\d+(?:[._]?\d+)*(?:\.\d+)?)\s*([a-zA-Zµ]*)\s*")


def duration_ns(text: Any) -> int:
    """Return nanoseconds for "250ms", "2s", "10min" or "1h30min"; a bare number is refused: its unit is a guess."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{text!r} is not a duration; write for example '250ms', '2s' or '10min'")
    parts = re.findall(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|min|s|m|h|d)\s*", text)
    if not parts or "".join(n + u for n, u in parts) != re.sub(r"\s+", "", text):
        raise ValueError(f"{text!r} is not a duration; write for example '250ms', '2s' or '10min'")
    return round(sum(float(number) * _DURATIONS[unit] for number, unit in parts))


def size_bytes(text: Any) -> int:
    """Return bytes for "2GB" or "512 MB" (powers of 1024, as PostgreSQL counts) or for a whole number."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    return _amount(text, _SIZES, "a size", "'512MB' or '2GB'")


def rows(text: Any) -> int:
    """Return a whole number for 1000, "1_000", "250k" or "100M"."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    return _amount(text, _COUNTS, "a number of rows", "250000, '250k' or '100M'")


def rate_per_s(text: Any) -> float:
    """Return calls per second for "400/s", "30/min" or a bare number."""
    if isinstance(text, int | float) and not isinstance(text, bool) and text > 0:
        return float(text)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|min|h)\s*", text) if isinstance(text, str) else None
    if not found or float(found[1]) <= 0:
        raise ValueError(f"{text!r} is not a rate; write for example '400/s', '30/min' or '60% of capacity'")
    return float(found[1]) * NS_PER_S / _DURATIONS[found[2]]


def share_of(text: Any, whole: str) -> float | None:
    """Return 0.6 for "60% of capacity", where that is the whole; None for what reads otherwise."""
    pattern = rf"\s*(\d+(?:\.\d+)?)\s*%\s*of\s+{whole}\s*"
    found = re.fullmatch(pattern, text) if isinstance(text, str) else None
    if found and not 0.0 < float(found[1]) <= 300.0:
        raise ValueError(f"{text!r}: between 1 % and 300 % of {whole}")
    return float(found[1]) / 100.0 if found else None


def _amount(text: Any, units: Mapping[str, int], kind: str, example: str) -> int:
    found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if not found or found[2] not in units:
        raise ValueError(f"{text!r} is not {kind}; write for example {example}")
    return round(float(found[1].replace("_", "")) * units[found[2]])


def human_duration(ns: float | None) -> str:
    """Return "312 µs", "45 ms", "1.20 s" or "3 min 05 s"; "not measured" for None."""
    if ns is None:
        return "not measured"
    if ns < 0.9995 * NS_PER_MS:  # what would be rounded up to 1000 µs has the next unit; so below
        return f"{ns / 1_000:.0f} µs"
    if ns < 9.95 * NS_PER_MS:
        return f"{ns / NS_PER_MS:.1f} ms"
    if ns < 0.9995 * NS_PER_S:
        return f"{ns / NS_PER_MS:.0f} ms"
    if ns < 59.995 * NS_PER_S:
        return f"{ns / NS_PER_S:.2f} s"
    minutes, seconds = divmod(round(ns / NS_PER_S), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def human_size(size: float | None) -> str:
    """Return "12.3 MB" (powers of 1024); "not measured" for None."""
    if size is None:
        return "not measured"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return "1 row" or "2,000 rows"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def human_count(count: float | None) -> str:
    """Return 1,234,567; "not measured" for None."""
    return "not measured" if count is None else f"{count:,.0f}"
