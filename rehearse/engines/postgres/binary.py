"""Record batches to COPY's binary format, in columns: no Python per row.

A cell is a length (four bytes, -1 for null) and the bytes. Columns of fixed width that are never null become one array
of records; the others are joined to it by Arrow, and the joined column's data buffer is what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rehearse.profiles import Column, Type

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_NULL = pa.scalar(b"\xff\xff\xff\xff", pa.binary())
_EPOCH_DAYS = 10_957  # PostgreSQL counts from 2000-01-01
_EPOCH_MICROS = _EPOCH_DAYS * 86_400_000_000
_INET = pa.scalar(bytes([2, 32, 0, 4]), pa.binary())  # IPv4, all bits, not a network, four bytes
_GREATEST_SCALE = 16  # digits after the point that fit an int64 beside four more
_ELEMENTS = {  # OIDs of types are fixed; other arrays go through the server's own input
    "text": 25,
    "character varying": 1043,
    "smallint": 21,
    "integer": 23,
    "bigint": 20,
    "real": 700,
    "double precision": 701,
    "boolean": 16,
    "date": 1082,
    "numeric": 1700,
    "uuid": 2950,
    "timestamp without time zone": 1114,
    "timestamp with time zone": 1184,
}

Bytes = NDArray[np.uint8]


def can_send(kind: Type) -> bool:
    """Say whether values of a type are sent in binary; others are sent as text and cast by the server."""
    if kind.kind == "array":
        assert kind.element is not None
        return _bare(kind.element) in _ELEMENTS and can_send(kind.element)
    return kind.kind != "other" and not (kind.kind == "numeric" and kind.scale > _GREATEST_SCALE)


class Encoder:
    """Encodes the batches of one table; `names` is the order in which it sends the columns."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        """Put the columns of fixed width that are never null first."""
        self._columns = columns
        self._fixed = [name for name, one in columns.items() if not one.nullable and is_fixed(one.type)]
        self._others = [name for name in columns if name not in self._fixed]
        self.names = [*self._fixed, *self._others]

    def rows(self, batch: pa.RecordBatch) -> memoryview:
        """Return the batch's rows, without the stream's header and trailer."""
        blocks = [np.full((len(batch), 2), np.frombuffer(len(self.names).to_bytes(2, "big"), np.uint8))]
        blocks += [_with_length(_fixed_bytes(batch.column(name), self._columns[name].type)) for name in self._fixed]
        parts: list[pa.Array] = [_as_binary(np.concatenate(blocks, axis=1))]
        for name in self._others:
            parts += _parts(batch.column(name), self._columns[name].type)
        return _content(pc.binary_join_element_wise(*parts, b"") if len(parts) > 1 else parts[0])


def is_fixed(kind: Type) -> bool:
    """Say whether every value of a type takes the same number of bytes."""
    known = ("integer", "numeric", "float", "bool", "date", "time", "timestamp", "uuid", "interval")
    return can_send(kind) and kind.kind in known


def _parts(values: pa.Array, kind: Type) -> list[pa.Array]:
    """Return what is joined for a column: cells of fixed width, or lengths and contents."""
    if is_fixed(kind):
        cells = _as_binary(_with_length(_fixed_bytes(values, kind)))
        return [pc.if_else(values.is_null(), _NULL, cells) if values.null_count else cells]
    content = _payload(values, kind)
    lengths = pc.fill_null(pc.binary_length(content), -1).to_numpy(zero_copy_only=False)
    return [_as_binary(_big(lengths, 4)), pc.fill_null(content, b"") if content.null_count else content]


def _payload(values: pa.Array, kind: Type) -> pa.Array:
    if kind.kind == "array" and can_send(kind):
        return _array(values, kind)
    if kind.kind == "inet":
        return _inet(values)
    if not can_send(kind):
        values = _literals(values) if pa.types.is_list(values.type) else values.cast(pa.string())
    content = values.cast(pa.binary())
    if kind.declared == "jsonb":
        return pc.binary_join_element_wise(pa.scalar(b"\x01", pa.binary()), content, b"")
    return content


def _literals(lists: pa.Array) -> pa.Array:
    """Return arrays as the server reads them in text: {"a","b"}."""
    items = lists.values.cast(pa.string())
    for sign in ("\\", '"'):
        items = pc.replace_substring(items, sign, "\\" + sign)
    quoted = pc.binary_join_element_wise(pa.scalar('"'), items, pa.scalar('"'), "")
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, quoted), ",")
    whole = pc.binary_join_element_wise(pa.scalar("{"), joined, pa.scalar("}"), "")
    return pc.if_else(lists.is_null(), pa.scalar(None, pa.string()), whole) if lists.null_count else whole


def _inet(values: pa.Array) -> pa.Array:
    numbers = pc.list_flatten(pc.split_pattern(pc.fill_null(values, "0.0.0.0"), ".")).cast(pa.uint8())  # noqa: S104
    address = _as_binary(numbers.to_numpy(zero_copy_only=False).reshape(-1, 4))
    whole = pc.binary_join_element_wise(_INET, address, b"")
    return pc.if_else(values.is_null(), pa.scalar(None, pa.binary()), whole) if values.null_count else whole


def _array(values: pa.Array, kind: Type) -> pa.Array:
    """Return arrays of one dimension; an empty one has none."""
    assert kind.element is not None
    offsets = values.offsets.to_numpy().astype(np.int64)
    parts = _parts(values.values, kind.element)
    cells = pc.binary_join_element_wise(*parts, b"") if len(parts) > 1 else parts[0]
    starts = np.frombuffer(cells.buffers()[1], np.int32, len(cells) + 1) if len(cells) else np.zeros(1, np.int32)
    bounds = np.ascontiguousarray(starts[offsets])
    content = pa.BinaryArray.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(bounds), cells.buffers()[2]])
    sizes = np.diff(offsets)
    header = np.tile(
        _big(np.array([1, int(values.values.null_count > 0), _ELEMENTS[_bare(kind.element)]]), 4).reshape(1, 12),
        (len(sizes), 1),
    )
    dimension = np.concatenate([header, _big(sizes, 4), _big(np.ones(len(sizes)), 4)], axis=1)
    nothing = _big(np.array([0, 0, _ELEMENTS[_bare(kind.element)]]), 4).tobytes()
    heads = pc.if_else(pa.array(sizes == 0), pa.scalar(nothing, pa.binary()), _as_binary(dimension))
    whole = pc.binary_join_element_wise(heads, content, b"")
    return pc.if_else(values.is_null(), pa.scalar(None, pa.binary()), whole) if values.null_count else whole


def _fixed_bytes(values: pa.Array, kind: Type) -> Bytes:  # noqa: PLR0911 - one answer a type
    match kind.kind:
        case "uuid":
            return _buffer(values, np.dtype("V16")).view(np.uint8).reshape(-1, 16)
        case "numeric":
            return _numeric(values)
        case "bool":
            return _big(pc.fill_null(values, False).cast(pa.uint8()).to_numpy(zero_copy_only=False), 1)  # noqa: FBT003
        case "float":
            big = _buffer(values, np.dtype(f"f{kind.bits // 8}")).astype(f">f{kind.bits // 8}")
            return big.view(np.uint8).reshape(len(values), -1)
        case "date":
            return _big(_buffer(values, np.dtype("i4")).astype(np.int64) - _EPOCH_DAYS, 4)
        case "timestamp":
            return _big(_buffer(values, np.dtype("i8")) - _EPOCH_MICROS, 8)
        case "interval":
            return np.concatenate(
                [_big(_buffer(values, np.dtype("i8")), 8), np.zeros((len(values), 8), np.uint8)], axis=1
            )
        case "time":
            return _big(_buffer(values, np.dtype("i8")), 8)
        case _:
            return _big(_buffer(values, np.dtype(f"i{kind.bits // 8}")), kind.bits // 8)


def _numeric(values: pa.Array) -> Bytes:
    """Return numerics as groups of four decimal digits; the server takes off the zeros in front and behind."""
    scale = values.type.scale
    both = _buffer(values, np.dtype("V16")).view("<i8").reshape(-1, 2)
    if values.null_count:
        both = np.where(values.is_null().to_numpy(zero_copy_only=False)[:, None], 0, both)
    if (both[:, 1] != both[:, 0] >> 63).any():
        raise OverflowError("a numeric of more than 18 digits")
    whole, rest = np.divmod(np.abs(both[:, 0]), 10**scale)
    after = -(-scale // 4)
    rest = rest * 10 ** (4 * after - scale)
    groups = [whole // 10**power % 10_000 for power in (16, 12, 8, 4, 0)]
    groups += [rest // 10 ** (4 * place) % 10_000 for place in range(after - 1, -1, -1)]
    count = len(values)
    head = [np.full(count, 5 + after), np.full(count, 4), np.where(both[:, 0] < 0, 0x4000, 0), np.full(count, scale)]
    cells: Bytes = np.stack([*head, *groups], axis=1).astype(">i2").view(np.uint8)
    return cells


def _buffer(values: pa.Array, kind: np.dtype[Any]) -> NDArray[np.int64]:
    """Return the data buffer of a column of fixed width; what stands at a null is without meaning."""
    found: NDArray[np.int64] = np.frombuffer(values.buffers()[1], kind, len(values), values.offset * kind.itemsize)
    return found


def _big(numbers: NDArray[np.int64] | NDArray[np.float64], width: int) -> Bytes:
    cells: Bytes = numbers.astype(f">i{width}").view(np.uint8).reshape(-1, width)
    return cells


def _with_length(content: Bytes) -> Bytes:
    length = np.frombuffer(content.shape[1].to_bytes(4, "big"), np.uint8)
    return np.concatenate([np.broadcast_to(length, (len(content), 4)), content], axis=1)


def _as_binary(cells: Bytes) -> pa.Array:
    count, width = cells.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(cells))]
    return pa.BinaryArray.from_buffers(pa.binary(), count, buffers)


def _content(values: pa.Array) -> memoryview:
    bounds = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1)
    return memoryview(values.buffers()[2])[int(bounds[0]) : int(bounds[-1])]


def _bare(kind: Type) -> str:
    """Return a type's name without its length or precision."""
    name, _, rest = kind.declared.partition("(")
    return name + rest.partition(")")[2]
