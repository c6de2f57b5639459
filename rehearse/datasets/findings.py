"""What a sample of a column tells about how it must be treated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from rehearse.datasets import documents
from rehearse.datasets.listing import listed
from rehearse.datasets.masking import FEWEST_ROWS, MOST_CODES, Found, Spot, Treatment
from rehearse.profiles import Column, Structure
from rehearse.profiles.personal import Personal, by_content, by_name, by_numbers, by_person, is_of_a_person

Exact = Callable[[], tuple[int, list[str]]]  # rows of the rarest value, and all values
_CODE = re.compile(r"[\w.:/+#-][\w .:/+#-]{0,31}")


def found(column: Column, sample: pa.Array, exact: Exact) -> Found:
    """Return what is known of a column; `exact` is asked, and may read all rows, only where it may hold codes."""
    kind = column.type.kind
    if kind == "json":
        keyed = documents.value_keys(sample)
        return Found(paths=documents.paths(sample, keyed), value_keys=keyed)
    if kind == "array":
        return Found(personal=_of_array(column, sample))
    values = sample.drop_null().unique().to_pylist()
    if kind in ("integer", "numeric"):
        return Found(personal=by_numbers(column.name, values))
    if kind != "text":
        return Found()
    personal = personal_texts(column.name, values)
    may_be_codes = personal is None and by_name(column.name) is None and _are_codes(values)
    are_codes = may_be_codes and _surely_codes(column.name, exact)
    return Found(personal=personal, are_codes=are_codes, may_be_codes=may_be_codes)


def personal_texts(column: str, values: Sequence[str]) -> Personal | None:
    """Return what texts tell of persons: by what stands in them, more of it where the column's name is somebody's."""
    return by_content(values) or (by_person(values) if is_of_a_person(column) else None)


def told_by_lists(structure: Structure, treated: Mapping[Spot, Treatment]) -> Iterator[tuple[Spot, Personal, str]]:
    """Yield what looks personal among the values that enums and CHECKs list for columns that are kept for it."""
    for (table, name), treatment in treated.items():
        column = structure.tables[table].columns[name]
        values: Sequence[str] = ()
        if treatment.why == "type":
            values = (column.type.element or column.type).labels
        elif treatment.why == "check":
            values = listed(structure.tables[table], name) or ()
        for value in values:
            kind = personal_texts(name, [value])
            if kind:
                yield (table, name), kind, value


def _are_codes(values: list[str]) -> bool:
    return 0 < len(values) <= MOST_CODES and all(_CODE.fullmatch(one) for one in values)


def _surely_codes(column: str, exact: Exact) -> bool:
    fewest, values = exact()
    return fewest >= FEWEST_ROWS and _are_codes(values) and personal_texts(column, values) is None


def _of_array(column: Column, sample: pa.Array) -> Personal | None:
    values = list(_leaves(sample))
    element = column.type.element.kind if column.type.element else "text"
    if element in ("integer", "numeric"):
        return by_numbers(column.name, values)
    return personal_texts(column.name, values) if element == "text" else by_content(values)


def _leaves(arrays: pa.Array) -> Iterator[str]:
    for one in arrays.to_pylist():
        if one is not None:
            yield from _strings(json.loads(one, parse_int=str, parse_float=str))


def _strings(tree: object) -> Iterator[str]:
    if isinstance(tree, list):
        for one in tree:
            yield from _strings(one)
    elif isinstance(tree, str):
        yield tree
