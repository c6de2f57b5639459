"""Which literal values may stand in a profile: few, and only where nobody can be found by them. In doubt, none."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase

from rehearse.profiles.personal import Personal, by_content, by_name, may_be_a_name
from rehearse.profiles.shapes import Moment

FLOOR = 50
_MOST_KINDS = 200  # a column with more different texts is no list of codes
_LONGEST = 40
_CODE = re.compile(r"[\w .:/+&()%<>=,-]*")
_RUN_OF_DIGITS = re.compile(r"\d{6,}")
_KEY = re.compile(r"[A-Za-z_][\w.-]{0,39}")
_UNITS_S = (0.001, 0.01, 0.1, 1, 60, 3600, 86_400)


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides what leaves the server: `floor` rows must share a value, and `public` names columns that are free.

    The names in `public` are "table.column", with * and ? as in a shell; `hidden` are columns, or keys of their JSON
    ("table.column.key"), that are told by their shape alone.
    """

    floor: int = FLOOR
    public: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    def is_public(self, table: str, column: str) -> bool:
        """Say whether the user has vouched for this column."""
        return any(fnmatchcase(f"{table}.{column}", name) for name in self.public)

    def personal(self, table: str, column: str, seen: Sequence[str]) -> Personal | None:
        """Return what a column tells of persons, by its name and by values of it."""
        if self.is_public(table, column):
            return None
        if any(name.startswith(f"{table}.") and name.endswith(f".{column}") for name in self.hidden):
            return by_name(column) or by_content(seen) or "free text"
        return by_name(column) or by_content(seen)

    def codes(
        self, common: Sequence[tuple[str, float]], rows: float, kinds: float, *, is_public: bool = False
    ) -> list[tuple[str, float]]:
        """Return the values of a column of texts that may be told, with their shares; none where one looks amiss."""
        if is_public:
            return list(common)
        if kinds > _MOST_KINDS or not all(_is_code(value) for value, _ in common):
            return []
        if any(may_be_a_name(value) for value, _ in common):
            return []
        return [(value, share) for value, share in common if share * rows >= self.floor]

    def numbers(
        self, common: Sequence[tuple[float, float]], rows: float, *, moments: bool = False
    ) -> list[tuple[float, float]]:
        """Return the numbers that may be told, with their shares: common ones with few digits, and moments to the day.

        A moment is in µs since 1970.
        """
        kept = [(value, share) for value, share in common if share * rows >= self.floor]
        if moments:
            return [(value, share) for value, share in kept if value % 86_400e6 == 0]
        return [(value, share) for value, share in kept if abs(value) < 1e6 or float(f"{value:.3g}") == value]

    def keys(self, counts: Sequence[tuple[str, float]], rows: float) -> list[str]:
        """Return the keys of JSON objects that may be told: `counts` are shares of the rows that have each."""
        return [
            key
            for key, share in counts
            if share * rows >= self.floor and _KEY.fullmatch(key) and not by_content([key]) and _is_code(key)
        ]

    def thinned(self, values: Sequence[float], rows: float) -> list[float]:
        """Return quantiles so far apart that at least `floor` rows lie between two of them; both ends stay."""
        most = max(1, int(rows // self.floor))
        steps = len(values) - 1
        if steps <= most:
            return list(values)
        return [values[round(at * steps / most)] for at in range(most + 1)]


def _is_code(value: str) -> bool:
    return len(value) <= _LONGEST and bool(_CODE.fullmatch(value)) and not _RUN_OF_DIGITS.search(value)


def coarse(values: Sequence[float]) -> list[float]:
    """Return the bounds of so few rows that two digits of them could identify: one digit, or a tenth of their span."""
    span = max(values) - min(values)
    unit = 10.0 ** math.floor(math.log10(span)) if span > 0 else 10.0 ** math.floor(math.log10(abs(values[0]) or 1.0))
    ends = [math.floor(min(values) / unit) * unit, math.ceil(max(values) / unit) * unit]
    return [float(f"{one:.6g}") for one in ends]


def rounded(values: Sequence[float]) -> list[float]:
    """Return bounds without what could identify: three digits, or a thousandth of their span where that is finer."""
    span = max(values) - min(values)
    unit = 10.0 ** (math.floor(math.log10(span)) - 2) if span > 0 else 0.0
    return [_rounded(value, unit) for value in values]


def _rounded(value: float, unit: float) -> float:
    if not value:
        return 0.0
    own = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    step = min(own, unit) if unit else own
    digits = -math.floor(math.log10(step))
    return float(round(value, digits)) if digits > 0 else float(round(value / step) * round(step))


def years(values: Sequence[float]) -> list[float]:
    """Return the bounds of so few moments (µs since 1970) that a day of them could identify: their years."""
    ends = [datetime.fromtimestamp(one / 1e6, UTC).year for one in (min(values), max(values))]
    since, until = datetime(ends[0], 1, 1, tzinfo=UTC), datetime(min(9999, ends[1] + 1), 1, 1, tzinfo=UTC)
    return [since.timestamp() * 1e6, until.timestamp() * 1e6]


def rounded_micros(values: Sequence[float]) -> list[float]:
    """Return moments (µs since 1970) rounded to days, or to hours … milliseconds where their span is short."""
    unit = _unit_s(max(values) - min(values)) * 1e6
    return [round(value / unit) * unit for value in values]


def _unit_s(span_us: float) -> float:
    fine = [unit for unit in _UNITS_S if unit * 1e6 * 250 <= span_us]
    return fine[-1] if fine else _UNITS_S[0]


def moment(micros: float) -> Moment:
    """Return a moment for µs since 1970: a date where it is one."""
    whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    is_day = not (whole.hour or whole.minute or whole.second or whole.microsecond)
    return date(whole.year, whole.month, whole.day) if is_day else whole.replace(tzinfo=None)
