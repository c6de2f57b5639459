"""What becomes of a column's values when its type changes: nothing, a rewrite, or a loss."""

from __future__ import annotations

from rehearse.hazards.acts import Type
from rehearse.hazards.rule import Example

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
_LIMITED = ("numeric", "timestamp", "timestamptz", "time", "timetz", "varbit", "interval")
_ENDLESS = ("text", "varchar", "citext", "mediumtext", "longtext")


def example(sql: str) -> Example:
    """Return an example in the words of MySQL and MariaDB alike."""
    return Example(sql=sql)


_REACHED = (
    "text", "varchar", "numeric", "timestamptz", "timestamp", "citext", "varbit", "time", "timetz", "interval", "inet",
)  # fmt: skip


def is_free_from(type_: Type) -> bool:
    """Say whether PostgreSQL comes to this type from any other without writing the table anew."""
    return "[]" not in type_.words and type_.name in _REACHED


def free(type_: Type) -> str:
    """Say in words from which types that is."""
    if type_.name in ("text", "varchar"):
        return "it is a varchar of no greater length"
    if type_.name == "numeric":
        return "it is a numeric of the same scale and no greater precision"
    if type_.name in ("timestamptz", "timestamp"):
        return "it is a timestamp, and timezone is UTC (from PostgreSQL 12 on)"
    return "its values are stored alike"


def is_free(was: Type, becomes: Type, *, is_utc: bool) -> bool:
    """Say whether PostgreSQL takes the rows as they are."""
    names = (was.name, becomes.name)
    if was == becomes or "[]" in was.words | becomes.words:
        return was == becomes
    if names in (("timestamp", "timestamptz"), ("timestamptz", "timestamp")):
        return is_utc and _fits(was.args or ("6",), becomes.args or ("6",))
    if names[0] in ("varchar", "text", "citext") and names[1] in ("varchar", "text"):
        return not becomes.args or _fits(was.args, becomes.args)
    if names[0] == names[1] and names[0] in _LIMITED:
        return not becomes.args or (_fits(was.args, becomes.args) and was.args[1:] == becomes.args[1:])
    if names[1] == "citext":
        return names[0] in ("text", "varchar")
    return names in (("cidr", "inet"), ("xml", "text"), ("bit", "varbit"))


def compares_otherwise(was: Type, becomes: Type) -> bool:
    """Say whether values that are stored alike are compared otherwise, so that their indexes are built anew."""
    return (was.name == "citext") != (becomes.name == "citext")


def _scale(type_: Type) -> str:
    return type_.args[1] if len(type_.args) > 1 else "0"


def _fits(was: tuple[str, ...], becomes: tuple[str, ...]) -> bool:
    """Say whether a length or precision is known and no smaller than before."""
    return bool(was) and bool(becomes) and was[0].isdigit() and becomes[0].isdigit() and int(was[0]) <= int(becomes[0])


def narrower(was: Type, becomes: Type) -> str:
    """Say in words why a type holds less than another; "": it holds all, or it is not known."""
    if was.name in _BITS and becomes.name in _BITS and _BITS[becomes.name] < _BITS[was.name]:
        return f"{becomes} has fewer bits than {was}"
    if becomes.name in ("varchar", "char") and becomes.args and was.name in (*_ENDLESS, "char"):
        if not was.args or not _fits(was.args, becomes.args):
            return f"{becomes} is shorter than {was}"
        return ""
    if {was.name, becomes.name} <= {"numeric", "decimal"} and was.args and becomes.args:
        whole = [int(one.args[0]) - int(_scale(one)) for one in (was, becomes)]
        if whole[1] < whole[0] or int(_scale(becomes)) < int(_scale(was)):
            return f"{becomes} has fewer digits than {was}"
    if was.name == becomes.name and was.name in ("enum", "set"):
        gone = [one for one in was.args if one not in becomes.args]
        return f"{', '.join(gone)} is no value any more" if gone else ""
    return ""
