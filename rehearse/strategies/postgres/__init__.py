"""Ways to make a change on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

from rehearse.model.change import ChangeKind
from rehearse.strategies._way import Way
from rehearse.strategies.postgres import rules

_PLAIN = "one transaction, as one would write it first"
_RETRY = "short locks with a time-out, tried again"

WAYS: Mapping[ChangeKind, Mapping[str, Way]] = {
    "set default": {
        "plain": Way(_PLAIN, rules.default),
        "careful": Way(_RETRY, rules.default_careful),
    },
    "set not null": {
        "plain": Way(_PLAIN, rules.not_null),
        "careful": Way("filled in batches, proved while everyone works, then NOT NULL", rules.not_null_careful),
    },
    "add unique": {
        "plain": Way(_PLAIN, rules.constraint),
        "careful": Way("the index concurrently, which the constraint then takes over", rules.constraint_careful),
    },
    "add check": {
        "plain": Way(_PLAIN, rules.constraint),
        "careful": Way("NOT VALID, then VALIDATE while everyone works", rules.constraint_careful),
    },
    "add foreign key": {
        "plain": Way(_PLAIN, rules.constraint),
        "careful": Way("NOT VALID, then VALIDATE while everyone works", rules.constraint_careful),
    },
    "add index": {
        "plain": Way(_PLAIN, rules.index),
        "careful": Way("CREATE INDEX CONCURRENTLY", rules.index_careful),
    },
}
