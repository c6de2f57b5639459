"""What a sample of a column tells about how it must be treated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pyarrow as pa

from rehearse.datasets import documents
from rehearse.datasets.masking import FEWEST_ROWS, MOST_CODES, Found
from rehearse.profiles import Column
from rehearse.profiles.personal import by_content, by_name

Exact = Callable[[], tuple[int, list[str]]]  # rows of the rarest value, and all values
_CODE = re.compile(r"[\w.:/+#-][\w .:/+#-]{0,31}")


def found(column: Column, sample: pa.Array, exact: Exact) -> Found:
    """Return what is known of a column; `exact` is asked, and may read all rows, only where it may hold codes."""
    kind = column.type.kind
    if kind == "json":
        return Found(paths=documents.paths(sample))
    if kind == "array":
        return Found(personal=by_content(_elements(sample)))
    if kind != "text":
        return Found()
    values = sample.drop_null().unique().to_pylist()
    personal = by_content(values)
    may_be_codes = personal is None and by_name(column.name) is None and _are_codes(values)
    return Found(personal=personal, are_codes=may_be_codes and _surely_codes(exact))


def _are_codes(values: list[str]) -> bool:
    return 0 < len(values) <= MOST_CODES and all(_CODE.fullmatch(one) for one in values)


def _surely_codes(exact: Exact) -> bool:
    fewest, values = exact()
    return fewest >= FEWEST_ROWS and _are_codes(values) and by_content(values) is None


def _elements(arrays: pa.Array) -> Iterator[str]:
    for one in arrays.to_pylist():
        if one is not None:
            yield from _strings(json.loads(one))


def _strings(tree: object) -> Iterator[str]:
    if isinstance(tree, list):
        for one in tree:
            yield from _strings(one)
    elif isinstance(tree, str):
        yield tree
