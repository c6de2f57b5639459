"""Indexes, foreign keys and triggers of tables."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from rehearse.engines.mysql.catalog.declared import Declared
from rehearse.engines.mysql.catalog.words import Found, Pairs, Scope, given, yes
from rehearse.engines.mysql.client import named

_MADE_UP = r"{}_ibfk_\d+|\d+"
_NO_ACTION = re.compile(r" ON (?:DELETE|UPDATE) (?:RESTRICT|NO ACTION)\b")
_INDEXES = """
    SELECT * FROM information_schema.statistics
    WHERE table_schema = database() ORDER BY table_name, index_name, seq_in_index
"""
_TRIGGERS = """
    SELECT * FROM information_schema.triggers
    WHERE trigger_schema = database() ORDER BY event_object_table, action_timing, event_manipulation, action_order
"""


def indexes(scope: Scope, declared: Mapping[str, Declared]) -> Pairs:
    """Yield indexes."""
    found: defaultdict[tuple[str, str], list[Found]] = defaultdict(list)
    for row in scope.ask(_INDEXES):
        found[row["table_name"], row["index_name"]].append(row)
    without = (
        "table_name index_name seq_in_index column_name collation cardinality sub_part nullable non_unique index_type "
        "ignored is_visible comment expression"
    )
    for (table, name), rows in found.items():
        first = rows[0]
        own = declared[table]
        hidden = first.get("ignored") == "YES" or first.get("is_visible") == "NO"
        yield (
            f"table {table} index {name}",
            {
                "definition": f"{first['index_type']} ({', '.join(map(_keyed, rows))}{own.apart.get(name, '')})",
                **scope.told(first, {"index_comment": "comment"}, without),
                **given(
                    unique=yes(int(first["non_unique"]) == 0),
                    ignored=yes(hidden),
                    valid="no" if first["comment"] == "disabled" else None,
                    options=own.indexes.get(name),
                ),
            },
        )


def _keyed(row: Found) -> str:
    """Return a column of an index, or an expression, as SQL."""
    words = named(str(row["column_name"])) if row["column_name"] is not None else f"({row.get('expression')})"
    length = f"({row['sub_part']})" if row["sub_part"] is not None else ""
    return words + length + (" DESC" if row["collation"] == "D" else "")


def foreign_keys(scope: Scope, declared: Mapping[str, Declared]) -> Pairs:
    """Yield foreign keys; one whose name the server made up is called by its columns.

    What is said of no action is left out: it is the same as none.
    """
    for table, own in declared.items():
        for name, line in own.foreign_keys.items():
            columns = line[: line.index(")") + 1].replace("`", "")
            is_made_up = re.fullmatch(_MADE_UP.format(re.escape(table)), name)
            called = columns if is_made_up else name
            yield f"table {table} foreign key {called}", {"definition": _NO_ACTION.sub("", scope.plain(line))}


def triggers(scope: Scope) -> Pairs:
    """Yield triggers, and of each table in which order those of one event fire."""
    orders: defaultdict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    words = {"action_statement": "definition", "action_timing": "timing", "event_manipulation": "event"}
    without = (
        "trigger_name event_object_table action_order action_orientation action_reference_old_table "
        "action_reference_new_table action_reference_old_row action_reference_new_row"
    )
    for row in scope.ask(_TRIGGERS):
        table, name = str(row["event_object_table"]), str(row["trigger_name"])
        orders[table][f"{row['action_timing']} {row['event_manipulation']}".lower()].append(name)
        yield f"table {table} trigger {name}", scope.written(row, words, without)
    for table, events in orders.items():
        yield f"table {table}", {f"{event} order": ", ".join(names) for event, names in events.items() if names[1:]}
