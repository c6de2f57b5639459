"""Views, routines and their libraries, events and sequences."""

from __future__ import annotations

import re
from collections import defaultdict

from rehearse.engines.mysql.catalog.words import Found, Pairs, Scope, given, yes
from rehearse.engines.mysql.client import named

_ALGORITHM = re.compile(r"CREATE ALGORITHM=(\w+)")
_SOUND = "VIEW"  # a view's comment; else it says what the view reads and is not there
_SEQUENCE = {
    "minimum_value": "min",
    "maximum_value": "max",
    "start_value": "start",
    "increment": "increment",
    "cache_size": "cache",
    "next_not_cached_value": "value",
}
_TYPED = (  # by the whole type
    "data_type character_maximum_length character_octet_length numeric_precision numeric_scale datetime_precision "
    "character_set_name collation_name dtd_identifier"
)


def views(scope: Scope) -> Pairs:
    """Yield views."""
    broken = {row["table_name"] for row in scope.of("TABLES") if row["table_comment"] not in (_SOUND, None, "")}
    words = {"view_definition": "definition", "security_type": "security"}
    for row in scope.of("VIEWS"):
        name = str(row["table_name"])
        properties = scope.written(row, words, "table_name is_updatable algorithm")
        algorithm = row.get("algorithm") or _algorithm(scope, name)
        yield (
            f"view {name}",
            properties
            | given(algorithm=str(algorithm) if algorithm != "UNDEFINED" else None, broken=yes(name in broken)),
        )


def _algorithm(scope: Scope, view: str) -> str:
    found = _ALGORITHM.match(scope.shown("VIEW", view))
    return found[1] if found else "UNDEFINED"


def routines(scope: Scope) -> Pairs:
    """Yield procedures and functions, or whatever else the server calls a routine."""
    parameters: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in sorted(scope.of("PARAMETERS", "specific_schema"), key=lambda row: int(row["ordinal_position"])):
        parameters[row["routine_type"], row["specific_name"]].append(_parameter(row))
    words = {
        "routine_definition": "definition",
        "routine_comment": "comment",
        "security_type": "security",
        "sql_data_access": "access",
        "is_deterministic": "deterministic",
        "routine_body": "language",
    }
    without = f"specific_name routine_name routine_type sql_path parameter_style {_TYPED}"
    for row in scope.of("ROUTINES", "routine_schema"):
        kind, name = str(row["routine_type"]), str(row["routine_name"])
        taken = parameters[kind, name]
        returned = taken.pop(0) if kind == "FUNCTION" and taken else None
        yield (
            f"{kind.lower()} {name}",
            scope.written(row, words, without)
            | given(returns=returned, parameters=", ".join(taken), aggregate=yes(_is_aggregate(scope, kind, name))),
        )


def _parameter(row: Found) -> str:
    words = [row["parameter_mode"], row["parameter_name"], row["dtd_identifier"], row["collation_name"]]
    return " ".join(str(one) for one in words if one)


def _is_aggregate(scope: Scope, kind: str, name: str) -> bool:
    return kind == "FUNCTION" and " AGGREGATE FUNCTION " in scope.shown(kind, name, at=2).partition("(")[0]


def libraries(scope: Scope) -> Pairs:
    """Yield libraries of routines, which only MySQL has, from 9.2 on."""
    words = {"library_definition": "definition", "library_comment": "comment", "creator": "definer"}
    asked = "SELECT 1 FROM information_schema.tables WHERE table_schema = 'information_schema' AND table_name = '{}'"
    if scope.ask(asked.format("LIBRARIES")):
        for row in scope.of("LIBRARIES", "library_schema"):
            yield (
                f"library {row['library_name']}",
                scope.written(row, words, "library_catalog library_schema library_name"),
            )


def events(scope: Scope) -> Pairs:
    """Yield events. One that starts when it was made has no start of its own."""
    words = {"event_definition": "definition", "event_comment": "comment", "on_completion": "on completion"}
    without = (
        "event_name event_body event_type execute_at interval_value interval_field starts ends last_executed originator"
    )
    for row in scope.of("EVENTS", "event_schema"):
        yield f"event {row['event_name']}", scope.written(row, words, without) | {"schedule": _schedule(row)}


def _schedule(row: Found) -> str:
    if row["event_type"] == "ONE TIME":
        return f"AT {row['execute_at']}"
    starts = None if row["starts"] in (row["created"], row["last_altered"]) else row["starts"]
    bounds = [f"{word} {at}" for word, at in (("STARTS", starts), ("ENDS", row["ends"])) if at is not None]
    return " ".join([f"EVERY {row['interval_value']} {row['interval_field']}", *bounds])


def sequences(scope: Scope) -> Pairs:
    """Yield sequences."""
    for name in sorted(name for name, kind in scope.kinds.items() if kind == "SEQUENCE"):
        ((row),) = scope.ask(f"SELECT * FROM {named(name)}")
        created = scope.shown("SEQUENCE", name)
        properties = scope.told(row, _SEQUENCE, "cycle_option cycle_count")
        yield (
            f"sequence {name}",
            properties | given(cycle=yes(row["cycle_option"]), type=_typed(created), engine=_engine(created)),
        )


def _typed(created: str) -> str:
    found = re.search(r"` as ([\w ]+?) start with", created, re.IGNORECASE)
    return found[1] if found else "bigint"


def _engine(created: str) -> str | None:
    found = re.search(r"ENGINE=(\w+)", created)
    return found[1] if found else None
