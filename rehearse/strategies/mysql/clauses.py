"""What ALTER TABLE says for each kind of change, forward and back, and which rows must be written for it."""

from __future__ import annotations

from dataclasses import dataclass

from rehearse.errors import ScenarioMistake
from rehearse.profiles.blueprint import Column, Constraint, Plan
from rehearse.strategies._site import Site, check_columns, found_table
from rehearse.strategies.mysql.names import defaulted, listed, quoted, required, typed, usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Clauses:
    """Words behind ALTER TABLE. `first` come before rows are written by `fill` (an UPDATE), `then` after it.

    `how` is the gentlest way in which the server makes the change by itself; None: it copies the table under a lock.
    """

    first: tuple[str, ...] = ()
    fill: str | None = None
    then: tuple[str, ...] = ()
    back: tuple[str, ...] | None = None
    back_fill: str | None = None
    back_then: tuple[str, ...] = ()
    no_back: str | None = None
    how: str | None = None
    back_how: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """All words, where no row must be written by itself."""
        return (*self.first, *self.then)


def update(plan: Plan, sets: str, where: str = "") -> str:
    """Return an UPDATE that leaves alone what the server would set to the time of it."""
    kept = "".join(
        f", {quoted(one.name)} = {quoted(one.name)}"
        for one in plan.columns.values()
        if "ON UPDATE" in (one.definition or "").upper()
    )
    return f"UPDATE {quoted(plan.own)} SET {sets}{kept}" + (f" WHERE {where}" if where else "")


_INSTANT = "ALGORITHM=INSTANT"
_INPLACE = "ALGORITHM=INPLACE, LOCK=NONE"


def clauses(site: Site) -> Clauses:
    """Return what ALTER TABLE says for a change."""
    return _KINDS[site.change.kind](site)


def _add_column(site: Site) -> Clauses:
    change, own = site.change, quoted(site.column)
    if not change.nullable and change.default is None and change.fill is None:
        raise ScenarioMistake("change.nullable: a column that is NOT NULL needs `default`, or `fill` for old rows")
    default = f" DEFAULT {_value(change.default)}" if change.default is not None else ""
    back = (f"DROP COLUMN {own}",)
    if change.fill is None:
        rule = "" if change.nullable else " NOT NULL"
        added = (f"ADD COLUMN {own} {site['type']}{rule}{default}",)
        return Clauses(first=added, back=back, how=_INSTANT, back_how=_INSTANT)
    then = () if change.nullable else (f"MODIFY COLUMN {own} {site['type']} NOT NULL{default}",)
    return Clauses(
        first=(f"ADD COLUMN {own} {site['type']}",) if then else (f"ADD COLUMN {own} {site['type']}{default}",),
        fill=update(site.plan, f"{own} = {change.fill}"),
        then=then,
        back=back,
        how=_INPLACE,
        back_how=_INSTANT,
    )


def _value(default: str | None) -> str:
    """Return a default as both servers take it: what is no plain value stands in brackets."""
    text = str(default)
    is_plain = text.startswith("'") or text.replace(".", "").lstrip("-").isdigit()
    return text if is_plain or text.startswith("(") or text.upper().split("(")[0] in _WORDS else f"({text})"


_WORDS = ("NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP", "NOW")


def _drop_column(site: Site) -> Clauses:
    own, old = quoted(site.column), site.old()
    words = (f"DROP COLUMN {own}",)
    alone = [one for one in site.plan.indexes if site.column in one.columns]
    how = _INPLACE if alone else _INSTANT
    value = site.change.back.get(site.column)
    if value is None:
        why = f"what {site.column} held is gone; say by change.back how it follows from other columns"
        return Clauses(first=words, no_back=why, how=how)
    bare = old.definition or old.type
    if any(one.columns != (site.column,) for one in alone):
        raise ScenarioMistake(
            f"change.columns: an index of {site.plan.name} is of {site.column} and of others; drop it first"
        )
    return Clauses(
        first=words,
        back=(f"ADD COLUMN {own} {old.type}",),
        back_fill=update(site.plan, f"{own} = {value}", f"NOT {own} <=> ({value})"),
        back_then=(f"MODIFY COLUMN {own} {bare}", *(f"ADD {one.definition}" for one in alone)),
        how=how,
        back_how=_INPLACE,
    )


def _rename(site: Site) -> Clauses:
    old, new = quoted(site.column), quoted(site["to"])
    return Clauses(
        first=(f"RENAME COLUMN {old} TO {new}",),
        back=(f"RENAME COLUMN {new} TO {old}",),
        how=_INPLACE,
        back_how=_INPLACE,
    )


def _change_type(site: Site) -> Clauses:
    if site.change.fill or site.change.back:
        raise ScenarioMistake("change.fill: MODIFY COLUMN casts by itself; on this engine the key is not taken here")
    pointing = [plan.name for plan, one in site.blueprint.children(site.plan.name) if site.column in one.parent_columns]
    own = [one.name for one in site.plan.of_kind("foreign key") if site.column in one.columns]
    if pointing or own:
        raise ScenarioMistake(
            f"change.columns: {site.plan.name}.{site.column} is part of a foreign key; take the kind 'widen key'"
        )
    return _modified(site.old(), site["type"])


def _modified(old: Column, declared: str) -> Clauses:
    before = old.definition or old.type
    return Clauses(
        first=(f"MODIFY COLUMN {quoted(old.name)} {typed(before, declared)}",),
        back=(f"MODIFY COLUMN {quoted(old.name)} {before}",),
    )


def _not_null(site: Site) -> Clauses:
    words, back = [], []
    for name in site.columns:
        old = site.plan.columns[name].definition or ""
        line = required(old)
        if site.change.default is not None:
            line = defaulted(line, _value(site.change.default))
        words.append(f"MODIFY COLUMN {quoted(name)} {line}")
        back.append(f"MODIFY COLUMN {quoted(name)} {old}")
    fill = None
    if site.change.fill:
        sets = ", ".join(f"{quoted(one)} = coalesce({quoted(one)}, {site.change.fill})" for one in site.columns)
        empty = " OR ".join(f"{quoted(one)} IS NULL" for one in site.columns)
        fill = update(site.plan, sets, empty)
    return Clauses(fill=fill, then=tuple(words), back=tuple(back), how=_INPLACE, back_how=_INPLACE)


def _default(site: Site) -> Clauses:
    own, old = quoted(site.column), site.old()
    line = old.definition or ""
    if "ON UPDATE" in line.upper():  # MariaDB's SET DEFAULT takes that away (10.11)
        after = defaulted(line, _value(site["default"]))
        return Clauses(
            first=(f"MODIFY COLUMN {own} {after}",),
            back=(f"MODIFY COLUMN {own} {line}",),
            how=_INSTANT,
            back_how=_INSTANT,
        )
    if old.default is not None:
        before = f"SET DEFAULT {old.default}"
    else:
        before = "SET DEFAULT NULL" if old.nullable else "DROP DEFAULT"
    return Clauses(
        first=(f"ALTER COLUMN {own} SET DEFAULT {_value(site['default'])}",),
        back=(f"ALTER COLUMN {own} {before}",),
        how=_INSTANT,
        back_how=_INSTANT,
    )


def _unique(site: Site) -> Clauses:
    name = quoted(_free(site, site.change.name or usual(site.plan.own, site.columns, "key")))
    return Clauses(
        first=(f"ADD UNIQUE KEY {name} ({listed(site.columns)})",),
        back=(f"DROP KEY {name}",),
        how=_INPLACE,
        back_how=_INPLACE,
    )


def _index(site: Site) -> Clauses:
    if site.change.condition:
        raise ScenarioMistake("change.condition: an index of a part of the rows is not to be had on this engine")
    kind = "UNIQUE KEY" if site.change.unique else "KEY"
    name = quoted(_free(site, site.change.name or usual(site.plan.own, site.columns, "idx")))
    return Clauses(
        first=(f"ADD {kind} {name} ({listed(site.columns)})",),
        back=(f"DROP KEY {name}",),
        how=_INPLACE,
        back_how=_INPLACE,
    )


def _free(site: Site, name: str) -> str:
    there = [one.name for one in site.plan.indexes] + [one.name for one in site.plan.constraints]
    if name in there:
        raise ScenarioMistake(f"change.name: {site.plan.name} has {name!r} already; name another")
    return name


def _check(site: Site) -> Clauses:
    name = quoted(_free(site, site.change.name or usual(site.plan.own, site.columns, "check")))
    return Clauses(
        first=(f"ADD CONSTRAINT {name} CHECK ({site['condition']})",),
        back=(f"DROP CONSTRAINT {name}",),
    )


def reference(site: Site) -> Constraint:
    """Return the foreign key that the change adds."""
    told = str(site["references"])
    name, _, inner = told.rstrip(")").partition("(")
    theirs = tuple(part.strip() for part in inner.split(",")) if inner else ()
    if not theirs and name not in site.blueprint.tables and "." in name:
        name, _, last = name.rpartition(".")
        theirs = (last,)
    parent = found_table(site.blueprint, name.strip(), "change.references")
    theirs = theirs or (parent.primary_key.columns if parent.primary_key else ())
    check_columns(parent, theirs, "change.references")
    if len(theirs) != len(site.columns):
        raise ScenarioMistake(f"change.references: {len(theirs)} columns for the {len(site.columns)} of change.columns")
    actions = f" ON DELETE {site.change.on_delete}" if site.change.on_delete else ""
    words = f"FOREIGN KEY ({listed(site.columns)}) REFERENCES {quoted(parent.own)} ({listed(theirs)}){actions}"
    own = _free(site, site.change.name or usual(site.plan.own, site.columns, "fk"))
    return Constraint(name=own, kind="foreign key", definition=words, columns=site.columns, parent=parent.name)


def _foreign_key(site: Site) -> Clauses:
    one = reference(site)
    name = quoted(one.name)
    leads = any(index.columns[: len(one.columns)] == one.columns for index in site.plan.indexes)
    index = () if leads else (f"DROP KEY {name}",)  # the server made one of the key's own name
    return Clauses(
        first=(f"ADD CONSTRAINT {name} {one.definition}",),
        back=(f"DROP FOREIGN KEY {name}", *index),
        back_how=_INPLACE,
    )


def new_values(site: Site) -> dict[str, str]:
    """Return the SQL of a split's or a merge's new columns."""
    if site.change.kind == "merge columns" and not site.change.into:
        return {str(site["to"]): str(site["fill"])}
    return dict(site["into"])


def is_gone(site: Site) -> bool:
    """Say whether a split or a merge takes the old columns away: a way back is told for each."""
    return set(site.columns) <= set(site.change.back)


def _reshape(site: Site) -> Clauses:
    values = new_values(site)
    declared = site.change.type or site.plan.columns[site.column].type
    added = tuple(f"ADD COLUMN {quoted(one)} {site.change.types.get(one, declared)}" for one in values)
    sets = ", ".join(f"{quoted(one)} = {value}" for one, value in values.items())
    away = tuple(f"DROP COLUMN {quoted(one)}" for one in values)
    if not is_gone(site):
        return Clauses(first=added, fill=update(site.plan, sets), back=away, how=_INSTANT, back_how=_INSTANT)
    indexed = [one.name for one in site.plan.indexes if set(one.columns) & set(site.columns)]
    if indexed:
        raise ScenarioMistake(f"change.columns: {', '.join(indexed)} of {site.plan.name} is of them; drop it first")
    olds = [site.plan.columns[one] for one in site.columns]
    undone = " OR ".join(f"NOT {quoted(one)} <=> ({value})" for one, value in site.change.back.items())
    back_sets = ", ".join(f"{quoted(one)} = {value}" for one, value in site.change.back.items())
    return Clauses(
        first=added,
        fill=update(site.plan, sets),
        then=tuple(f"DROP COLUMN {quoted(one.name)}" for one in olds),
        back=tuple(f"ADD COLUMN {quoted(one.name)} {one.type}" for one in olds),
        back_fill=update(site.plan, back_sets, undone),
        back_then=(*(f"MODIFY COLUMN {quoted(one.name)} {one.definition}" for one in olds), *away),
        how=_INSTANT,
        back_how=_INPLACE,
    )


def _partition(site: Site) -> Clauses:
    plan, columns = site.plan, listed(site.columns)
    _refuse_partitions(site)
    missing = [one for one in site.columns if plan.primary_key and one not in plan.primary_key.columns]
    keys: tuple[str, ...] = ()
    back_keys: tuple[str, ...] = ()
    if missing and plan.primary_key:
        grown = listed((*plan.primary_key.columns, *missing))
        keys = ("DROP PRIMARY KEY", f"ADD PRIMARY KEY ({grown})")
        olds = (f"MODIFY COLUMN {quoted(one)} {plan.columns[one].definition}" for one in missing)
        back_keys = ("DROP PRIMARY KEY", f"ADD PRIMARY KEY ({listed(plan.primary_key.columns)})", *olds)
    if site.change.by == "hash":
        count = site["bounds"].get("count", "")
        if not str(count).isdigit():
            raise ScenarioMistake("change.bounds: with by = 'hash' write { count = '8' }")
        how = f"PARTITION BY KEY ({columns}) PARTITIONS {count}"
    else:
        bounds = ", ".join(f"PARTITION {quoted(name)} {bound}" for name, bound in site["bounds"].items())
        how = f"PARTITION BY {str(site['by']).upper()} COLUMNS ({columns}) ({bounds})"
    return Clauses(first=keys, then=(how,), back=("REMOVE PARTITIONING",), back_then=back_keys)


def _refuse_partitions(site: Site) -> None:
    plan = site.plan
    if plan.partitioned:
        raise ScenarioMistake(f"change.table: {plan.name} is partitioned already")
    tied = [one.name for one in plan.of_kind("foreign key")]
    tied += [f"{one.name} of {child.name}" for child, one in site.blueprint.children(plan.name)]
    if tied:
        raise ScenarioMistake(
            f"change.table: a partitioned table can have no foreign keys on this engine: {', '.join(tied)}"
        )
    for one in plan.indexes:
        if one.unique and one.constraint is None and not set(site.columns) <= set(one.columns):
            raise ScenarioMistake(f"change.columns: the unique key {one.name} must hold {', '.join(site.columns)}")


def widened(site: Site) -> dict[str, dict[str, str]]:
    """Return the columns that get the new type, by table: the key, and what points at it to any depth."""
    found: dict[str, dict[str, str]] = {}
    _widen(site, site.plan, site.column, site.change.type or "bigint", found)
    return found


def _widen(site: Site, plan: Plan, column: str, declared: str, found: dict[str, dict[str, str]]) -> None:
    if column in found.get(plan.name, {}):
        return
    found.setdefault(plan.name, {})[column] = declared
    for child, one in site.blueprint.children(plan.name):
        for own, theirs in zip(one.columns, one.parent_columns, strict=True):
            if theirs == column:
                _widen(site, child, own, declared, found)


_KINDS = {
    "add column": _add_column,
    "drop column": _drop_column,
    "rename column": _rename,
    "change type": _change_type,
    "set not null": _not_null,
    "set default": _default,
    "add unique": _unique,
    "add check": _check,
    "add foreign key": _foreign_key,
    "add index": _index,
    "split column": _reshape,
    "merge columns": _reshape,
    "partition table": _partition,
}
