"""By which algorithm MySQL or MariaDB changes a table, by version: way(act, …) -> Way.

INSTANT touches no row; INPLACE reads the table beside the traffic; REBUILD (INPLACE, for the server) writes all of it
anew beside the traffic; COPY writes it anew while writers wait. `lock` is the weakest that the server takes meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rehearse.hazards.acts import Act, Type
from rehearse.hazards.known import Known

ORDER = ("INSTANT", "INPLACE", "REBUILD", "COPY")
_BYTES = {"utf8mb4": 4, "utf8": 3, "utf8mb3": 3, "latin1": 1, "ascii": 1, "binary": 1}
# MariaDB computes a default once, where it has no function that gives another value each time.
_CALLED = re.compile(r"\b(uuid\w*|sys_guid|rand|random_bytes|nextval|next( value for)?|sysdate|sleep)\b", re.IGNORECASE)
_NAMED = re.compile(  # a name in quotes, or a word that is neither a text nor a function's
    r"'(?:[^'\\]|''|\\.)*'|\bcollate\s+\w+|`([^`]+)`|\b([a-z_]\w*)\b(?!\s*\()", re.IGNORECASE
)
_WORDS = frozenset({  # of an expression, that are no column's
    "null", "true", "false", "current_timestamp", "current_date", "current_time", "localtime", "localtimestamp",
    "current_user", "current_role", "utc_date", "utc_time", "utc_timestamp", "interval", "microsecond", "second",
    "minute", "hour", "day", "week", "month", "quarter", "year", "and", "or", "xor", "not", "is", "like", "between",
    "in", "case", "when", "then", "else", "end", "as", "char", "signed", "unsigned", "integer", "binary", "date",
    "time", "datetime", "decimal", "div", "mod", "using", "utf8", "utf8mb3", "utf8mb4", "latin1", "ascii",
})  # fmt: skip
_WIDENED = (  # MariaDB takes texts of the first as texts of the second
    ("utf8mb3", "utf8mb4"), ("utf8", "utf8mb4"), ("ascii", "utf8mb4"), ("ascii", "utf8mb3"), ("ascii", "latin1"),
)  # fmt: skip
COPIED_BESIDE = ("H501", "H502", "H507", "H518")  # a copy of these kinds may be online
_OF_LENGTH = ("varchar", "varbinary")


@dataclass(frozen=True, slots=True)
class Way:
    """How a server makes a change, the code of the hazard that it is, and why; `is_sure`: all that decides is known."""

    algorithm: str
    code: str = ""
    why: str = ""
    lock: str = "NONE"
    is_sure: bool = True


INSTANT, INPLACE = Way("INSTANT"), Way("INPLACE")


_COLUMNS = {
    "stored": Way("COPY", "H508", "the value of every row is computed and kept", lock="SHARED"),
    "auto_increment": Way("REBUILD", "H504", "every row gets a number, and nobody may write meanwhile", lock="SHARED"),
    "primary key": Way("REBUILD", "H511", "the primary key orders the rows on disk"),
}


def way(act: Act, acts: tuple[Act, ...], known: Known) -> Way | None:
    """Return how a server makes one change of a table; None: it is none of those that are told apart."""
    if act.does == "drop primary key":
        if any(one.does == "add primary key" or one.has("primary key") for one in acts):
            return Way("REBUILD", "H511", "the primary key orders the rows on disk")
        return Way("COPY", "H506", "without a primary key the rows get another order", lock="SHARED")
    if act.does not in _WAYS:
        return None
    alone = _WAYS[act.does](act, known)
    return _beside(_worded(_together(alone, act, acts, known), act, acts, known), act, known)


def _together(found: Way, act: Act, acts: tuple[Act, ...], known: Known) -> Way:
    """Return how MySQL makes a change of columns beside another: INSTANT it is only where all changes are."""
    if known.engine != "mysql" or act.does not in ("add column", "drop column") or act.has("virtual"):
        return found
    others = [_WAYS[one.does](one, known) for one in acts if one is not act and one.does in _WAYS]
    is_alone = not act.has("unique") and all(one.algorithm != "INPLACE" for one in others)
    if found.algorithm != "INSTANT" or is_alone:
        return found
    return Way("REBUILD", "H511", "in one statement with what is not INSTANT, a change of columns is not either")


def _worded(found: Way, act: Act, acts: tuple[Act, ...], known: Known) -> Way:
    """Return how a table with a FULLTEXT index is changed: columns by no INSTANT, and nobody may write meanwhile."""
    table, column = known.tables.get(act.table), known.column(act.table, act.name)
    is_computed = act.has("virtual") or (column is not None and column.is_computed)
    is_column = act.does in ("add column", "drop column") and found.algorithm == "INSTANT" and not is_computed
    stay = table.texts - {one.name for one in acts if one.does == "drop index"} if table else set()
    if not stay or not (is_column or (found.algorithm == "REBUILD" and found.lock == "NONE")):
        return found
    algorithm = "COPY" if known.engine == "mysql" else "REBUILD"
    return Way(algorithm, "H520", f"the FULLTEXT index {min(stay)} lets nobody write meanwhile", lock="SHARED")


def _beside(found: Way, act: Act, known: Known) -> Way:
    """Return MariaDB's copy beside the traffic, from 11.2 on, where all that could forbid it is known not to be."""
    table = known.tables.get(act.table)
    is_able = known.engine == "mariadb" and known.is_told and known.version >= (11, 2)
    if not is_able or found.code not in COPIED_BESIDE or not found.is_sure:
        return found
    keys = [one for one in table.constraints.values() if one.kind == "add foreign key"] if table else []
    if table is None or not table.is_whole or keys or "lock_alter_table_copy" in known.setting("old_mode"):
        return found
    return Way("COPY", "H511", f"{found.why}, and the copy takes in what is written meanwhile")


def slowest(ways: list[Way]) -> Way:
    """Return the way that a statement takes which makes several changes."""
    return max(ways, key=lambda one: (ORDER.index(one.algorithm), one.lock))


def _since(known: Known, mysql: tuple[int, ...], mariadb: tuple[int, ...]) -> bool:
    return known.version >= (mysql if known.engine == "mysql" else mariadb)


def _added(act: Act, known: Known) -> Way:
    if act.has("virtual"):
        return INSTANT
    if act.calls and (known.engine == "mysql" or _differs(act.default or "")):
        return Way("COPY", "H504", f"the default {act.default} is computed for every row", lock="SHARED")
    return next((found for word, found in _COLUMNS.items() if act.has(word)), None) or _plainly_added(act, known)


def _differs(default: str) -> bool:
    """Say whether a default has another value in each row: by a function, or by another column."""
    if _CALLED.search(default):
        return True
    words = (one for one in _NAMED.finditer(default) if one[1] or one[2])
    return any(one[1] or not (one[2].startswith("_") or one[2].lower() in _WORDS) for one in words)


def _plainly_added(act: Act, known: Known) -> Way:
    placed = act.has("first") or act.has("after")
    if _since(known, (8, 0, 29), (10, 4)) or (not placed and _since(known, (8, 0, 12), (10, 3))):
        return INSTANT
    return Way(
        "REBUILD", "H511", "this version writes the table anew for a column" + (" in this place" if placed else "")
    )


def _renamed(_act: Act, known: Known) -> Way:
    return INSTANT if _since(known, (8, 0, 28), (10, 3)) else INPLACE


def _dropped(_act: Act, known: Known) -> Way:
    if _since(known, (8, 0, 29), (10, 4)):
        return INSTANT
    return Way("REBUILD", "H511", "this version writes the table anew without the column")


def _indexed(act: Act, known: Known) -> Way:
    kind = next((one for one in ("fulltext", "spatial") if act.has(one)), None)
    if kind is None and known.engine == "mysql" and any(one.startswith("(") for one in act.columns):
        why = "an index of an expression brings a hidden column, and is built while nobody writes"
        return Way("INPLACE", "H505", why, lock="SHARED")
    return Way("INPLACE", "H505", f"a {kind} index is built while nobody writes", lock="SHARED") if kind else INPLACE


def _referred(_act: Act, known: Known) -> Way:
    if known.setting("foreign_key_checks") in ("0", "off"):
        return INPLACE
    return Way("COPY", "H503", "every row is looked up, by a copy of the table", lock="SHARED")


def _checked(act: Act, known: Known) -> Way:
    if act.has("not enforced") or (act.has("inline") and known.engine == "mariadb"):
        return INSTANT  # the second: MariaDB asks no row that is there of a new column's own CHECK
    if known.engine == "mysql" and known.version < (8, 0, 16):
        return INSTANT  # which reads it and keeps nothing of it
    return Way("COPY", "H518", "every row is checked, by a copy of the table", lock="SHARED")


def _engine(act: Act, _known: Known) -> Way:
    if act.to == "innodb":
        return Way("REBUILD", "H511", "the table is written anew in its own engine")
    return Way("COPY", "H510", f"the table is copied into {act.to}, which locks it whole ever after", lock="SHARED")


def _modified(act: Act, known: Known) -> Way:
    column, becomes = known.column(act.table, act.name), act.type
    assert becomes is not None, "MODIFY and CHANGE name a type"
    if column is None or column.type is None:
        why = f"{act.name} becomes {becomes}, which copies the table unless that is its type already"
        return Way("COPY", "H501", why, lock="SHARED", is_sure=False)
    found = _retyped(column.type, becomes, known.tables[act.table].charset, known)
    if found is None and column.not_null != act.has("not null") and not act.has("auto_increment"):
        found = _nullable(act, known)
    if found is None and (act.has("first") or act.has("after")):
        moved = Way("REBUILD", "H511", "the column changes its place in the row")
        found = INSTANT if known.engine == "mariadb" and known.version >= (10, 4) else moved
    return found or (_renamed(act, known) if act.to else INSTANT)


def _converted(act: Act, known: Known) -> Way:
    if act.table in known.tables and known.tables[act.table].charset == act.to:
        return INPLACE
    return Way("COPY", "H502", "every text is written in the new character set", lock="SHARED")


def _nullable(act: Act, known: Known) -> Way:
    mode = known.setting("sql_mode")
    if act.has("not null") and known.engine == "mysql" and mode and "strict" not in mode:
        return Way("COPY", "H501", f"{act.name} becomes NOT NULL in a session that is not strict", lock="SHARED")
    return Way("REBUILD", "H511", f"{act.name} {'must have a value now' if act.has('not null') else 'may be NULL now'}")


def _retyped(was: Type, becomes: Type, charset: str, known: Known) -> Way | None:
    """Return how a type is changed into another; None: nothing of the rows changes."""
    if was.name == becomes.name and was.name in ("enum", "set"):
        if becomes.args[: len(was.args)] == was.args and _width(was) == _width(becomes):
            return None
        return Way("COPY", "H507", "a value that does not come last gives the others new numbers", lock="SHARED")
    if was.name == becomes.name and was.name in _OF_LENGTH:
        return _lengthened(was, becomes, charset, known)
    if _plain(was) == _plain(becomes):
        return None
    return Way("COPY", "H501", f"{was} becomes {becomes}", lock="SHARED")


def _plain(type_: Type) -> tuple[str, tuple[str, ...], frozenset[str]]:
    """Return a type without the width that integers are shown with."""
    is_integer = type_.name.endswith("int")
    return type_.name, () if is_integer else type_.args, type_.words


def _width(type_: Type) -> int:
    """Return how many bytes a value of an enum or a set takes."""
    count = len(type_.args)
    return (1 if count < 256 else 2) if type_.name == "enum" else next(n for n in (1, 2, 3, 4, 8) if count <= 8 * n)


def _charset(type_: Type) -> str:
    return next((one.split()[-1] for one in type_.words if one.startswith("character set")), "")


def _collation(type_: Type) -> str:
    return next((one.split()[-1] for one in type_.words if one.startswith("collate")), "")


def _lengthened(was: Type, becomes: Type, charset: str, known: Known) -> Way | None:
    mine, own = _charset(was) or charset, _charset(becomes) or charset
    if mine != own:
        widens = (mine, own) in _WIDENED and known.engine == "mariadb" and known.version >= (10, 4, 3)
        return None if widens else Way("COPY", "H501", "the character set changes", lock="SHARED")
    if known.engine == "mysql" and _collation(was) and _collation(becomes) not in ("", _collation(was)):
        return Way("COPY", "H501", "the collation changes", lock="SHARED")
    each = 1 if was.name == "varbinary" else _BYTES.get(own, 4)
    before, after = (int(one.args[0]) * each if one.args else 0 for one in (was, becomes))
    if after < before:
        return Way("COPY", "H501", f"{was} becomes the shorter {becomes}", lock="SHARED")
    limit = 128 if known.engine == "mariadb" and known.version >= (10, 4, 3) else 256
    if before < 256 <= after and before >= limit:
        return Way("COPY", "H501", "the length of its longest text no longer fits one byte", lock="SHARED")
    if known.engine == "mysql" and before < 256 <= after:
        return Way("COPY", "H501", "the length of its longest text no longer fits one byte", lock="SHARED")
    return INPLACE if known.engine == "mysql" and before != after else None


def _always(found: Way) -> Callable[[Act, Known], Way]:
    return lambda _act, _known: found


_WAYS: Mapping[str, Callable[[Act, Known], Way]] = {
    "add column": _added,
    "drop column": _dropped,
    "modify column": _modified,
    "create index": _indexed,
    "add foreign key": _referred,
    "add check": _checked,
    "set engine": _engine,
    "rename column": _renamed,
    "set default": _always(INSTANT),
    "drop default": _always(INSTANT),
    "drop index": _always(INPLACE),
    "rename index": _always(INPLACE),
    "drop foreign key": _always(INPLACE),
    "add primary key": _always(Way("REBUILD", "H511", "the primary key orders the rows on disk")),
    "encrypt": _always(Way("COPY", "H510", "every page is written encrypted, or plain", lock="SHARED")),
    "rebuild": _always(Way("REBUILD", "H511", "that is what it is for")),
    "convert charset": _converted,
    "partition": _always(Way("COPY", "H509", "every row is put into its partition", lock="SHARED")),
    "add partition": _always(INPLACE),
    "system versioning": _always(Way("COPY", "H504", "every row gets the time from which it holds", lock="SHARED")),
}
