"""Which rows a statement writes, by key, and with which values: what integrity is checked against afterwards.

The key comes from the parameters where they name it (`WHERE id = :id`, `INSERT … (id) VALUES (:id)`). Else the table's
key is appended to the statement's RETURNING, so that the server tells which rows they were; or the server's answer to
an insert tells the number that it gave. What no key can tell is a write with no key, and its table cannot be verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from rehearse.model import Survey, TableFacts
from rehearse.workload.default import quoted
from rehearse.workload.shapes import WRITES, below, cascades, named, parsed, target

_MAY_WRITE = re.compile(r"\b(insert|update|delete|replace|merge|truncate|copy|call|execute|do)\b", re.IGNORECASE)

_REPLACES = re.compile(r"\s*replace\b", re.IGNORECASE)

Source = tuple[str, int | str | None]  # ("param", index from 0) or ("text", a literal as text, None for NULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Rows that a statement writes. Without `key` they are told by RETURNING if `returned`, else not at all.

    `row` is the place in a VALUES list whose rows are told by RETURNING, None where all rows get the same values.
    """

    table: str
    kind: str
    key: tuple[tuple[str, Source], ...] = ()
    key_columns: tuple[str, ...] = ()
    returned: bool = False
    row: int | None = None
    values: tuple[tuple[str, Source], ...] = ()
    deltas: tuple[tuple[str, Source, int], ...] = ()  # column, amount, sign
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A statement as it is to be sent, what its answer must tell (see `protocols.Call`), and its writes."""

    sql: str
    tells: int | None = None
    writes: tuple[Write, ...] = field(default_factory=tuple)


def ledger(sql: str, survey: Survey, *, engine: str = "postgres") -> Ledger:
    """Return what a statement with $1 … $n writes.

    Which rows functions write, or text that cannot be parsed, is not told.
    """
    called = tuple(_called(sql, survey))
    tree = parsed(sql, engine=engine)
    if tree is None:
        return Ledger(sql=sql, writes=called or tuple(_mentioned(sql, survey)))
    if not survey.folds:
        _settle_names(tree, survey)
    is_replace = bool(_REPLACES.match(sql))
    writes = [*_main(tree, survey, is_replace=is_replace), *_nested(tree, survey), *called]
    can_return = _can_return(tree, survey)
    if not can_return and not _tells_number(tree, survey, is_replace=is_replace):
        writes = [replace(one, returned=False) for one in writes]
        writes += _conflicting(tree, survey, writes)
    if not writes:
        return Ledger(sql=sql)
    asked = next((one.key_columns for one in writes if one.returned), ())
    if asked and can_return:
        sql = _with_returning(sql, tree, asked, survey.quote)
    return Ledger(sql=sql, tells=len(asked), writes=tuple(writes))


def _settle_names(tree: exp.Expr, survey: Survey) -> None:
    """Give names the case that the server has them in, where case in a column's name has no meaning."""
    columns = {column.lower(): column for table in survey.tables.values() for column in table.columns}
    known = {column for table in survey.tables.values() for column in table.columns}
    for name in tree.find_all(exp.Identifier):
        name.set("quoted", True)  # noqa: FBT003
        if not isinstance(name.parent, exp.Table) and name.this not in known:
            name.set("this", columns.get(name.this.lower(), name.this))


def _can_return(tree: exp.Expr, survey: Survey) -> bool:
    """Say whether the server lets the statement tell its rows; MariaDB's DELETE of several tables does not."""
    return tree.key in survey.returning and (survey.folds or not tree.args.get("tables"))


def _tells_number(tree: exp.Expr, survey: Survey, *, is_replace: bool) -> bool:
    """Say whether the answer to an insert tells the keys of its rows: numbers in a row, which all the server gives."""
    table = target(tree)
    facts = survey.tables.get(named(table, survey)) if table is not None else None
    if (
        not isinstance(tree, exp.Insert)
        or facts is None
        or facts.numbered is None
        or tree.args.get("conflict")
        or (is_replace and not facts.only_key)
    ):
        return False
    rows = _rows(tree)
    if not rows or (tree.args.get("ignore") and len(rows) > 1):
        return False
    columns = _insert_columns(tree, facts)
    given = [dict(zip(columns, row, strict=False)).get(facts.numbered) for row in rows]
    return all(one is None or isinstance(one, exp.Null) for one in given)


def _main(tree: exp.Expr, survey: Survey, *, is_replace: bool) -> Iterator[Write]:
    table = target(tree) if isinstance(tree, WRITES) else None
    if table is None:
        return
    facts = survey.tables.get(named(table, survey))
    if facts is None or isinstance(tree, exp.Merge):
        yield from _untold(tree, table, survey)
    elif is_replace and not facts.only_key:
        yield Write(table=facts.table, kind="update")  # other rows than the one that it names may go
    elif isinstance(tree, exp.Insert):
        yield from _insert(tree, facts)
    elif isinstance(tree, exp.Update):
        yield _update(tree, table, facts)
    else:
        yield _keyed(Write(table=facts.table, kind="delete"), tree, table, facts)
    if (is_replace or isinstance(tree, exp.Delete)) and facts is not None:
        yield from (Write(table=child, kind="delete") for child in sorted(cascades(facts.table, survey)))


def _nested(tree: exp.Expr, survey: Survey) -> Iterator[Write]:
    """Yield the writes of WITH queries: their rows are not told, as the answer counts the outer statement's."""
    for node in tree.find_all(*WRITES):
        table = target(node)
        if node is not tree and table is not None:
            yield from _untold(node, table, survey)


def _called(sql: str, survey: Survey) -> Iterator[Write]:
    """Yield the writes of the users' functions and procedures that a statement calls."""
    names = {one.strip('"').lower() for one in re.findall(r'(\w+|"[^"]+")\s*\(', sql)}
    tables = {table for name in names for table in survey.functions.get(name, ())}
    yield from (Write(table=table, kind="update") for table in sorted(tables))


def _mentioned(sql: str, survey: Survey) -> Iterator[Write]:
    """Yield a write to each table that a text has as a word, if it may write rows at all."""
    if not _MAY_WRITE.search(sql):
        return
    words = set(re.findall(r"\w+", sql.lower()))
    for table in sorted(survey.tables):
        if survey.tables[table].name.lower() in words:
            yield Write(table=table, kind="update")


def _untold(node: exp.Expr, table: exp.Table, survey: Survey) -> Iterator[Write]:
    conflict = node.args.get("conflict")
    may_change = isinstance(node, exp.Merge) or (conflict is not None and _changes(conflict))
    kind = "update" if may_change else node.key
    yield from (Write(table=name, kind=kind) for name in below(named(table, survey), survey))


# --- inserts


def _insert(tree: exp.Insert, facts: TableFacts) -> Iterator[Write]:
    columns = _insert_columns(tree, facts)
    rows = _rows(tree)
    conflict = tree.args.get("conflict")
    told = replace(_told(facts, "insert"), unclear=_others(facts, ()))
    may_give_way = conflict is not None or tree.args.get("ignore")
    if rows is None or (may_give_way and len(rows) > 1):
        yield told
        return
    for number, row in enumerate(rows):
        given = dict(zip(columns, map(_source, row), strict=False))
        values = tuple((column, source) for column, source in given.items() if source is not None)
        by_params = _key(given, facts)
        if conflict is not None and _changes(conflict):
            by_params = by_params if _is_of_key(conflict, facts) else None
            values = ()
        unclear = _others(facts, [column for column, _ in values])
        if by_params is not None:
            yield Write(
                table=facts.table, kind="insert", key=by_params, key_columns=facts.key, values=values, unclear=unclear
            )
        else:
            yield replace(told, row=number if len(rows) > 1 else None, values=values, unclear=unclear)


def _conflicting(tree: exp.Expr, survey: Survey, inserts: Sequence[Write]) -> Iterator[Write]:
    """Yield what an insert without a key does to a row that was there: the columns that it sets are unclear."""
    table, conflict = target(tree), tree.args.get("conflict")
    facts = survey.tables.get(named(table, survey)) if table is not None else None
    if facts is None or conflict is None or all(one.key for one in inserts):
        return
    columns = _set_columns(conflict)
    if columns & set(facts.key):
        yield Write(table=facts.table, kind="update")
    elif columns:
        yield Write(table=facts.table, kind="update", unclear=tuple(sorted(columns | set(facts.unclear))))


def _insert_columns(tree: exp.Insert, facts: TableFacts) -> Sequence[str]:
    if isinstance(tree.this, exp.Schema):
        return [_column(one) for one in tree.this.expressions]
    return facts.columns


def _rows(tree: exp.Insert) -> list[list[exp.Expr]] | None:
    """Return the rows of VALUES; None where they come from a query."""
    source = tree.args.get("expression")
    if source is None:
        return [[]]  # DEFAULT VALUES
    if not isinstance(source, exp.Values):
        return None
    return [list(row.expressions) if isinstance(row, exp.Tuple) else [row] for row in source.expressions]


def _changes(conflict: exp.Expr) -> bool:
    return bool(conflict.expressions)


def _is_of_key(conflict: exp.Expr, facts: TableFacts) -> bool:
    """Say whether a conflict can only be one of the table's key, and leaves the key as it is."""
    if _set_columns(conflict) & set(facts.key):
        return False
    return facts.only_key if conflict.args.get("duplicate") else set(_conflict_columns(conflict)) == set(facts.key)


def _set_columns(conflict: exp.Expr) -> set[str]:
    """Return the columns that a conflict sets; `id = LAST_INSERT_ID(id)` sets none, and only tells the number."""
    found = set()
    for one in conflict.expressions:
        value = one.expression
        while isinstance(value, exp.Anonymous) and value.name.lower() == "last_insert_id" and value.expressions:
            value = value.expressions[0]
        if not isinstance(value, exp.Column) or value.table or one.this.name != value.name:
            found |= {_column(name) for name in one.this.find_all(exp.Column)}
    return found


def _conflict_columns(conflict: exp.Expr) -> list[str]:
    return [_column(one) for one in conflict.args.get("conflict_keys") or []]


# --- updates and deletes


def _update(tree: exp.Update, table: exp.Table, facts: TableFacts) -> Write:
    values: list[tuple[str, Source]] = []
    deltas: list[tuple[str, Source, int]] = []
    unclear = set(facts.unclear)
    for one in tree.expressions:
        column = _column(one.this) if isinstance(one, exp.EQ) and isinstance(one.this, exp.Column) else None
        if column is None:  # (a, b) = (…)
            unclear |= {_column(found) for found in one.this.find_all(exp.Column, exp.Identifier)}
        elif (source := _source(one.expression)) is not None:
            values.append((column, source))
        elif (delta := _delta(column, one.expression)) is not None:
            deltas.append((column, *delta))
        else:
            unclear.add(column)
    changed = {column for column, *_ in [*values, *deltas]}
    write = Write(
        table=facts.table,
        kind="update",
        values=tuple(one for one in values if one[0] not in facts.unclear),
        deltas=tuple(one for one in deltas if one[0] not in facts.unclear),
        unclear=tuple(sorted(unclear)),
    )
    if (changed | unclear) & set(facts.key):
        return Write(table=facts.table, kind="update")
    return _keyed(write, tree, table, facts)


def _keyed(write: Write, tree: exp.Expr, table: exp.Table, facts: TableFacts) -> Write:
    """Give an update or delete the key that its WHERE names, or have it told by RETURNING."""
    where = tree.args.get("where")
    named_in_where = dict(_equalities(where.this, table)) if where is not None else {}
    key = _key(named_in_where, facts)
    if key is not None:
        return replace(write, key=key, key_columns=facts.key)
    return replace(write, returned=bool(facts.key), key_columns=facts.key)


def _equalities(condition: exp.Expr, table: exp.Table) -> Iterator[tuple[str, Source]]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _equalities(condition.left, table)
        yield from _equalities(condition.right, table)
    elif isinstance(condition, exp.EQ):
        for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
            source = _source(other)
            if isinstance(one, exp.Column) and source is not None and one.table in ("", table.alias_or_name):
                yield _column(one), source


def _delta(column: str, value: exp.Expr) -> tuple[Source, int] | None:
    """Return amount and sign of `column + amount`, `amount + column` or `column - amount`."""
    value = value.unnest()
    if not isinstance(value, exp.Add | exp.Sub):
        return None
    left, right = value.left.unnest(), value.right.unnest()
    if isinstance(left, exp.Column) and _column(left) == column:
        amount, sign = _source(right), -1 if isinstance(value, exp.Sub) else 1
    elif isinstance(value, exp.Add) and isinstance(right, exp.Column) and _column(right) == column:
        amount, sign = _source(left), 1
    else:
        return None
    return None if amount is None or amount[1] is None else (amount, sign)


# --- parts


def _told(facts: TableFacts, kind: str) -> Write:
    return Write(table=facts.table, kind=kind, key_columns=facts.key, returned=bool(facts.key))


def _key(
    given: dict[str, Source] | dict[str, Source | None], facts: TableFacts
) -> tuple[tuple[str, Source], ...] | None:
    key = [(column, given.get(column)) for column in facts.key]
    whole = tuple((column, source) for column, source in key if source is not None and source[1] is not None)
    return whole if whole and len(whole) == len(key) else None


def _others(facts: TableFacts, clear: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that an insert leaves to defaults, triggers and generation."""
    known = set(clear) - set(facts.unclear)
    return tuple(column for column in facts.columns if column not in known and column not in facts.key)


def _source(value: exp.Expr) -> Source | None:
    """Return where a value comes from: a parameter or a literal, casts passed over; None for anything else."""
    value = value.unnest()
    sign = ""
    while isinstance(value, exp.Cast | exp.Neg):
        sign = "-" if isinstance(value, exp.Neg) else sign
        value = value.this.unnest()
    if isinstance(value, exp.Parameter) and value.this.name.isdigit() and not sign:
        return ("param", int(value.this.name) - 1)
    if isinstance(value, exp.Literal):
        return ("text", sign + value.name)
    if isinstance(value, exp.Null):
        return ("text", None)
    if isinstance(value, exp.Boolean):
        return ("text", "true" if value.this else "false")
    return None


def _column(node: exp.Expr) -> str:
    identifier = node.this if isinstance(node, exp.Column) else node
    quoted = isinstance(identifier, exp.Identifier) and identifier.args.get("quoted")
    return node.name if quoted else node.name.lower()


def _with_returning(sql: str, tree: exp.Expr, columns: Sequence[str], quote: str) -> str:
    """Append key columns to a statement's RETURNING, qualified where an UPDATE may join other tables."""
    table = target(tree)
    assert table is not None
    owner = table.args["alias"].this if table.alias else table.this
    before = (
        f"{owner.sql('postgres')}." if quote == '"' else ""
    )  # MariaDB's RETURNING is of one table and takes no name
    asked = ", ".join(f"{before}{quoted(column, quote)}" for column in columns)
    return f"{sql}\n, {asked}" if tree.args.get("returning") else f"{sql}\nRETURNING {asked}"
