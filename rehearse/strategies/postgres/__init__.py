"""Ways to make a change on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

from rehearse.model.change import ChangeKind
from rehearse.strategies._way import Way
from rehearse.strategies.postgres import attach, columns, external, moving, reshaping, rules, shadow, types, uuids

_PLAIN = "at once, as one would write it first"
_RETRY = "a lock with a time-out, tried again until it comes soon"
_SHADOW = Way("a shadow table, kept in step by a trigger, filled in batches, swapped by its name", shadow.shadow)
_PGROLL = Way("pgroll, unmodified: a schema of views for old code and one for new", external.pgroll, 2, "command")
_PROVED = Way("NOT VALID, then VALIDATE while everyone works", rules.constraint_careful)
_SPLIT = Way("new columns that a trigger fills, old rows in batches, then the old ones go", reshaping.expand, deploys=2)

WAYS: Mapping[ChangeKind, Mapping[str, Way]] = {
    "add column": {
        "plain": Way(_PLAIN, columns.add),
        "careful": Way("empty, then the default, old rows in batches, NOT NULL proved", columns.add_careful),
        "pgroll": _PGROLL,
    },
    "drop column": {
        "plain": Way(_PLAIN, columns.drop),
        "careful": Way("its indexes concurrently, then the column by a lock with a time-out", columns.drop_careful),
    },
    "rename column": {
        "plain": Way(_PLAIN, columns.rename),
        "careful": Way(_RETRY, columns.rename_careful),
        "view": Way(
            "a view in front that has both names, until nobody asks for the old one",
            columns.rename_behind_view,
            deploys=2,
        ),
        "pgroll": _PGROLL,
    },
    "change type": {
        "plain": Way(_PLAIN, types.plain),
        "careful": Way("only where no row is rewritten: a lock with a time-out, tried again", types.careful),
        "expand": Way("a second column, kept in step by a trigger, filled in batches, swapped in", types.expand),
        "shadow": _SHADOW,
        "pgroll": _PGROLL,
    },
    "set not null": {
        "plain": Way(_PLAIN, rules.not_null),
        "careful": Way("filled in batches, proved while everyone works, then NOT NULL", rules.not_null_careful),
        "shadow": _SHADOW,
        "pgroll": _PGROLL,
    },
    "set default": {
        "plain": Way(_PLAIN, rules.default),
        "careful": Way(_RETRY, rules.default_careful),
    },
    "add unique": {
        "plain": Way(_PLAIN, rules.constraint),
        "careful": Way("the index concurrently, which the constraint then takes over", rules.constraint_careful),
        "shadow": _SHADOW,
    },
    "add check": {"plain": Way(_PLAIN, rules.constraint), "careful": _PROVED, "shadow": _SHADOW},
    "add foreign key": {"plain": Way(_PLAIN, rules.constraint), "careful": _PROVED, "shadow": _SHADOW},
    "add index": {
        "plain": Way(_PLAIN, rules.index),
        "careful": Way("CREATE INDEX CONCURRENTLY", rules.index_careful),
        "shadow": _SHADOW,
    },
    "split column": {"plain": Way(_PLAIN, reshaping.plain), "expand": _SPLIT, "shadow": _SHADOW},
    "merge columns": {"plain": Way(_PLAIN, reshaping.plain), "expand": _SPLIT, "shadow": _SHADOW},
    "partition table": {
        "plain": Way("copied into a new table in one transaction", shadow.at_once),
        "shadow": _SHADOW,
        "partition": Way(
            "the table itself becomes the first partition, after a proof that its rows fit", attach.attach
        ),
    },
    "move columns": {
        "plain": Way(_PLAIN, moving.plain),
        "expand": Way(
            "a trigger writes to both tables, old rows in batches, then the old columns go", moving.expand, deploys=2
        ),
    },
    "uuid key": {
        "plain": Way(_PLAIN, uuids.plain),
        "expand": Way(
            "uuids beside the numbers, here and in all that points here, filled in batches, swapped in", uuids.expand
        ),
    },
    "widen key": {
        "plain": Way(_PLAIN, types.plain),
        "expand": Way("second columns, here and in all that points here, filled in batches, swapped in", types.expand),
        "shadow": Way("a shadow of the table, then of each that points at it", types.by_shadow),
    },
}
