"""Strings in documents (JSON) and arrays masked by where they stand; numbers are written as they were.

A place is the keys that lead there, with dots. Keys are kept, unless they are values themselves: {"Ann Lee": 2}, or
all the keys of a place where each object has others; such a key is "*" in a place, and is masked as what stands there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa

from rehearse.profiles.personal import (
    Personal,
    are_ordinary,
    by_content,
    by_name,
    by_numbers,
    by_person,
    is_login,
    is_of_a_person,
)

Mask = Callable[[str, bool, pa.Array], pa.Array]  # by path, and whether they are numbers
Keyed = frozenset[str]  # places whose keys are values
_Tree = Any
_MANY_KEYS = 16  # different ones, of which an object has less than half: more are values
_FEW_KEYS = 3


class _Figures(str):
    """A number as it was written."""

    __slots__ = ()


_NAME = re.compile(r"[$@#]?[A-Za-z_](?:[$.:/-]?\w){0,40}", re.ASCII)
_READ = json.JSONDecoder(parse_int=_Figures, parse_float=_Figures, parse_constant=_Figures, strict=False).decode


def masked_documents(values: pa.Array, mask: Mask, keyed: Keyed = frozenset()) -> pa.Array:
    """Return documents whose strings, numbers and keys that are values went through `mask`, all of one path at once."""
    trees = [None if one is None else _READ(one) for one in values.to_pylist()]
    fresh = _masked_leaves(trees, mask, keyed)
    written = [
        None if one is None else _document(tree, "", fresh, keyed)
        for one, tree in zip(values.to_pylist(), trees, strict=True)
    ]
    return pa.array(written, pa.string())


def masked_arrays(values: pa.Array, mask: Mask) -> pa.Array:
    """Return arrays, written as JSON, as the server writes arrays: {a,NULL}; `mask` gets the path ""."""
    trees = [None if one is None else _READ(one) for one in values.to_pylist()]
    fresh = _masked_leaves(trees, mask, frozenset())
    return pa.array([None if tree is None else _literal(tree, fresh) for tree in trees], pa.string())


def paths(values: pa.Array, keyed: Keyed = frozenset()) -> dict[str, Personal]:
    """Return what is personal in documents, by path: by a key's name, or by what stands there."""
    held: dict[tuple[str, bool], list[str]] = {}
    for one in values.to_pylist():
        if one is not None:
            for path, is_number, text in _leaves(_READ(one), "", keyed):
                held.setdefault((path, is_number), []).append(text)
    found: dict[str, Personal] = {}
    for (path, is_number), texts in held.items():
        kind = kind_of(path) or _by_held(path.rpartition(".")[2], texts, is_number=is_number)
        if kind:
            found.setdefault(path, kind)
    return found


def _by_held(key: str, texts: list[str], *, is_number: bool) -> Personal | None:
    if is_number:
        return by_numbers(key, texts)
    return by_content(texts) or (by_person(texts) if is_of_a_person(key) else None)


@lru_cache(maxsize=8192)
def kind_of(path: str) -> Personal | None:
    """Return what the last key of a path promises."""
    return by_name(path.rpartition(".")[2])


@dataclass(slots=True)
class _Objects:
    """The objects of one place: how many there are, and how many have each key."""

    count: int = 0
    keys: Counter[str] = field(default_factory=Counter)

    def have_values_for_keys(self) -> bool:
        """Say whether each has few of many keys that are mostly no ordinary words, or few of some that are logins.

        The objects of a record have most keys in common.
        """
        each = self.keys.total() / self.count
        if len(self.keys) < _FEW_KEYS or 2 * each > len(self.keys):
            return False
        are_values = is_login if len(self.keys) < _MANY_KEYS else lambda key: not are_ordinary(key)
        return 2 * sum(map(are_values, self.keys)) >= len(self.keys)


def value_keys(values: pa.Array) -> Keyed:
    """Return the places in documents at which all keys are values, as {"jdoe": 3} where others have other keys."""
    trees = [_READ(one) for one in values.to_pylist() if one is not None]
    keyed: Keyed = frozenset()
    while True:  # what stands below such a place is one place, which must be looked at again
        objects: dict[str, _Objects] = {}
        for tree in trees:
            _count_keys(tree, "", keyed, objects)
        more = {path for path, one in objects.items() if path not in keyed and one.have_values_for_keys()}
        if not more:
            return keyed
        keyed |= {path for path in more if not any(path != one and _is_below(path, one) for one in more)}


def _is_below(path: str, other: str) -> bool:
    return not other or path.startswith(f"{other}.")


def _count_keys(tree: _Tree, path: str, keyed: Keyed, objects: dict[str, _Objects]) -> None:
    if isinstance(tree, list):
        for one in tree:
            _count_keys(one, path, keyed, objects)
    elif isinstance(tree, dict):
        found = objects.setdefault(path, _Objects())
        found.count += 1
        found.keys.update(key for key in tree if not _is_value(key))
        for key, one in tree.items():
            _count_keys(one, _below(path, key, keyed), keyed, objects)


def _masked_leaves(trees: list[_Tree], mask: Mask, keyed: Keyed) -> Mapping[tuple[str, bool], Iterator[str]]:
    held: dict[tuple[str, bool], list[str]] = {}
    for tree in trees:
        for path, is_number, text in _leaves(tree, "", keyed):
            held.setdefault((path, is_number), []).append(text)
    return {
        (path, is_number): iter(mask(path, is_number, pa.array(texts, pa.string())).to_pylist())
        for (path, is_number), texts in held.items()
    }


def _leaves(tree: _Tree, path: str, keyed: Keyed) -> Iterator[tuple[str, bool, str]]:
    """Yield path, whether it is a number, and text of strings and numbers, and of keys that are values themselves."""
    if isinstance(tree, str):
        yield path, isinstance(tree, _Figures), str(tree)
    elif isinstance(tree, list):
        for one in tree:
            yield from _leaves(one, path, keyed)
    elif isinstance(tree, dict):
        for key, one in tree.items():
            below = _below(path, key, keyed)
            if _stands_for_any(key, path, keyed):
                yield below, False, key
            yield from _leaves(one, below, keyed)


def _below(path: str, key: str, keyed: Keyed) -> str:
    name = "*" if _stands_for_any(key, path, keyed) else key
    return f"{path}.{name}" if path else name


def _stands_for_any(key: str, path: str, keyed: Keyed) -> bool:
    """Say whether a key is a value; one that promises something (phone) is none, and is needed to know what that is."""
    return _is_value(key) or (path in keyed and by_name(key) is None)


@lru_cache(maxsize=8192)
def _is_value(key: str) -> bool:
    """Say whether a key names no thing but is a value itself: {"ann@example.org": 3}, {"Ann Lee": 2}."""
    return not _NAME.fullmatch(key) or by_content([key]) is not None


def _document(tree: _Tree, path: str, fresh: Mapping[tuple[str, bool], Iterator[str]], keyed: Keyed) -> str:
    if isinstance(tree, _Figures):
        return next(fresh[path, True]) or "null"
    if isinstance(tree, str):
        found = next(fresh[path, False])
        return "null" if found is None else encode_basestring(found)
    if isinstance(tree, list):
        return "[" + ", ".join([_document(one, path, fresh, keyed) for one in tree]) + "]"
    if isinstance(tree, dict):
        return "{" + ", ".join([_member(key, one, path, fresh, keyed) for key, one in tree.items()]) + "}"
    return json.dumps(tree)


def _member(key: str, tree: _Tree, path: str, fresh: Mapping[tuple[str, bool], Iterator[str]], keyed: Keyed) -> str:
    below = _below(path, key, keyed)
    name = (next(fresh[below, False]) or "null") if _stands_for_any(key, path, keyed) else key
    return f"{encode_basestring(name)}: {_document(tree, below, fresh, keyed)}"


def _literal(tree: _Tree, fresh: Mapping[tuple[str, bool], Iterator[str]]) -> str:
    if isinstance(tree, list):
        return "{" + ",".join([_literal(one, fresh) for one in tree]) + "}"
    if tree is None:
        return "NULL"
    text = next(fresh["", isinstance(tree, _Figures)]) if isinstance(tree, str) else json.dumps(tree)
    return "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
