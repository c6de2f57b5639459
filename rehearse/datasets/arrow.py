"""Arrow's types for a database's, and ways from numbers to them that copy as little as they can."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets.randomness import Floats, Ints, Words
from rehearse.profiles import Type

_MICROS_A_DAY = 86_400_000_000
_UNBOUND_SCALE = 2  # digits after the point of a numeric without precision
_GREATEST = 10**18 - 1  # what fits an int64 in decimal digits
RANGE_BOUNDS = {  # of range types
    "int4range": Type(kind="integer", declared="integer", bits=32),
    "int8range": Type(kind="integer", declared="bigint"),
    "numrange": Type(kind="numeric", declared="numeric(14,2)", precision=14, scale=2),
    "daterange": Type(kind="date", declared="date"),
    "tsrange": Type(kind="timestamp", declared="timestamp"),
    "tstzrange": Type(kind="timestamp", declared="timestamptz", zoned=True),
}


def arrow_type(kind: Type) -> pa.DataType:  # noqa: PLR0911 - one answer a type
    """Return the Arrow type in which a column's values are passed on."""
    match kind.kind:
        case "integer":
            return {16: pa.int16(), 32: pa.int32()}.get(kind.bits, pa.int64())
        case "numeric":
            return pa.decimal128(min(38, kind.precision or 38), scale(kind))
        case "float":
            return pa.float32() if kind.bits == 32 else pa.float64()
        case "bool":
            return pa.bool_()
        case "date":
            return pa.date32()
        case "time":
            return pa.time64("us")
        case "timestamp":
            return pa.timestamp("us", tz="UTC" if kind.zoned else None)
        case "uuid":
            return pa.binary(16)
        case "bytes":
            return pa.binary()
        case "interval":
            return pa.duration("us")
        case "array":
            assert kind.element is not None
            return pa.list_(arrow_type(kind.element))
        case _:
            return pa.string()


def scale(kind: Type) -> int:
    """Return the digits after the point that values of a numeric get."""
    return _UNBOUND_SCALE if kind.precision is None else kind.scale


def cast(values: pa.Array, kind: Type) -> pa.Array:
    """Return values in a column's type; texts are cut to its length."""
    wanted = arrow_type(kind)
    if wanted == pa.string():
        text = values if values.type == pa.string() else pc.cast(values, pa.string())
        return text if kind.length is None else pc.utf8_slice_codeunits(text, 0, kind.length)
    if values.type == wanted:
        return values
    if values.type == pa.string() and kind.kind in ("interval", "bytes", "array", "uuid"):
        return _from_words(values, wanted)
    return pc.cast(values, wanted)


def _from_words(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_binary(wanted):
        return pc.cast(values, wanted)
    if pa.types.is_fixed_size_binary(wanted):
        return pa.array([bytes.fromhex(one.replace("-", "")) for one in values.to_pylist()], wanted)
    if pa.types.is_duration(wanted):
        return pc.cast(pc.multiply(pc.cast(values, pa.int64()), 1_000_000), wanted)
    raise pa.ArrowNotImplementedError(f"no way from text to {wanted}")


def from_integers(numbers: Ints, kind: Type) -> pa.Array:
    """Return whole numbers in a column's type."""
    if kind.kind == "numeric":
        return decimal(numbers * 10 ** scale(kind), kind)
    if kind.kind == "interval":
        return pa.array(numbers * 1_000_000).cast(pa.duration("us"))
    return cast(pa.array(numbers), kind)


def from_floats(numbers: Floats, kind: Type) -> pa.Array:
    """Return numbers in a column's type: rounded, and within what it can hold. An interval counts seconds."""
    match kind.kind:
        case "integer":
            top = 2 ** (min(kind.bits, 53) - 1) - 1 if kind.bits < 64 else 2**53
            return pa.array(np.clip(np.round(numbers), -top, top).astype(np.int64)).cast(arrow_type(kind))
        case "numeric":
            top = min(10 ** (kind.precision or 18) - 1, _GREATEST)
            return decimal(np.clip(np.round(numbers * 10.0 ** scale(kind)), -top, top).astype(np.int64), kind)
        case "text" | "json" | "enum" | "other":
            return cast(pa.array(np.round(numbers).astype(np.int64)), kind)
        case "interval":
            return pa.array((numbers * 1_000_000).astype(np.int64)).cast(pa.duration("us"))
        case "timestamp" | "date" | "time":
            return from_micros((numbers * 1_000_000).astype(np.int64), kind)
        case _:
            return pc.cast(pa.array(numbers), arrow_type(kind))


def decimal(unscaled: Ints, kind: Type) -> pa.Array:
    """Return decimals from whole numbers of their smallest unit."""
    low = unscaled.astype("<i8")
    both = np.stack([low, low >> 63], axis=1)
    return pa.Array.from_buffers(arrow_type(kind), len(low), [None, pa.py_buffer(np.ascontiguousarray(both))])


def from_micros(moments: Ints, kind: Type) -> pa.Array:
    """Return moments (µs since 1970 in UTC) in a column's type."""
    if kind.kind == "date":
        return pa.array((moments // _MICROS_A_DAY).astype(np.int32)).cast(pa.date32())
    if kind.kind == "time":
        return pa.array(moments % _MICROS_A_DAY).cast(pa.time64("us"))
    if kind.kind == "timestamp":
        return pa.array(moments).cast(arrow_type(kind))
    if kind.kind in ("integer", "float", "numeric"):
        return from_integers(moments // 1_000_000, kind)
    return cast(pa.array(moments).cast(pa.timestamp("us")), kind)


def to_micros(values: pa.Array) -> pa.Array:
    """Return dates and timestamps as µs since 1970."""
    if pa.types.is_date32(values.type):
        return pc.multiply(values.cast(pa.int32()).cast(pa.int64()), _MICROS_A_DAY)
    return values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None))).cast(pa.int64())


def uuid(high: Words, low: Words, kind: Type) -> pa.Array:
    """Return random (version 4) UUIDs from 128 bits each: as 16 bytes, or as 32 hexadecimal digits in a text."""
    whole = np.ascontiguousarray(np.stack([high, low], axis=1)).view(np.uint8).reshape(-1, 16)
    if kind.kind == "uuid":
        whole[:, 6] = whole[:, 6] & 0x0F | 0x40
        whole[:, 8] = whole[:, 8] & 0x3F | 0x80
        return pa.Array.from_buffers(pa.binary(16), len(whole), [None, pa.py_buffer(whole)])
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[np.stack([whole >> 4, whole & 15], axis=2)]
    offsets = np.arange(len(whole) + 1, dtype=np.int32) * 32
    text = pa.StringArray.from_buffers(len(whole), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(digits)))
    return cast(text, kind)


def inet(bits: Words) -> pa.Array:
    """Return private IPv4 addresses (10.0.0.0/8)."""
    parts = [
        pc.cast(pa.array(((bits >> np.uint64(8 * place)) & np.uint64(255)).astype(np.int64)), pa.string())
        for place in range(3)
    ]
    return pc.binary_join_element_wise(pa.scalar("10"), *parts, ".")
