"""Numbered rows, which MariaDB has a storage engine for and MySQL has not."""

from __future__ import annotations

import re

_DIGITS = " UNION ALL ".join(f"SELECT {digit}{' AS n' if digit == 0 else ''}" for digit in range(10))


def numbered(script: str) -> str:
    """Return a script with a query in place of each `seq_1_to_N`, N below 100,000."""
    return re.sub(r"seq_1_to_(\d+)", lambda found: _rows(int(found[1])), script)


def _rows(most: int) -> str:
    places = range(len(str(most)))
    number = " + ".join(f"p{place}.n * {10**place}" for place in places)
    digits = ", ".join(f"({_DIGITS}) p{place}" for place in places)
    return f"(SELECT {number} + 1 AS seq FROM {digits} HAVING seq <= {most} ORDER BY seq) numbers"
