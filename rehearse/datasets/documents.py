"""Strings in documents (JSON) and arrays masked by where they stand: keys are kept, numbers written as they were."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa

from rehearse.profiles.personal import Personal, by_content, by_name

Mask = Callable[[str, bool, pa.Array], pa.Array]  # by path, and whether they are numbers
_Tree = Any


class _Figures(str):
    """A number as it was written."""

    __slots__ = ()


_NAME = re.compile(r"[$@#]?[A-Za-z_](?:[$.:/-]?\w){0,40}", re.ASCII)
_READ = json.JSONDecoder(parse_int=_Figures, parse_float=_Figures, parse_constant=_Figures, strict=False).decode


def masked_documents(values: pa.Array, mask: Mask) -> pa.Array:
    """Return documents whose strings and numbers went through `mask`, all of one path at once."""
    trees = [None if one is None else _READ(one) for one in values.to_pylist()]
    fresh = _masked_leaves(trees, mask)
    written = [
        None if one is None else _document(tree, "", fresh) for one, tree in zip(values.to_pylist(), trees, strict=True)
    ]
    return pa.array(written, pa.string())


def masked_arrays(values: pa.Array, mask: Mask) -> pa.Array:
    """Return arrays, written as JSON, as the server writes arrays: {a,NULL}; `mask` gets the path ""."""
    trees = [None if one is None else _READ(one) for one in values.to_pylist()]
    fresh = _masked_leaves(trees, mask)
    return pa.array([None if tree is None else _literal(tree, fresh) for tree in trees], pa.string())


def paths(values: pa.Array) -> dict[str, Personal]:
    """Return what is personal in documents, by path: by a key's name, or by what stands there."""
    held: dict[str, list[str]] = {}
    for one in values.to_pylist():
        if one is not None:
            for path, _, text in _leaves(_READ(one), ""):
                held.setdefault(path, []).append(text)
    found = {path: kind_of(path) or by_content(texts) for path, texts in held.items()}
    return {path: kind for path, kind in found.items() if kind}


@lru_cache(maxsize=8192)
def kind_of(path: str) -> Personal | None:
    """Return what the last key of a path promises."""
    return by_name(path.rpartition(".")[2])


def _masked_leaves(trees: list[_Tree], mask: Mask) -> Mapping[tuple[str, bool], Iterator[str]]:
    held: dict[tuple[str, bool], list[str]] = {}
    for tree in trees:
        for path, is_number, text in _leaves(tree, ""):
            held.setdefault((path, is_number), []).append(text)
    return {
        (path, is_number): iter(mask(path, is_number, pa.array(texts, pa.string())).to_pylist())
        for (path, is_number), texts in held.items()
    }


def _leaves(tree: _Tree, path: str) -> Iterator[tuple[str, bool, str]]:
    """Yield path, whether it is a number, and text of strings and numbers, and of keys that are values themselves."""
    if isinstance(tree, str):
        yield path, isinstance(tree, _Figures), str(tree)
    elif isinstance(tree, list):
        for one in tree:
            yield from _leaves(one, path)
    elif isinstance(tree, dict):
        for key, one in tree.items():
            if _is_value(key):
                yield f"{path}.*", False, key
            yield from _leaves(one, _below(path, key))


def _below(path: str, key: str) -> str:
    name = "*" if _is_value(key) else key
    return f"{path}.{name}" if path else name


@lru_cache(maxsize=8192)
def _is_value(key: str) -> bool:
    """Say whether a key names no thing but is a value itself: {"ann@example.org": 3}, {"Ann Lee": 2}."""
    return not _NAME.fullmatch(key) or by_content([key]) is not None


def _document(tree: _Tree, path: str, fresh: Mapping[tuple[str, bool], Iterator[str]]) -> str:
    if isinstance(tree, _Figures):
        return next(fresh[path, True]) or "null"
    if isinstance(tree, str):
        found = next(fresh[path, False])
        return "null" if found is None else encode_basestring(found)
    if isinstance(tree, list):
        return "[" + ", ".join([_document(one, path, fresh) for one in tree]) + "]"
    if isinstance(tree, dict):
        return "{" + ", ".join([_member(key, one, path, fresh) for key, one in tree.items()]) + "}"
    return json.dumps(tree)


def _member(key: str, tree: _Tree, path: str, fresh: Mapping[tuple[str, bool], Iterator[str]]) -> str:
    name = (next(fresh[f"{path}.*", False]) or "null") if _is_value(key) else key
    return f"{encode_basestring(name)}: {_document(tree, _below(path, key), fresh)}"


def _literal(tree: _Tree, fresh: Mapping[tuple[str, bool], Iterator[str]]) -> str:
    if isinstance(tree, list):
        return "{" + ",".join([_literal(one, fresh) for one in tree]) + "}"
    if tree is None:
        return "NULL"
    text = next(fresh["", isinstance(tree, _Figures)]) if isinstance(tree, str) else json.dumps(tree)
    return "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
