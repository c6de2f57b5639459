"""Statements that make what stands on a table: its columns, constraints, indexes, rights, comments, views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rehearse.errors import ScenarioMistake
from rehearse.model.names import split
from rehearse.profiles.blueprint import Column, Constraint, Grant, Index, Plan, Trigger, View
from rehearse.strategies.postgres.names import beside, listed, qualified, quoted, table, text


def column(one: Column, *, name: str | None = None, bare: bool = False) -> str:
    """Return a column's line; a `bare` one takes NULL and has no default."""
    words = [quoted(name or one.name), one.type]
    if one.collation:
        words.append(f"COLLATE {one.collation}")
    if one.generated is not None:
        words.append(f"GENERATED ALWAYS AS ({one.generated}) {'VIRTUAL' if one.virtual else 'STORED'}")
    if not bare and one.default is not None:
        words.append(f"DEFAULT {one.default}")
    if not bare and not one.nullable:
        words.append("NOT NULL")
    return " ".join(words)


def collated(declared: str, collation: str | None) -> str:
    """Return a type with the collation that its column has, where it is one of text and names none itself."""
    return f"{declared} COLLATE {collation}" if collation and is_text(declared) else declared


def is_text(declared: str) -> bool:
    """Say whether a type can have a collation that it does not name."""
    words = declared.lower()
    return words.startswith(("text", "char", "varchar", "citext")) and " collate " not in words


def add(where: str, one: Constraint, *, valid: bool = True, name: str | None = None) -> str:
    """Return what adds a constraint to a table; one that is not `valid` holds for new rows alone."""
    tail = "" if valid else " NOT VALID"
    return f"ALTER TABLE {where} ADD CONSTRAINT {quoted(name or one.name)} {one.definition}{tail}"


def validate(where: str, name: str) -> str:
    """Return what proves a constraint for the rows that are there."""
    return f"ALTER TABLE {where} VALIDATE CONSTRAINT {quoted(name)}"


def drop_constraint(where: str, name: str) -> str:
    """Return what drops a constraint."""
    return f"ALTER TABLE {where} DROP CONSTRAINT {quoted(name)}"


def index(where: str, one: Index, *, name: str | None = None, concurrently: bool = False) -> str:
    """Return what makes an index."""
    kind = "UNIQUE INDEX" if one.unique else "INDEX"
    how = " CONCURRENTLY" if concurrently else ""
    return f"CREATE {kind}{how} {quoted(name or one.name)} ON {where} {one.definition}"


def concurrent(plan: Plan, where: str, one: Index, *, name: str | None = None) -> tuple[str, ...]:
    """Return what makes an index while all work; one that an earlier attempt left behind goes first."""
    if plan.partitioned:
        raise ScenarioMistake(
            f"change.table: {plan.name} is partitioned, and no index of it can be built while everyone works; take "
            "'plain', or build it on each partition first"
        )
    called = beside(plan, name or one.name)
    return (
        f"DROP INDEX CONCURRENTLY IF EXISTS {called}",
        index(where, one, name=name, concurrently=True),
    )


def of_index(plan: Plan, one: Index, name: str | None = None) -> Iterator[str]:
    """Yield what an index has beside its definition."""
    own = name or one.name
    if one.comment:
        yield f"COMMENT ON INDEX {beside(plan, own)} IS {text(one.comment)}"
    if "CLUSTER" in one.settings:
        yield f"ALTER TABLE {table(plan)} CLUSTER ON {quoted(own)}"


def of_column(plan: Plan, one: Column, *, where: str | None = None, name: str | None = None) -> Iterator[str]:
    """Yield what a column has beside its line: settings, comment, rights."""
    where, own = where or table(plan), name or one.name
    for words in one.settings:
        yield f"ALTER TABLE {where} ALTER COLUMN {quoted(own)} {words}"
    if one.comment:
        yield f"COMMENT ON COLUMN {where}.{quoted(own)} IS {text(one.comment)}"
    yield from (grant(given, where, column=own) for given in plan.grants if given.column == one.name)


def of_constraint(where: str, one: Constraint) -> Iterator[str]:
    """Yield what a constraint has beside its definition."""
    if one.comment:
        yield f"COMMENT ON CONSTRAINT {quoted(one.name)} ON {where} IS {text(one.comment)}"


def grant(one: Grant, where: str, *, kind: str = "", column: str | None = None) -> str:
    """Return what gives rights; those of a column name it."""
    own = column or one.column
    what = (
        one.privileges if own is None else ", ".join(f"{part} ({quoted(own)})" for part in one.privileges.split(", "))
    )
    return f"GRANT {what} ON {kind}{where} TO {one.to}" + (" WITH GRANT OPTION" if one.grantable else "")


def trigger(one: Trigger, where: str) -> Iterator[str]:
    """Yield what makes a trigger."""
    yield f"{one.before} ON {where} {one.after}"
    if one.enabled != "ENABLE":
        yield f"ALTER TABLE {where} {one.enabled} TRIGGER {quoted(one.name)}"
    if one.comment:
        yield f"COMMENT ON TRIGGER {quoted(one.name)} ON {where} IS {text(one.comment)}"


def drop_views(views: Sequence[View]) -> list[str]:
    """Return what drops views, those first that read the others."""
    return [f"DROP VIEW {qualified(one.name)}" for one in reversed(views)]


def make_views(views: Iterable[View], owner: str | None) -> Iterator[str]:
    """Yield what makes views again, as they were."""
    for one in views:
        named = qualified(one.name)
        options = f" {one.options}" if one.options else ""
        yield f"CREATE VIEW {named}{options} AS\n{one.definition}"
        if one.owner and one.owner != owner:
            yield f"ALTER VIEW {named} OWNER TO {quoted(one.owner)}"
        if one.comment:
            yield f"COMMENT ON VIEW {named} IS {text(one.comment)}"
        for column_name, says in one.column_comments.items():
            yield f"COMMENT ON COLUMN {named}.{quoted(column_name)} IS {text(says)}"
        yield from one.also
        yield from (grant(given, named) for given in one.grants)


def of_table(plan: Plan, where: str) -> Iterator[str]:
    """Yield what a table has beside its columns and constraints: comment, rights, triggers."""
    if plan.comment:
        yield f"COMMENT ON TABLE {where} IS {text(plan.comment)}"
    yield from (grant(given, where) for given in plan.grants if given.column is None)


def primary(columns: Sequence[str]) -> str:
    """Return a primary key's definition."""
    return f"PRIMARY KEY ({listed(columns)})"


def own_name(name: str) -> str:
    """Return a table's own name, without its schema, from its name in words."""
    return split(name)[1]
