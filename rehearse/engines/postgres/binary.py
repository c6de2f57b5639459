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
Field = tuple[str, Any]  # of a record: its type as numpy writes it, and a value for each record or one for all


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
        block: list[Field] = [(">i2", len(self.names))]
        for name in self._fixed:
            block += _cell(_fields(batch.column(name), self._columns[name].type))
        parts: list[pa.Array] = [_as_binary(_records(len(batch), block))]
        for name in self._others:
            parts += _parts(batch.column(name), self._columns[name].type)
        return _content(_joined(parts))


def _joined(parts: list[pa.Array]) -> pa.Array:
    """Return the parts row by row; of a null nothing is joined but its length."""
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, b"", null_handling="replace", null_replacement="")


def is_fixed(kind: Type) -> bool:
    """Say whether every value of a type takes the same number of bytes."""
    known = ("integer", "numeric", "float", "bool", "date", "time", "timestamp", "uuid", "interval")
    return can_send(kind) and kind.kind in known


def _parts(values: pa.Array, kind: Type) -> list[pa.Array]:
    """Return what is joined for a column: cells of fixed width, or lengths and contents."""
    if is_fixed(kind):
        return [_or_null(_as_binary(_records(len(values), _cell(_fields(values, kind)))), values)]
    content = _payload(values, kind)
    lengths = pc.fill_null(pc.binary_length(content), -1).to_numpy(zero_copy_only=False)
    if kind.declared == "jsonb":  # its version, 1, stands before the text
        heads = _or_null(_as_binary(_records(len(values), [(">i4", lengths + 1), ("u1", 1)])), values)
    else:
        heads = _as_binary(_records(len(values), [(">i4", lengths)]))
    return [heads, content]


def _or_null(cells: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(values.is_null(), _NULL, cells) if values.null_count else cells


def _payload(values: pa.Array, kind: Type) -> pa.Array:
    if kind.kind == "array" and can_send(kind):
        return _array(values, kind)
    if kind.kind == "inet":
        return _inet(values)
    if not can_send(kind):
        values = _literals(values) if pa.types.is_list(values.type) else values.cast(pa.string())
    return values.cast(pa.binary())


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
    cells = _joined(parts)
    starts = np.frombuffer(cells.buffers()[1], np.int32, len(cells) + 1) if len(cells) else np.zeros(1, np.int32)
    bounds = np.ascontiguousarray(starts[offsets])
    content = pa.BinaryArray.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(bounds), cells.buffers()[2]])
    sizes = np.diff(offsets)
    element = _ELEMENTS[_bare(kind.element)]
    header: list[Field] = [(">i4", one) for one in (1, int(values.values.null_count > 0), element, sizes, 1)]
    nothing = np.array([0, 0, element], ">i4").tobytes()
    heads = pc.if_else(pa.array(sizes == 0), pa.scalar(nothing, pa.binary()), _as_binary(_records(len(sizes), header)))
    whole = pc.binary_join_element_wise(heads, content, b"")
    return pc.if_else(values.is_null(), pa.scalar(None, pa.binary()), whole) if values.null_count else whole


def _fields(values: pa.Array, kind: Type) -> list[Field]:  # noqa: PLR0911 - one answer a type
    """Return what a cell of fixed width consists of; what stands at a null is without meaning."""
    match kind.kind:
        case "uuid":
            return [("V16", _buffer(values, np.dtype("V16")))]
        case "numeric":
            return _numeric(values)
        case "bool":
            return [("u1", pc.fill_null(values, False).cast(pa.uint8()).to_numpy(zero_copy_only=False))]  # noqa: FBT003
        case "float":
            return [(f">f{kind.bits // 8}", _buffer(values, np.dtype(f"f{kind.bits // 8}")))]
        case "date":
            return [(">i4", _buffer(values, np.dtype("i4")) - _EPOCH_DAYS)]
        case "timestamp":
            return [(">i8", _buffer(values, np.dtype("i8")) - _EPOCH_MICROS)]
        case "interval":
            return [(">i8", _buffer(values, np.dtype("i8"))), (">i8", 0)]
        case "time":
            return [(">i8", _buffer(values, np.dtype("i8")))]
        case _:
            return [(f">i{kind.bits // 8}", _buffer(values, np.dtype(f"i{kind.bits // 8}")))]


def _numeric(values: pa.Array) -> list[Field]:
    """Return numerics as groups of four decimal digits; the server takes off the zeros in front and behind."""
    scale = values.type.scale
    both = _buffer(values, np.dtype("V16")).view("<i8").reshape(-1, 2)
    if values.null_count:
        both = np.where(values.is_null().to_numpy(zero_copy_only=False)[:, None], 0, both)
    if (both[:, 1] != both[:, 0] >> 63).any():
        raise OverflowError("a numeric of more than 18 digits")
    size = np.abs(both[:, 0])
    whole = size // 10**scale
    after = -(-scale // 4)
    rest = (size - whole * 10**scale) * 10 ** (4 * after - scale)
    before = -(-len(str(whole.max(initial=0))) // 4)
    groups = [*_groups(whole, before), *_groups(rest, after)]
    head: list[Field] = [
        (">i2", len(groups)),
        (">i2", before - 1),
        (">i2", np.where(both[:, 0] < 0, 0x4000, 0)),
        (">i2", scale),
    ]
    return [*head, *((">i2", group) for group in groups)]


def _groups(numbers: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """Return the decimal digits by four, the greatest first."""
    found: list[NDArray[np.int64]] = []
    for _ in range(count):
        above = numbers // 10_000  # numpy divides by a constant four times as fast as it takes remainders
        found.append(numbers - above * 10_000)
        numbers = above
    return found[::-1]


def _buffer(values: pa.Array, kind: np.dtype[Any]) -> NDArray[np.int64]:
    """Return the data buffer of a column of fixed width; what stands at a null is without meaning."""
    found: NDArray[np.int64] = np.frombuffer(values.buffers()[1], kind, len(values), values.offset * kind.itemsize)
    return found


def _cell(fields: list[Field]) -> list[Field]:
    """Return the fields behind their length."""
    return [(">i4", sum(np.dtype(kind).itemsize for kind, _ in fields)), *fields]


def _records(count: int, fields: list[Field]) -> Bytes:
    """Return the bytes of records that consist of these fields, without gaps."""
    kinds = [(f"{place}", kind) for place, (kind, _) in enumerate(fields)]
    records = np.empty(count, np.dtype(kinds))
    for (name, _), (_, values) in zip(kinds, fields, strict=True):
        records[name] = values
    return records.view(np.uint8).reshape(count, records.itemsize)


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
