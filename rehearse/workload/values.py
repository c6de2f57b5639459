"""Reads what a call's parameters are to be: from `values = { key = … }` in a scenario to draws (see `draws`).

    "orders.id"                     a value that exists in the table; keys with the workload's skew
    { min = 1, max = 500 }          a whole number, a decimal (9.99), a date or a time between the two
    { min = 1, max = 500, skew = 1.1 }   a whole number, the nth of them as often as 1 / n^skew
    { choices = ["a", "b"], weights = [9, 1] }
    { text = "name" }               made by Faker: name, email, city, sentence …; with `length`, text of that length
    { uuid = true }   { serial = 1000 }   { serial = "orders.id" }   { serial = 1, format = "user{}@example.org" }
    "now"   { constant = "x" }   7   true

Columns of one table's key in one call are of one row; the same column named twice is drawn twice, and all else apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model import Survey, TableFacts

_FORMS = (
    "min",
    "max",
    "skew",
    "decimals",
    "choices",
    "weights",
    "text",
    "length",
    "uuid",
    "serial",
    "format",
    "constant",
)
_COLUMN = re.compile(r"\w+(\.\w+){1,2}")
_TEXTS = 1000  # how many different texts Faker makes for one parameter
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Draw = dict[str, Any]


@dataclass(slots=True)
class Wanted:
    """The rows that the draws need: pools in the order of their numbers, each a table and its columns."""

    survey: Survey
    greatest: Callable[[TableFacts, str], str | None]
    pools: list[tuple[TableFacts, tuple[str, ...]]] = field(default_factory=list)

    def pool(self, table: TableFacts, columns: tuple[str, ...]) -> int:
        """Return the number of the pool with these columns of a table."""
        if (table, columns) not in self.pools:
            self.pools.append((table, columns))
        return self.pools.index((table, columns))


def check_names(parameters: Sequence[str], values: Mapping[str, Any], where: str) -> None:
    """Raise a ScenarioMistake for a value without a parameter, or a parameter without a value; needs no database."""
    for name in values:
        if name not in parameters:
            raise ScenarioMistake(f"{where}.values.{name}: the SQL has no :{name}{near_miss(name, parameters)}")
    for name in parameters:
        if name not in values:
            raise ScenarioMistake(f"{where}.values.{name}: :{name} has no value{_near_value(name, values)}")


def draws(parameters: Sequence[str], values: Mapping[str, Any], wanted: Wanted, where: str) -> list[Draw]:
    """Return a draw for each parameter, in their order; `where` names the call, as in "workload.calls[0]"."""
    check_names(parameters, values, where)
    words: dict[tuple[int, int], int] = {}
    seen: Counter[tuple[int, int]] = Counter()
    found = []
    for at, name in enumerate(parameters):
        one = _draw(values[name], wanted, f"{where}.values.{name}")
        word = at
        if one["draw"] == "pool" and one.pop("keyed"):
            column = one["pool"], one["column"]
            word = words.setdefault((one["pool"], seen[column]), at)
            seen[column] += 1
        found.append({**one, "word": word})
    return found


def _near_value(name: str, values: Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(values), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f'; write for example values = {{ {name} = "table.column" }}'


def _draw(value: Any, wanted: Wanted, where: str) -> Draw:
    if isinstance(value, Mapping):
        return _form(value, wanted, where)
    if isinstance(value, tuple):  # table and column, by the default workload
        return _of_column(wanted.survey.tables[value[0]], value[1], wanted, where)
    if isinstance(value, list):
        return _form({"choices": value}, wanted, where)
    if not isinstance(value, str):
        return {"draw": "constant", "text": _as_text(value)}
    if value == "now":
        return {"draw": "now"}
    if not _COLUMN.fullmatch(value):
        raise ScenarioMistake(
            f'{where}: {value!r} is neither "table.column" nor "now"; a fixed text is {{ constant = "{value}" }}'
        )
    table, column = _column(value, wanted.survey, where)
    return _of_column(table, column, wanted, where)


def _column(text: str, survey: Survey, where: str) -> tuple[TableFacts, str]:
    owner, _, column = text.rpartition(".")
    name = owner.removeprefix("public.")
    table = survey.tables.get(name)
    if table is None:
        alike = [one for one in survey.tables.values() if one.name == name]
        table = alike[0] if len(alike) == 1 else None
    if table is None:
        raise ScenarioMistake(f"{where}: there is no table {owner!r}{near_miss(owner, survey.tables)}")
    if column not in table.columns:
        raise ScenarioMistake(f"{where}: {table.table} has no column {column!r}{near_miss(column, table.columns)}")
    return table, column


def _of_column(table: TableFacts, column: str, wanted: Wanted, where: str) -> Draw:
    if table.rows == 0:
        raise ScenarioMistake(f"{where}: {table.table} has no rows to take {table.table}.{column} from")
    keyed = column in table.key
    columns = table.key if keyed else (column,)
    pool = wanted.pool(table, columns)
    return {"draw": "pool", "pool": pool, "column": columns.index(column), "keyed": keyed}


def _form(form: Mapping[str, Any], wanted: Wanted, where: str) -> Draw:
    for word in form:
        if word not in _FORMS:
            raise ScenarioMistake(f"{where}.{word}: not a way to give a value{near_miss(word, _FORMS)}")
    if "choices" in form:
        return _choices(form, where)
    if "min" in form or "max" in form:
        return _between(form, where)
    if "text" in form or "length" in form:
        return _text(form, where)
    if form.get("uuid"):
        return {"draw": "uuid"}
    if "serial" in form:
        return _serial(form, wanted, where)
    if "constant" in form:
        return {"draw": "constant", "text": _as_text(form["constant"])}
    raise ScenarioMistake(f"{where}: says no value; known are {', '.join(_FORMS)}")


def _choices(form: Mapping[str, Any], where: str) -> Draw:
    choices, weights = form["choices"], form.get("weights")
    if not isinstance(choices, list) or not choices:
        raise ScenarioMistake(f"{where}.choices: must be a list with at least one value")
    if weights is not None and (not isinstance(weights, list) or len(weights) != len(choices) or min(weights) < 0):
        raise ScenarioMistake(f"{where}.weights: must be a list of {len(choices)} numbers, one a choice")
    if weights is not None and sum(weights) <= 0:
        raise ScenarioMistake(f"{where}.weights: at least one must be greater than 0")
    return {"draw": "choices", "choices": [_as_text(one) for one in choices], "weights": weights}


def _between(form: Mapping[str, Any], where: str) -> Draw:
    low, high = (_moment(form.get(word)) for word in ("min", "max"))
    if low is None or high is None or isinstance(low, datetime) != isinstance(high, datetime):
        raise ScenarioMistake(f"{where}: min and max must be two numbers, two dates or two times")
    if isinstance(low, datetime) and isinstance(high, datetime):
        limits = {"min": _micros(low), "max": _micros(high)}
        one: Draw = {"draw": "time", "form": _time_form(form["min"]), **limits}
    elif isinstance(low, int) and isinstance(high, int) and "decimals" not in form:
        one = {"draw": "integer", "min": low, "max": high, "skew": _skew(form, where)}
    else:
        one = {"draw": "decimal", "min": low, "max": high, "decimals": form.get("decimals", _decimals(low, high))}
    if one["min"] > one["max"]:
        raise ScenarioMistake(f"{where}: min is greater than max")
    return one


def _skew(form: Mapping[str, Any], where: str) -> float:
    skew = form.get("skew", 0.0)
    if not isinstance(skew, int | float) or not 0 <= skew <= 10:
        raise ScenarioMistake(f"{where}.skew: must be a number from 0 (all alike) to 10")
    return float(skew)


def _moment(value: Any) -> int | float | datetime | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        value = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value if isinstance(value, datetime) else None


def _micros(at: datetime) -> int:
    return round(((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH).total_seconds() * 1e6)


def _time_form(value: Any) -> str:
    text = str(value)
    if ":" not in text:
        return "date"
    return "instant" if getattr(_moment(value), "tzinfo", None) else "local"


def _decimals(low: Any, high: Any) -> int:
    return max(len(repr(float(one)).partition(".")[2].rstrip("0")) for one in (low, high)) or 2


def _text(form: Mapping[str, Any], where: str) -> Draw:
    kind, length = form.get("text", "text"), form.get("length")
    if length is not None and (not isinstance(length, int) or length < 0):
        raise ScenarioMistake(f"{where}.length: must be a whole number of characters")
    choices = _texts(str(kind), where)
    if length is None:
        return {"draw": "choices", "choices": choices, "weights": None}
    return {"draw": "text", "choices": choices, "length": length}


def _texts(kind: str, where: str) -> list[str]:
    """Return a vocabulary of one of Faker's kinds; the same at every call."""
    from faker import Faker  # noqa: PLC0415  takes 0.3 s, and few scenarios ask for it

    fake = Faker()
    fake.seed_instance(kind)
    make = getattr(fake, kind, None) if re.fullmatch(r"[a-z][a-z_]*", kind) else None
    if not callable(make):
        raise ScenarioMistake(f"{where}.text: Faker has no {kind!r}{near_miss(kind, _KNOWN_TEXTS)}")
    return [str(make()).replace("\x00", "") for _ in range(_TEXTS)]


_KNOWN_TEXTS = (
    *("name", "first_name", "last_name", "email", "user_name", "phone_number", "address", "city", "country", "company"),
    *("word", "sentence", "paragraph", "text", "url", "ipv4", "job", "street_address", "postcode", "color_name"),
)


def _serial(form: Mapping[str, Any], wanted: Wanted, where: str) -> Draw:
    start, text = form["serial"], form.get("format")
    if text is not None and (not isinstance(text, str) or text.count("{}") != 1):
        raise ScenarioMistake(f'{where}.format: must hold one {{}} for the number, as in "user{{}}@example.org"')
    if isinstance(start, str):
        table, column = _column(start, wanted.survey, where)
        greatest = wanted.greatest(table, column)
        if greatest is not None and not re.fullmatch(r"-?\d+", greatest):
            raise ScenarioMistake(f"{where}.serial: {start} holds no whole numbers")
        start = int(greatest or 0) + 1
    if not isinstance(start, int):
        raise ScenarioMistake(f'{where}.serial: must be a number to start from or a "table.column" to go on from')
    return {"draw": "serial", "start": int(start), "format": text}


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
