"""JSON objects and arrays, drawn: their parts are drawn as columns are, and joined."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import arrow, picking, quantiles, randomness, vocabulary
from rehearse.datasets.randomness import Bools
from rehearse.profiles import Type
from rehearse.profiles import shapes as sh

if TYPE_CHECKING:
    from rehearse.datasets.frame import Frame

_TEXT = Type(kind="text", declared="text")


def json_object(shape: sh.Json, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return JSON objects, and what stands in their place."""
    if shape.other is not None and shape.others:
        return _mixed(shape, shape.other, kind, frame, stream)
    if shape.keys and not _may_lack_keys(shape):
        return arrow.cast(_complete(shape, frame, stream), kind)
    there = _key_sets(shape, frame, stream)
    parts = [
        _member(name, inner, frame, randomness.key(stream, name), there=None if there is None else there[name])
        for name, inner in shape.keys.items()
    ]
    if not parts:
        return pa.array(["{}"] * len(frame.rows))
    inside = vocabulary.join(*parts) if len(parts) > 1 else parts[0]
    return arrow.cast(vocabulary.join("{", pc.ascii_ltrim(inside, characters=","), "}"), kind)


def _mixed(shape: sh.Json, other: sh.Shape, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return JSON values of which a share are no objects."""
    objects = json_object(replace(shape, other=None), _TEXT, frame, stream)
    values = _json_value(other, frame, randomness.key(stream, "other"))
    is_other = randomness.uniform(randomness.key(stream, "others"), frame.rows) < shape.others
    return arrow.cast(pc.if_else(pa.array(is_other), values, objects), kind)


def _may_lack_keys(shape: sh.Json) -> bool:
    return any(inner.null for inner in shape.keys.values()) or bool(shape.sets)


def _complete(shape: sh.Json, frame: Frame, stream: int) -> pa.Array:
    """Return objects that all have every key, joined at once."""
    pieces: list[Any] = []
    for name, inner in shape.keys.items():
        pieces += [f",{json.dumps(name)}:", _json_value(inner, frame, randomness.key(stream, name))]
    return vocabulary.join("{" + pieces[0][1:], *pieces[1:], "}")


def _key_sets(shape: sh.Json, frame: Frame, stream: int) -> dict[str, Bools] | None:
    """Return for each key which objects have it, where it is known which keys come together."""
    if not shape.sets:
        return None
    drawn = picking.by_weight(tuple(shape.sets.values())).places(
        randomness.uniform(randomness.key(stream, "keys"), frame.rows)
    )
    sets = [frozenset(filter(None, text.split(","))) for text in shape.sets]
    return {name: np.array([name in one for one in sets])[drawn] for name in shape.keys}


def _member(name: str, shape: sh.Shape, frame: Frame, stream: int, *, there: Bools | None = None) -> pa.Array:
    """Return `,"name":value` for each row, or nothing where the key is left out."""
    value = vocabulary.join(f",{json.dumps(name)}:", _json_value(shape, frame, stream))
    if there is None:
        if not shape.null:
            return value
        there = randomness.uniform(randomness.key(stream, "null"), frame.rows) >= shape.null
    return pc.if_else(pa.array(there), value, pa.scalar(""))


def _json_value(shape: sh.Shape, frame: Frame, stream: int) -> pa.Array:
    if isinstance(shape, sh.Json):
        return json_object(shape, _TEXT, frame, stream)
    if isinstance(shape, sh.Items):
        offsets, inner = _item_rows(shape, frame, stream)
        values = _json_value(shape.of, inner, randomness.key(stream, "items"))
        if shape.of.null:
            is_null = randomness.uniform(randomness.key(stream, "null items"), inner.rows) < shape.of.null
            values = pc.if_else(pa.array(is_null), pa.scalar("null"), values)
        return vocabulary.join("[", pc.binary_join(pa.ListArray.from_arrays(offsets, values), ","), "]")
    if isinstance(shape, sh.Choice) and not isinstance(shape.of, Mapping):
        literals = {json.dumps(one, ensure_ascii=False): 1.0 for one in shape.of}
        return frame.draw(sh.Choice(of=literals), _TEXT, stream)
    if isinstance(shape, sh.Choice) and isinstance(shape.of, Mapping) and shape.recent is None:
        literals = {json.dumps(one, ensure_ascii=False): weight for one, weight in shape.of.items()}
        return frame.draw(replace(shape, of=literals), _TEXT, stream)
    if isinstance(shape, sh.Histogram) and not all(float(quantiles.number(one)).is_integer() for one in shape.bounds):
        return pc.cast(frame.draw(shape, arrow.RANGE_BOUNDS["numrange"], stream), pa.string())
    drawn = frame.draw(shape, Type(kind="json", declared="jsonb"), stream)
    return drawn if isinstance(shape, sh.Number | sh.Bool | sh.Serial | sh.Histogram) else _quoted(drawn)


def _quoted(text: pa.Array) -> pa.Array:
    safe = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
    return vocabulary.join('"', safe, '"')


def items(shape: sh.Items, kind: Type, frame: Frame, stream: int) -> pa.Array:
    """Return arrays."""
    if kind.element is None:
        raise pa.ArrowInvalid("the column is no array")
    offsets, inner = _item_rows(shape, frame, stream)
    return pa.ListArray.from_arrays(offsets, inner.draw(shape.of, kind.element, randomness.key(stream, "items")))


def _item_rows(shape: sh.Items, frame: Frame, stream: int) -> tuple[pa.Array, Frame]:
    """Return where each row's items begin and end, and a frame in which each item is a row."""
    if shape.sizes:
        sizes = quantiles.lengths(shape.sizes, randomness.uniform(stream, frame.rows))
    else:
        sizes = shape.least + randomness.below(stream, frame.rows, shape.most - shape.least + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    most = max([shape.most, *shape.sizes]) + 1
    rows = np.repeat(frame.rows, sizes) * most + place
    return pa.array(offsets, pa.int32()), frame.of(rows, count=frame.table.rows * most)
