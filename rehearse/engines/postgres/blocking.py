"""Which rows a statement of DDL failed on: those that are NULL, too long, doubled or orphans, by what it asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import psycopg
from pglast import ast, enums, parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream
from psycopg import Connection, sql

from rehearse.engines.postgres import images, promises
from rehearse.engines.postgres.schema import Connects
from rehearse.protocols import Role

_TIMEOUT = "30s"
_KEYS = 1_000
_RESOLVED = """
select n.nspname, c.relname, c.relkind = 'p'
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass(%s)
"""
_INTEGERS = {"int2": 2, "int4": 4, "int8": 8}
# A number is rounded on its way to an integer; a text must be one as it stands.
_NO_INTEGER = r"""
case when {value}::text ~ '^\s*[-+]?\d+\s*$' or pg_typeof({value}) in ('numeric', 'float4', 'float8')
    then round({value}::text::numeric) not between -{half} and {half} - 1
    else {value} is not null end
"""
Condition = sql.Composable
Node = Any  # of pglast's tree


class InTheWay(TypedDict):
    """What a statement asks of the rows of a table, and those that do not fit; None: it could not be counted."""

    table: str
    rule: str
    rows: int | None
    rows_before: int | None
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A condition that is true for the rows of a table which a statement fails on; None: it cannot be told in SQL."""

    table: Node
    rule: str
    unfit: Condition | None


def in_the_way(
    database: Connects, start: Connects | None, statement: str, settings: Mapping[str, str]
) -> list[InTheWay]:
    """Return what a statement that failed asks of rows, and how many do not fit, now and at the start.

    What all rows fit is left out, as it is not what the statement failed on. Reads each table whole, for each demand.
    """
    demands = list(_demands(statement))
    if not demands:
        return []
    with _reading(database, settings) as now:
        found = [(one, _counted(now, one)) for one in demands]
    found = [(one, count) for one, count in found if count is None or count[1]]
    if start is None:
        return [_in_the_way(one, count, None) for one, count in found]
    with _reading(start, settings) as before:
        return [_in_the_way(one, count, _counted(before, one)) for one, count in found]


Count = tuple[str, int, tuple[str, ...]]  # the table's name, rows, keys


def _in_the_way(one: Demand, count: Count | None, before: Count | None) -> InTheWay:
    return InTheWay(
        table=count[0] if count else _plain(one.table),
        rule=one.rule,
        rows=count[1] if count else None,
        rows_before=before[1] if before else None,
        keys=count[2] if count else (),
    )


def _reading(database: Connects, settings: Mapping[str, str]) -> Connection[Any]:
    connection = database.connect(Role.OWNER)
    for name, value in {**settings, "default_transaction_read_only": "on", "statement_timeout": _TIMEOUT}.items():
        connection.execute("select set_config(%s, %s, false)", [name, value])
    return connection


def _counted(connection: Connection[Any], one: Demand) -> Count | None:
    if one.unfit is None:
        return None
    try:
        resolved = connection.execute(_RESOLVED, [_written(one.table).as_string(connection)]).fetchone()
        if resolved is None:
            return None
        schema, relation, parted = resolved
        name = promises.named(schema, relation)
        known = images.read(connection).get(name)
        query = sql.SQL(
            "select count(*), (array_agg(key order by key))[:{}] from (select {} as key from {} as {} where {}) found"
        ).format(
            sql.Literal(_KEYS),
            promises.told_by(known.key if known else ()),
            promises.rows_of(schema, relation, is_partitioned=parted),
            sql.Identifier(one.table.relname),
            one.unfit,
        )
        found = connection.execute(query).fetchone()
    except psycopg.Error:  # a column that the statement's own transaction had made, or a value that cannot be computed
        return None
    assert found is not None, "an aggregate returns one row"
    return name, int(found[0]), tuple(found[1] or ())


# --- what statements demand


def _demands(statement: str) -> Iterator[Demand]:
    try:
        trees = parse_sql(statement)
    except ParseError:
        return
    for tree in trees:
        if isinstance(tree.stmt, ast.AlterTableStmt):
            for command in tree.stmt.cmds or ():
                yield from _of_command(tree.stmt.relation, command)
        elif isinstance(tree.stmt, ast.IndexStmt) and tree.stmt.unique:
            yield _of_index(tree.stmt)


def _of_command(table: Node, command: Node) -> Iterator[Demand]:
    kind = enums.AlterTableType
    if command.subtype == kind.AT_SetNotNull:
        yield Demand(table=table, rule=f"NOT NULL of {command.name}", unfit=_is_null([command.name]))
    elif command.subtype == kind.AT_AlterColumnType:
        yield _of_type(table, command.name, command.def_)
    elif command.subtype == kind.AT_AddConstraint:
        yield from _of_constraint(table, command.def_)


def _of_type(table: Node, column: str, definition: Node) -> Demand:
    """Return the demand of a new type: whole numbers in its range, texts of its length, else any of its texts."""
    type_, own = RawStream()(definition.typeName), _column(table, column)
    base, lengths = definition.typeName.names[-1].sval, [one.val.ival for one in definition.typeName.typmods or ()]
    if base in _INTEGERS:
        unfit = sql.SQL(_NO_INTEGER).format(value=own, half=sql.Literal(1 << (8 * _INTEGERS[base] - 1)))
    elif base in {"varchar", "bpchar"} and lengths:
        unfit = sql.SQL("char_length(rtrim({}::text, ' ')) > {}").format(own, sql.Literal(lengths[0]))
    else:  # from 16 on
        unfit = sql.SQL("{0} is not null and not pg_input_is_valid({0}::text, {1})").format(own, sql.Literal(type_))
    using = definition.raw_default
    is_plain = using is None or (isinstance(using, ast.TypeCast) and isinstance(using.arg, ast.ColumnRef))
    return Demand(table=table, rule=f"type {type_} of {column}", unfit=unfit if is_plain else None)


def _of_constraint(table: Node, one: Node) -> Iterator[Demand]:
    kind, columns = enums.ConstrType, [key.sval for key in one.keys or ()]
    if one.contype == kind.CONSTR_CHECK:
        text = RawStream()(one.raw_expr)
        yield Demand(table=table, rule=f"CHECK ({text})", unfit=sql.SQL(f"({text}) is false"))
    elif one.contype == kind.CONSTR_NOTNULL:
        yield Demand(table=table, rule=f"NOT NULL of {', '.join(columns)}", unfit=_is_null(columns))
    elif one.contype in {kind.CONSTR_UNIQUE, kind.CONSTR_PRIMARY} and columns:
        rule = f"{'PRIMARY KEY' if one.contype == kind.CONSTR_PRIMARY else 'UNIQUE'} ({', '.join(columns)})"
        if one.contype == kind.CONSTR_PRIMARY:
            yield Demand(table=table, rule=f"{rule}: NOT NULL", unfit=_is_null(columns))
        yield Demand(table=table, rule=rule, unfit=_doubled(table, [sql.Identifier(name) for name in columns], None))
    elif one.contype == kind.CONSTR_FOREIGN:
        mine, theirs = ([name.sval for name in names or ()] for names in (one.fk_attrs, one.pk_attrs))
        rule = f"FOREIGN KEY ({', '.join(mine)}) REFERENCES {_plain(one.pktable)}"
        yield Demand(table=table, rule=rule, unfit=_orphaned(table, mine, one.pktable, theirs) if theirs else None)


def _of_index(one: Node) -> Demand:
    parts = [
        sql.Identifier(part.name) if part.name else sql.SQL(f"({RawStream()(part.expr)})") for part in one.indexParams
    ]
    shown = ", ".join(part.name or RawStream()(part.expr) for part in one.indexParams)
    where = sql.SQL(RawStream()(one.whereClause)) if one.whereClause else None
    return Demand(table=one.relation, rule=f"UNIQUE ({shown})", unfit=_doubled(one.relation, parts, where))


def _is_null(columns: Sequence[str]) -> Condition:
    return sql.SQL("num_nulls({}) > 0").format(sql.SQL(", ").join(map(sql.Identifier, columns)))


def _doubled(table: Node, parts: Sequence[Condition], where: Condition | None) -> Condition:
    """Return the condition for all rows of which another has the same values."""
    listed, kept = sql.SQL(", ").join(parts), where or sql.SQL("true")
    return sql.SQL("({2}) and ({0}) in (select {0} from {1} where {2} group by {0} having count(*) > 1)").format(
        listed, _written(table), kept
    )


def _orphaned(table: Node, mine: Sequence[str], parent: Node, theirs: Sequence[str]) -> Condition:
    own = [_column(table, name) for name in mine]
    equal = [
        sql.SQL("p.{} = {}").format(sql.Identifier(name), column) for name, column in zip(theirs, own, strict=True)
    ]
    return sql.SQL("num_nulls({}) = 0 and not exists (select from {} p where {})").format(
        sql.SQL(", ").join(own), _written(parent), sql.SQL(" and ").join(equal)
    )


def _column(table: Node, name: str) -> sql.Identifier:
    return sql.Identifier(table.relname, name)


def _written(table: Node) -> sql.Identifier:
    return sql.Identifier(*([table.schemaname] if table.schemaname else []), table.relname)


def _plain(table: Node) -> str:
    name: str = table.relname
    return name if table.schemaname in {None, "public"} else f"{table.schemaname}.{name}"
