"""Ways to make a change on MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Mapping

from rehearse.model.change import ChangeKind
from rehearse.strategies._way import Way
from rehearse.strategies.mysql import alter, expanding, external, shadow

_PLAIN = Way("ALTER TABLE, as one would write it first; the server chooses how", alter.plain)
_CAREFUL = Way("ALTER TABLE that must be INSTANT, or INPLACE while everyone works, tried again", alter.careful)
_SHADOW = Way("a shadow table, kept in step by triggers, filled in batches, swapped by RENAME TABLE", shadow.shadow)
_PT = Way("pt-online-schema-change, unmodified", external.pt_osc, tool="command")
_GH = Way("gh-ost, unmodified", external.gh_ost, tool="command")
_SPLIT = Way("new columns that triggers fill, old rows in batches, then the old ones go", expanding.expand, deploys=2)
_COPIED = {"shadow": _SHADOW, "pt-osc": _PT, "gh-ost": _GH}

WAYS: Mapping[ChangeKind, Mapping[str, Way]] = {
    "add column": {"plain": _PLAIN, "careful": _CAREFUL, "pt-osc": _PT, "gh-ost": _GH},
    "drop column": {"plain": _PLAIN, "careful": _CAREFUL},
    "rename column": {"plain": _PLAIN, "careful": _CAREFUL},
    "change type": {"plain": _PLAIN, **_COPIED},
    "set not null": {"plain": _PLAIN, "careful": _CAREFUL, **_COPIED},
    "set default": {"plain": _PLAIN, "careful": _CAREFUL},
    "add unique": {"plain": _PLAIN, "careful": _CAREFUL},
    "add check": {"plain": _PLAIN, **_COPIED},
    "add foreign key": {
        "plain": _PLAIN,
        "careful": Way("without a look at old rows, while everyone works", alter.unproved),
    },
    "add index": {"plain": _PLAIN, "careful": _CAREFUL, **_COPIED},
    "split column": {"plain": _PLAIN, "expand": _SPLIT},
    "merge columns": {"plain": _PLAIN, "expand": _SPLIT},
    "partition table": {"plain": _PLAIN, **_COPIED},
    "widen key": {
        "plain": Way("ALTER TABLE of each, without the foreign keys meanwhile", alter.widen),
        "shadow": Way("a shadow of each table, without the foreign keys meanwhile", shadow.widen),
        "pt-osc": Way(
            "pt-online-schema-change of each table, without the foreign keys meanwhile", external.pt_osc, tool="command"
        ),
        "gh-ost": Way("gh-ost of each table, without the foreign keys meanwhile", external.gh_ost, tool="command"),
    },
}
