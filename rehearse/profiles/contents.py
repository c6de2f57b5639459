"""What stands in a database's tables, as far as likeness needs it: sampled rows in columns, and fan-outs counted whole.

No text is kept unless it is asked for: a value that is no number is known by a hash of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rehearse.profiles.structure import ForeignKey, Kind

Part = Literal["number", "code", "length", "letters", "text", "present"]
LETTERS = ("digits", "small letters", "capitals", "spaces", "other signs")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Values:
    """A column's values in the sampled rows, in the order in which the rows stand on disk.

    `numbers` are numbers as they are, moments in seconds since 1970, times since midnight; NaN where `present` is
    false. `lengths` are in characters, bytes or items. `letters` counts the signs of `LETTERS` at the texts' starts.
    """

    kind: Kind
    present: NDArray[np.bool_]
    codes: NDArray[np.int64]  # equal values have equal codes in every database; empty where they were not asked for
    numbers: NDArray[np.float64] | None = None
    lengths: NDArray[np.float64] | None = None
    letters: NDArray[np.int64] | None = None
    texts: NDArray[np.object_] | None = None  # the beginnings, where they were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table's rows: how many there are, and the columns of those that were read; `whole` if these are all."""

    table: str
    rows: int
    columns: Mapping[str, Values]
    whole: bool
    primary_key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """How many children the parents have: `groups` are {children a parent: parents with so many}, none included.

    `orphans` are children that point at no parent, `unset` those that point at nothing.
    """

    table: str
    key: ForeignKey
    groups: Mapping[int, int]
    orphans: int
    unset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The tables of a database, by name, and their foreign keys. `gaps` says what could not be read, and why."""

    tables: Mapping[str, Rows]
    fan_outs: tuple[FanOut, ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)
