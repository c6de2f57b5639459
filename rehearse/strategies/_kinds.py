"""What each kind of change is, which keys of [change] it needs and which it takes, and what may be of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rehearse.errors import ScenarioMistake, near_miss
from rehearse.model.change import Change, ChangeKind
from rehearse.profiles.blueprint import Plan
from rehearse.strategies._site import check_columns, check_new, lacks, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of change: what it ends in, the keys that it `needs`, and those that it `takes` beside them.

    `columns` says what change.columns names: "there", "new", or "" where the kind has none of its own.
    """

    says: str
    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    columns: str = "there"
    one: bool = False


KINDS: Mapping[ChangeKind, Kind] = {
    "add column": Kind(
        says="The table has the column. Old rows have `fill`, or the default where only that is given.",
        needs=("columns", "type"),
        takes=("default", "fill", "nullable"),
        columns="new",
        one=True,
    ),
    "drop column": Kind(
        says="The column is gone, with the indexes and constraints that were of it.",
        needs=("columns",),
        takes=("back",),
        one=True,
    ),
    "rename column": Kind(says="The column is called `to`.", needs=("columns", "to"), one=True),
    "change type": Kind(
        says="The column is of `type`; its values are cast, or what `fill` says (`back` for the way back).",
        needs=("columns", "type"),
        takes=("fill", "back"),
        one=True,
    ),
    "set not null": Kind(
        says="The columns hold no NULL; where there was one, there is `fill`. New rows get `default`.",
        needs=("columns",),
        takes=("fill", "default"),
    ),
    "set default": Kind(says="New rows get `default`.", needs=("columns", "default"), one=True),
    "add unique": Kind(says="No two rows have the same in `columns`.", needs=("columns",), takes=("name",)),
    "add check": Kind(says="`condition` holds of every row.", needs=("condition",), takes=("name", "columns")),
    "add foreign key": Kind(
        says="`columns` point at a row of `references`.",
        needs=("columns", "references"),
        takes=("on_delete", "name"),
    ),
    "add index": Kind(says="An index on `columns`.", needs=("columns",), takes=("condition", "unique", "name")),
    "split column": Kind(
        says="The columns of `into` hold their SQL; with `back` the old column is gone, without it it stays.",
        needs=("columns", "into"),
        takes=("types", "back"),
        one=True,
    ),
    "merge columns": Kind(
        says="The column `to` holds `fill` (or `into`); with `back` for each of the old columns they are gone.",
        needs=("columns", "to"),
        takes=("fill", "into", "type", "types", "back"),
    ),
    "move columns": Kind(
        says="The columns stand in the table `to`, which has the same key and a row for each; they are gone here.",
        needs=("columns", "to"),
    ),
    "partition table": Kind(
        says="The table is partitioned on `columns` into `bounds`; indexes, keys and rights are as they were.",
        needs=("columns", "by", "bounds"),
    ),
    "widen key": Kind(
        says="The key is of `type` (bigint), as are all columns that point at it and what numbers it.",
        needs=("columns",),
        takes=("type",),
        one=True,
    ),
    "uuid key": Kind(
        says="The key is a uuid (`fill` for old rows), as is all that points at it; the number stays as `to`.",
        needs=("columns",),
        takes=("default", "fill", "to"),
        one=True,
    ),
}


def check(change: Change, plan: Plan) -> None:
    """Raise a ScenarioMistake for a key that the kind needs and that is not there, or that names what is not there."""
    kind = KINDS[change.kind]
    for key in kind.needs:
        if getattr(change, key) in (None, "", {}):
            raise lacks(change, key)
    columns = listed(change.columns)
    if kind.one and len(columns) != 1:
        raise ScenarioMistake(f"change.columns: {change.kind!r} is about one column, and {len(columns)} are named")
    if kind.columns == "new":
        check_new(plan, columns, "change.columns")
    else:
        check_columns(plan, columns, "change.columns")
    done = [name for name in columns if change.kind == "set not null" and not plan.columns[name].nullable]
    if done:
        raise ScenarioMistake(
            f"change.columns: {plan.name}.{done[0]} is NOT NULL already; let migration.schema be what the change "
            "starts from"
        )
    _check_texts(change, plan)


def _check_texts(change: Change, plan: Plan) -> None:
    if change.kind in ("rename column", "merge columns"):
        check_new(plan, [change.to or ""], "change.to")
    if change.kind in ("split column", "merge columns"):
        check_new(plan, change.into, "change.into")
    for name in change.types:
        if name not in (*change.into, change.to):
            known = [*change.into, *([change.to] if change.to else [])]
            raise ScenarioMistake(f"change.types: {name!r} is no new column{near_miss(name, known)}")
    columns = listed(change.columns)
    for name in change.back:
        if name not in columns:
            raise ScenarioMistake(f"change.back: {name!r} is not of change.columns{near_miss(name, columns)}")
