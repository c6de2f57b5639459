"""The database itself, tables, their columns, checks, partitions and counters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from rehearse.engines._differences import DECLARED
from rehearse.engines.mysql.catalog.declared import Declared
from rehearse.engines.mysql.catalog.words import Found, Pairs, Scope, given, yes
from rehearse.engines.mysql.client import named

_COUNTS = (
    "table_rows avg_row_length data_length max_data_length index_length data_free checksum max_index_length version "
    "temporary auto_increment create_time update_time check_time "
)
# What the server calls a table's options where it also has a property of its own for them.
_OWN_OPTIONS = re.compile(r"(row_format|partitioned|encrypt\w+|page_compress\w+|compression)(?:=(.*))?", re.IGNORECASE)
_OPTION = re.compile(r"""(\w+)=("[^"]*"|'[^']*'|\S*)|(\S+)""")
_COMPRESSED = re.compile(r" ?/\*M?!\d+ COMPRESSED\*/")
_WIDTH = re.compile(r"((?:tiny|small|medium|big)?int)\((\d+)\)(?!.*zerofill)")
_ON_UPDATE = re.compile(r"\bon update (\w+(?:\(\d*\))?)", re.IGNORECASE)
_EXTRAS = re.compile(
    r"auto_increment|DEFAULT_GENERATED|(VIRTUAL|STORED|PERSISTENT) GENERATED|INVISIBLE|, ", re.IGNORECASE
)
_CHECKS = """
    SELECT c.*, t.table_name, t.enforced FROM information_schema.check_constraints c
    JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name)
    WHERE c.constraint_schema = database() AND t.constraint_type = 'CHECK'
"""
_MADE_UP = r"CONSTRAINT_\d+|{}_chk_\d+"
MARK = "rehearse disposable "  # begins the comment of a database that is ours on a server of the user's


def database(scope: Scope) -> Pairs:
    """Yield the database's own properties."""
    for row in scope.of("SCHEMATA", "schema_name"):
        words = {"default_character_set_name": "character set", "default_collation_name": "collation"}
        properties = scope.told(row, words | {"schema_comment": "comment"}, "sql_path")
        if properties.get("comment", "").startswith(MARK):
            del properties["comment"]
        if properties.get("default encryption") == "NO":
            del properties["default encryption"]
        yield "database", properties
    if not scope.is_mariadb:
        for row in scope.of("SCHEMATA_EXTENSIONS", "schema_name"):
            yield "database", scope.told(row, {}, "")


def extensions(scope: Scope) -> Pairs:
    """Yield what MySQL keeps for its engines of tables and columns."""
    for view in () if scope.is_mariadb else ("TABLES_EXTENSIONS", "COLUMNS_EXTENSIONS"):
        for row in scope.of(view):
            table = str(row["table_name"])
            column = f" column {row['column_name']}" if "column_name" in row else ""
            if scope.is_table(table):
                yield f"table {table}{column}", scope.told(row, {}, "table_name column_name")


def tables(scope: Scope, declared: Mapping[str, Declared]) -> Pairs:
    """Yield tables."""
    words = {"engine": "engine", "row_format": "row format", "table_comment": "comment", "table_collation": "collation"}
    for row in scope.of("TABLES"):
        name = str(row["table_name"])
        if not scope.is_table(name):
            continue
        properties = scope.told(row, words, _COUNTS + "table_name table_type create_options")
        properties["character set"] = str(row["table_collation"]).partition("_")[0]
        yield (
            f"table {name}",
            {
                **properties,
                **_options(str(row["create_options"] or "")),
                **given(system_versioning=yes(row["table_type"] == "SYSTEM VERSIONED")),
                **{f"period for {what}": columns for what, columns in declared[name].periods.items()},
                DECLARED: declared[name].whole,
            },
        )


def _options(words: str) -> dict[str, str]:
    """Return a table's options: what changes the disk's form only as one property, encryption and compression apart."""
    plain: list[str] = []
    found: dict[str, str] = {}
    for option in _OPTION.finditer(words.replace("`", "")):
        own = _OWN_OPTIONS.fullmatch(option[0])
        if own is None:
            plain.append(option[0].lower())
        elif own[2] not in (None, "'N'", '"N"') and own[1].lower() != "row_format":
            kind = "encryption" if own[1].lower().startswith("encrypt") else "compression"
            found[kind] = ", ".join(filter(None, [found.get(kind), option[0].lower()]))
    return found | given(options=", ".join(sorted(plain)))


def columns(scope: Scope, declared: Mapping[str, Declared]) -> Pairs:
    """Yield the columns of tables. Those of a view follow from its text and the tables that it reads."""
    checks = {(row["table_name"], row["constraint_name"]): row for row in _checks(scope) if _is_of_column(row)}
    for row in scope.of("COLUMNS"):
        table, name = str(row["table_name"]), str(row["column_name"])
        if not scope.is_table(table):
            continue
        check = checks.get((table, name), {}).get("check_clause")
        yield (
            f"table {table} column {name}",
            {
                **_column(scope, row),
                **given(check=check and scope.plain(str(check))),
                DECLARED: declared[table].columns.get(name, ""),
            },
        )


_FOLLOWS = (  # from a column's type and its extra
    "table_name column_name ordinal_position column_default is_nullable data_type character_maximum_length "
    "character_octet_length numeric_precision numeric_scale datetime_precision column_type column_key extra privileges "
    "is_generated generation_expression"
)


def _column(scope: Scope, row: Found) -> dict[str, str]:
    words = {
        "character_set_name": "character set",
        "collation_name": "collation",
        "column_comment": "comment",
        "srs_id": "srs id",
    }
    kind, extra = str(row["column_type"]), str(row["extra"])
    bare = _COMPRESSED.sub("", kind)
    width = _WIDTH.match(bare)
    if width and (width[1], width[2]) != ("tinyint", "1"):  # which drivers read as a truth
        bare = bare.replace(width[0], width[1])
    else:
        width = None
    kept = re.search(r"(VIRTUAL|STORED|PERSISTENT) GENERATED", extra)
    expression = f"({scope.plain(str(row['generation_expression']))}) {kept[1].lower()}" if kept else None
    on_update = _ON_UPDATE.search(extra)
    rest = _EXTRAS.sub("", _ON_UPDATE.sub("", extra)).strip()
    return scope.told(row, words, _FOLLOWS) | given(
        type=bare,
        display_width=width[2] if width else None,
        not_null=yes(row["is_nullable"] == "NO"),
        default=None if kept else _default(scope, row, extra),
        on_update=on_update[1] if on_update else None,
        auto_increment=yes("auto_increment" in extra),
        invisible=yes("INVISIBLE" in extra),
        compressed=yes(bare != kind and _COMPRESSED.search(kind)),
        generated=expression,
        **{"extra": rest},
    )


def _default(scope: Scope, row: Found, extra: str) -> str | None:
    """Return a default as SQL; None: there is none, or NULL where that is allowed."""
    default = row["column_default"]
    if scope.is_mariadb:
        return None if default in (None, "NULL") else _shortest(row, str(default))
    if default is None:
        return None
    if "DEFAULT_GENERATED" in extra:
        return str(default) if str(default).upper().startswith("CURRENT_TIMESTAMP") else f"({default})"
    is_bare = row["numeric_precision"] is not None or str(row["data_type"]) == "bit"
    return _shortest(row, str(default)) if is_bare else "'" + str(default).replace("'", "''") + "'"


def _shortest(row: Found, default: str) -> str:
    """Return a number without the zeros that only a column's scale asks for."""
    is_decimal = str(row["data_type"]) == "decimal" and re.fullmatch(r"-?\d+\.\d+", default)
    return default.rstrip("0").rstrip(".") if is_decimal else default


def _checks(scope: Scope) -> list[Found]:
    return scope.of("CHECK_CONSTRAINTS", "constraint_schema") if scope.is_mariadb else scope.ask(_CHECKS)


def _is_of_column(row: Found) -> bool:
    return row.get("level") == "Column"


def checks(scope: Scope, periods: Mapping[str, Declared]) -> Pairs:
    """Yield the checks of whole tables; one whose name the server made up is called by its words."""
    for row in _checks(scope):
        table, name = str(row["table_name"]), str(row["constraint_name"])
        if _is_of_column(row) or name in periods[table].periods:
            continue
        clause = scope.plain(str(row["check_clause"]))
        is_made_up = re.fullmatch(_MADE_UP.format(re.escape(table)), name)
        enforced = given(enforced="no" if row.get("enforced") == "NO" else None)
        rest = scope.told(row, {}, "table_name constraint_name check_clause level enforced")
        called = (clause if clause.startswith("(") else f"({clause})") if is_made_up else name
        yield f"table {table} check {called}", {"definition": clause} | enforced | rest


def partitions(scope: Scope, declared: Mapping[str, Declared]) -> Pairs:
    """Yield how tables are partitioned, of each table as one object."""
    found = defaultdict(list)
    for row in scope.of("PARTITIONS"):
        if row["partition_name"] is not None:
            found[str(row["table_name"])].append(row)
    for table, unordered in found.items():
        rows = sorted(unordered, key=_place)
        ways = [(rows[0][f"{part}_method"], rows[0][f"{part}_expression"]) for part in ("partition", "subpartition")]
        comments = [f"{_part(row)}: {row['partition_comment']}" for row in rows if row["partition_comment"]]
        yield (
            f"table {table} partitions",
            {
                "method": ", then ".join(f"{method} ({expression or ''})" for method, expression in ways if method),
                "definition": ", ".join(_bounded(row) for row in rows),
                **given(comment=", ".join(comments)),
                DECLARED: declared[table].partitions,
            },
        )


def _place(row: Found) -> tuple[int, int]:
    return int(row["partition_ordinal_position"]), int(row["subpartition_ordinal_position"] or 0)


def _part(row: Found) -> str:
    return ".".join(str(one) for one in (row["partition_name"], row["subpartition_name"]) if one)


def _bounded(row: Found) -> str:
    return " ".join(str(one) for one in (_part(row), row["partition_description"]) if one is not None)


def counters(scope: Scope, declared: Mapping[str, Declared]) -> Pairs:
    """Yield the numbers that tables give to rows next."""
    for row in scope.of("COLUMNS"):
        table = str(row["table_name"])
        if scope.is_table(table) and "auto_increment" in str(row["extra"]):
            yield f"table {table} counter", {"increment": "1", "value": str(declared[table].counter or 1)}


def histories(scope: Scope) -> Pairs:
    """Yield how many rows versioned tables keep that are no more; reads them."""
    for name in sorted(name for name, kind in scope.kinds.items() if kind == "SYSTEM VERSIONED"):
        counts = f"(SELECT COUNT(*) FROM {named(name)} FOR SYSTEM_TIME ALL) - (SELECT COUNT(*) FROM {named(name)})"
        ((row),) = scope.ask(f"SELECT {counts} AS kept")
        yield f"table {name} history", {"increment": "1", "value": str(row["kept"])}


def order(scope: Scope) -> Pairs:
    """Yield the order of each table's columns."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(scope.of("COLUMNS"), key=lambda row: int(row["ordinal_position"])):
        names[str(row["table_name"])].append(str(row["column_name"]))
    for table, found in names.items():
        if scope.is_table(table):
            yield f"table {table}", {"column order": ", ".join(found)}
