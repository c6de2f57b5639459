"""Reads PostgreSQL's statements into acts, by its own parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream

from rehearse.hazards import _postgres_alter, _postgres_columns
from rehearse.hazards._postgres_alone import is_concurrent, stands_alone
from rehearse.hazards._postgres_kinds import CALLED_BY_NAME, CREATES, DROPS, HARMLESS
from rehearse.hazards._postgres_names import named, ranged, texts
from rehearse.hazards.acts import Act, Does, Said

Node = Any  # of pglast's tree
_MODES = (
    "", "access share", "row share", "row exclusive", "share update exclusive", "share", "share row exclusive",
    "exclusive", "access exclusive",
)  # fmt: skip
_STRATEGIES = {"r": "range", "l": "list", "h": "hash"}


def read(sql: str, *, version: tuple[int, ...] = ()) -> Said:
    """Return what one statement does; a text that cannot be read says so."""
    try:
        parsed = parse_sql(sql)
    except ParseError as error:
        return Said(sql=sql, unread=f"PostgreSQL's parser does not know it: {error.args[0]}")
    nodes = [one.stmt for one in parsed]
    acts = tuple(act for node in nodes for act in _acts(node))
    unknown = next((type(one).__name__ for one in nodes if type(one) not in _READERS.keys() | HARMLESS), None)
    return Said(
        sql=sql,
        acts=acts,
        stands_alone=any(stands_alone(node, version) for node in nodes),
        unread=f"the reader does not know what it does ({unknown.removesuffix('Stmt')})" if unknown else None,
    )


def _acts(node: Node) -> Iterator[Act]:
    """Yield what a statement does, and what the statements within its WITH do before it."""
    for inner in _inner(node):
        yield from _acts(inner)
    reader = _READERS.get(type(node))
    if reader is not None:
        yield from reader(node)


def _inner(node: Node) -> Iterator[Node]:
    with_ = getattr(node, "withClause", None)
    yield from (one.ctequery for one in (with_.ctes if with_ else ()) if not isinstance(one.ctequery, ast.SelectStmt))
    query = getattr(node, "selectStmt", None) or getattr(node, "query", None)
    if isinstance(query, ast.SelectStmt):  # of INSERT, CREATE TABLE AS: its own WITH
        yield from _inner(query)


def _words(**flags: object) -> frozenset[str]:
    return frozenset(word.replace("_", " ") for word, is_said in flags.items() if is_said)


# --- tables


def _create_table(node: Node) -> Iterator[Act]:
    table = ranged(node.relation)
    is_own = node.relation.relpersistence == "t"
    said = _words(if_not_exists=node.if_not_exists, temporary=is_own, partition=node.partbound is not None)
    yield Act(
        does="create table",
        table=table,
        columns=tuple(one.name or "" for one in node.partspec.partParams) if node.partspec else (),
        references=ranged(node.inhRelations[0]) if node.inhRelations else "",
        expression=RawStream()(node.partbound) if node.partbound else "",
        mode=_STRATEGIES.get(node.partspec.strategy, "") if node.partspec else "",
        said=said,
    )
    for element in node.tableElts or ():
        if isinstance(element, ast.ColumnDef):
            yield from _postgres_columns.added(table, element)
        elif isinstance(element, ast.Constraint):
            yield _postgres_columns.constraint(table, element)


def _create_table_as(node: Node) -> Iterator[Act]:
    if node.objtype == enums.ObjectType.OBJECT_MATVIEW:
        name = ranged(node.into.rel)
        yield Act(does="create view", table=name, name=name)
    else:
        is_own = node.into.rel.relpersistence == "t"
        yield Act(does="create table", table=ranged(node.into.rel), said=_words(temporary=is_own, as_query=True))


def _rename(node: Node) -> Iterator[Act]:
    kind = enums.ObjectType
    table = ranged(node.relation) if node.relation else ""
    if node.renameType == kind.OBJECT_COLUMN and node.relationType != kind.OBJECT_INDEX:
        yield Act(does="rename column", table=table, name=node.subname, to=node.newname)
    elif node.renameType == kind.OBJECT_TABLE:
        yield Act(does="rename table", table=table, to=node.newname)
    elif node.renameType == kind.OBJECT_INDEX:
        yield Act(does="rename index", name=table, to=node.newname)
    elif node.renameType == kind.OBJECT_TABCONSTRAINT:
        yield Act(does="rename constraint", table=table, name=node.subname, to=node.newname)
    elif node.renameType in (kind.OBJECT_VIEW, kind.OBJECT_MATVIEW):
        yield Act(does="rename table", table=table, to=node.newname, said=frozenset({"view"}))
    else:
        said = _words(renamed=node.renameType in CALLED_BY_NAME)
        yield Act(does="alter other", name=named(node.object) or node.subname or table, to=node.newname, said=said)


def _set_schema(node: Node) -> Iterator[Act]:
    if node.relation is not None and node.objectType == enums.ObjectType.OBJECT_TABLE:
        yield Act(does="set schema", table=ranged(node.relation), to=node.newschema)
    else:
        yield Act(does="alter other", to=node.newschema)


def _drop(node: Node) -> Iterator[Act]:
    kind = node.removeType
    cascades = node.behavior == enums.DropBehavior.DROP_CASCADE
    said = _words(cascade=cascades, if_exists=node.missing_ok, concurrently=node.concurrent)
    word = kind.name.removeprefix("OBJECT_").replace("_", " ").lower()
    for one in node.objects:
        full = named(one)
        if kind in (enums.ObjectType.OBJECT_TRIGGER, enums.ObjectType.OBJECT_POLICY, enums.ObjectType.OBJECT_RULE):
            parts = texts(one)
            yield Act(does="drop other", table=named(one[:-1]), name=parts[-1], said=said | {word})
            continue
        does = DROPS.get(kind, "drop other")
        table = full if does == "drop table" else ""
        yield Act(does=does, table=table, name=full, said=said | {word})


def _truncate(node: Node) -> Iterator[Act]:
    said = _words(cascade=node.behavior == enums.DropBehavior.DROP_CASCADE)
    for one in node.relations:
        yield Act(does="truncate", table=ranged(one), said=said)


def _lock(node: Node) -> Iterator[Act]:
    for one in node.relations:
        yield Act(does="lock table", table=ranged(one), mode=_MODES[node.mode], said=_words(nowait=node.nowait))


# --- indexes, storage


def _index(node: Node) -> Iterator[Act]:
    keys = [part.name or RawStream()(part.expr) for part in node.indexParams or ()]
    yield Act(
        does="create index",
        table=ranged(node.relation),
        name=node.idxname or "",
        columns=tuple(keys),
        expression=RawStream()(node.whereClause) if node.whereClause else "",
        said=_words(
            concurrently=node.concurrent,
            unique=node.unique,
            if_not_exists=node.if_not_exists,
            only=not node.relation.inh,
            special=_is_special(node),
        ),
    )


def _is_special(node: ast.IndexStmt) -> bool:
    """Say whether an index is more than the values of columns in their order."""
    plain, nulls = enums.SortByDir.SORTBY_DEFAULT, enums.SortByNulls.SORTBY_NULLS_DEFAULT
    if node.options or node.tableSpace or node.nulls_not_distinct:
        return True
    parts = node.indexParams or ()
    return (
        node.accessMethod != "btree"
        or bool(node.indexIncludingParams)
        or any(one.expr or one.opclass or one.collation or one.ordering != plain for one in parts)
        or any(one.nulls_ordering != nulls for one in parts)
    )


def _reindex(node: Node) -> Iterator[Act]:
    kind = node.kind.name.removeprefix("REINDEX_OBJECT_").lower()
    full = ranged(node.relation) if node.relation else node.name or ""
    is_table = kind == "table"
    yield Act(
        does="reindex",
        table=full if is_table else "",
        name=full,
        said=_words(concurrently=is_concurrent(node)) | {kind},
    )


def _cluster(node: Node) -> Iterator[Act]:
    yield Act(does="cluster", table=ranged(node.relation) if node.relation else "", name=node.indexname or "")


def _vacuum(node: Node) -> Iterator[Act]:
    is_full = any(one.defname == "full" and not _is_off(one) for one in node.options or ())
    does: Does = "vacuum full" if is_full else "vacuum" if node.is_vacuumcmd else "analyze"
    tables = [ranged(one.relation) for one in node.rels or ()] or [""]
    for table in tables:
        yield Act(does=does, table=table)


def _is_off(option: Node) -> bool:
    return option.arg is not None and RawStream()(option.arg).strip("'").lower() in ("off", "false", "0")


def _refresh(node: Node) -> Iterator[Act]:
    said = _words(concurrently=node.concurrent, no_data=node.skipData)
    yield Act(does="refresh", table=ranged(node.relation), said=said)


# --- rows


def _write(node: Node) -> Iterator[Act]:
    does: Does = "update" if isinstance(node, ast.UpdateStmt) else "delete"
    condition = RawStream()(node.whereClause) if node.whereClause else ""
    targets = getattr(node, "targetList", None) or ()
    yield Act(
        does=does,
        table=ranged(node.relation),
        columns=tuple(one.name for one in targets),
        values=tuple(RawStream()(one.val) for one in targets),
        reads=frozenset(name for one in targets for name in _postgres_columns.read(one.val)),
        expression=condition,
        said=_words(where=bool(condition), joined=bool(getattr(node, "fromClause", None))),
    )


def _insert(node: Node) -> Iterator[Act]:
    is_query = node.selectStmt is not None and node.selectStmt.valuesLists is None
    yield Act(does="insert", table=ranged(node.relation), said=_words(as_query=is_query))


def _select(node: Node) -> Iterator[Act]:
    yield Act(does="select", calls=_postgres_columns.called(node), expression=RawStream()(node)[:2000])


def _copy(node: Node) -> Iterator[Act]:
    if node.relation is not None:
        yield Act(does="copy", table=ranged(node.relation), said=_words(local=node.is_from))


# --- transactions, settings


def _transaction(node: Node) -> Iterator[Act]:
    kind = node.kind.name.removeprefix("TRANS_STMT_")
    does: Does = "begin" if kind in ("BEGIN", "START") else "savepoint"
    does = "commit" if kind in ("COMMIT", "PREPARE") else "rollback" if kind == "ROLLBACK" else does
    yield Act(does=does)


def _set(node: Node) -> Iterator[Act]:
    values = [RawStream()(one).strip("'") for one in node.args or ()]
    is_reset = node.kind.name != "VAR_SET_VALUE"
    yield Act(
        does="set",
        name=(node.name or "").lower(),
        to=", ".join(values),
        said=_words(local=node.is_local, reset=is_reset),
    )


# --- other objects


def _create_enum(node: Node) -> Iterator[Act]:
    yield Act(does="create enum", name=named(node.typeName), columns=tuple(one.sval for one in node.vals or ()))


def _alter_enum(node: Node) -> Iterator[Act]:
    if node.oldVal is not None:
        yield Act(does="alter other", name=named(node.typeName), to=node.newVal, said=frozenset({"rename value"}))
        return
    said = _words(if_not_exists=node.skipIfNewValExists, placed=node.newValNeighbor is not None)
    yield Act(does="add enum value", name=named(node.typeName), to=node.newVal, said=said)


def _create_domain(node: Node) -> Iterator[Act]:
    kinds = {one.contype for one in node.constraints or ()}
    said = _words(check=enums.ConstrType.CONSTR_CHECK in kinds, not_null=enums.ConstrType.CONSTR_NOTNULL in kinds)
    yield Act(does="create domain", name=named(node.domainname), said=said)


def _alter_domain(node: Node) -> Iterator[Act]:
    name = named(node.typeName)
    if node.subtype == "C":
        said = _words(not_valid=node.def_.skip_validation)
        yield Act(does="add to domain", name=name, said=said)
    elif node.subtype == "O":
        yield Act(does="add to domain", name=name, said=frozenset({"not null"}))
    else:
        yield Act(does="alter other", name=name)


def _drop_owned(_node: Node) -> Iterator[Act]:
    yield Act(does="drop schema", name="what a role owns")


def _explain(node: Node) -> Iterator[Act]:
    """Yield what EXPLAIN ANALYZE runs; EXPLAIN alone runs nothing."""
    if any(one.defname == "analyze" and not _is_off(one) for one in node.options or ()):
        yield from _acts(node.query)


def _unseen(node: Node) -> Iterator[Act]:
    prepared = "a prepared statement" if isinstance(node, ast.ExecuteStmt) else "a call of a procedure"
    word = "a DO block" if isinstance(node, ast.DoStmt) else prepared
    yield Act(does="unseen", name=word, expression=_body(node))


def _body(node: Node) -> str:
    bodies = [one.arg.sval for one in getattr(node, "args", None) or () if getattr(one, "defname", "") == "as"]
    return bodies[0] if bodies else ""


def _other(does: Does) -> Callable[[Node], Iterator[Act]]:
    """Return a reader of statements that are told by their kind alone."""

    def reader(node: Node) -> Iterator[Act]:
        relation = getattr(node, "relation", None) or getattr(node, "table", None) or getattr(node, "view", None)
        table = ranged(relation) if isinstance(relation, ast.RangeVar) else ""
        name = next(
            (str(value) for key in ("policy_name", "trigname", "dbname") if (value := getattr(node, key, None))), ""
        )
        yield Act(does=does, table=table, name=name)

    return reader


_READERS: Mapping[type, Callable[[Node], Iterator[Act]]] = {
    ast.CreateStmt: _create_table,
    ast.CreateTableAsStmt: _create_table_as,
    ast.AlterTableStmt: _postgres_alter.acts,
    ast.RenameStmt: _rename,
    ast.AlterObjectSchemaStmt: _set_schema,
    ast.DropStmt: _drop,
    ast.DropdbStmt: _other("drop database"),
    ast.TruncateStmt: _truncate,
    ast.LockStmt: _lock,
    ast.IndexStmt: _index,
    ast.ReindexStmt: _reindex,
    ast.ClusterStmt: _cluster,
    ast.VacuumStmt: _vacuum,
    ast.RefreshMatViewStmt: _refresh,
    ast.UpdateStmt: _write,
    ast.DeleteStmt: _write,
    ast.MergeStmt: lambda node: iter([Act(does="update", table=ranged(node.relation), said=frozenset({"where"}))]),
    ast.InsertStmt: _insert,
    ast.SelectStmt: _select,
    ast.CopyStmt: _copy,
    ast.TransactionStmt: _transaction,
    ast.VariableSetStmt: _set,
    ast.CreateEnumStmt: _create_enum,
    ast.AlterEnumStmt: _alter_enum,
    ast.CreateDomainStmt: _create_domain,
    ast.AlterDomainStmt: _alter_domain,
    ast.DoStmt: _unseen,
    ast.CallStmt: _unseen,
    ast.ExecuteStmt: _unseen,
    ast.DropOwnedStmt: _drop_owned,
    ast.ExplainStmt: _explain,
    ast.ViewStmt: _other("create view"),
    ast.CreateTrigStmt: _other("create trigger"),
    ast.CreatePolicyStmt: _other("policy"),
    ast.AlterPolicyStmt: _other("policy"),
    ast.CommentStmt: _other("comment"),
    ast.GrantStmt: _other("grant"),
    ast.CreateFunctionStmt: _other("create other"),
    ast.CreateSeqStmt: _other("create other"),
    ast.CreateExtensionStmt: _other("create other"),
    ast.CreateSchemaStmt: _other("create other"),
    ast.AlterSeqStmt: _other("alter other"),
    ast.AlterFunctionStmt: _other("alter other"),
    **dict.fromkeys(CREATES, _other("create other")),
}
