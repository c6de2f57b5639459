"""What the traffic changes beside its rows: sequences that lag since a call chose a key itself, and contents."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from rehearse.events import Outcome
from rehearse.model import PropertyDifference

if TYPE_CHECKING:
    import pandas

_OWNED = re.compile(r"table (?P<table>.+) column (?P<column>.+) sequence")
_EDGE = re.compile(r"the column already has (?P<edge>-?\d+)")
_DID = (Outcome.OK, Outcome.UNKNOWN)


def is_by_traffic(one: PropertyDifference, writes: pandas.DataFrame) -> bool:
    """Say whether a difference of a sequence's lag, or of what a view holds, may be the traffic's work.

    A sequence that lagged already, or whose calls have drawn past the column since, was not set back by a migration:
    that would show in its value. One that lags now is explained where a call inserted the outermost key by itself.
    A materialized view that is filled anew has the calls' rows, too, as large objects may have been written by them.
    """
    if one.property.startswith("content"):
        return bool(writes["outcome"].isin(_DID).any())
    if one.property != "behind":
        return False
    owned, edge = _OWNED.fullmatch(one.object), _EDGE.search(one.after or "")
    if one.before is not None or owned is None or edge is None:
        return True
    inserted = writes[(writes["table"] == owned["table"]) & (writes["kind"] == "insert")]
    did = inserted[inserted["outcome"].isin(_DID)]
    return any(_chosen(values, owned["column"]) == int(edge["edge"]) for values in did["values"])


def _chosen(values: str, column: str) -> int | None:
    """Return the key that a call's own values hold; one that the server drew is not among them."""
    text = json.loads(values).get(column)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
