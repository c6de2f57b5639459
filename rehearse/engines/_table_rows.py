"""What a comparison of two states of a table asks an engine for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from rehearse.engines import _writes
from rehearse.engines._expected import Readings
from rehearse.engines._numbered import Numbers
from rehearse.model import TableState

Cells = dict[str, str | None]
Found = Mapping[_writes.Key, tuple[int, Cells]]  # by key: the row's number, and its cells


class Column(Protocol):
    """A column of one side."""

    @property
    def is_generated(self) -> bool:
        """Say whether its values follow from others."""
        ...


class Table(Protocol):
    """A table on one side."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns by name."""
        ...


class Pairing(Protocol):
    """A table on both sides: the columns and key that they share."""

    @property
    def older(self) -> Table:
        """The table before."""
        ...

    @property
    def newer(self) -> Table:
        """The table after."""
        ...

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the key; empty where none is shared."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are there on both sides."""
        ...

    def has_equal_sums(self, before: TableState, after: TableState) -> bool:
        """Say whether the snapshots' checksums already prove that nothing differs in what both sides have."""
        ...

    def has_equal_column(self, name: str, before: TableState, after: TableState) -> bool:
        """Say whether the snapshots' checksums already prove that nothing differs in a column."""
        ...


class Rows(Protocol):
    """The rows of a table on both sides, as a comparison asks for them; each has a number, an integer of 64 bits.

    What two sides are asked for is asked side by side.
    """

    @property
    def pairing(self) -> Pairing:
        """What the sides share."""
        ...

    def values_gone(self, names: tuple[str, ...], without: Sequence[int]) -> dict[str, int]:
        """Return how many values these older columns hold, NULLs and the rows of these numbers left out."""
        ...

    def known(self, keys: Iterable[_writes.Key]) -> Mapping[_writes.Key, _writes.Key]:
        """Return, of keys as they were written, one that stands for all that the server holds for equal.

        Keys that it cannot read are left out.
        """
        ...

    def readings(self, written: Iterable[tuple[str, str]]) -> Readings:
        """Return how each written (column, text) reads as a cell, in the older and in the newer type."""
        ...

    def by_key(self, keys: Sequence[_writes.Key]) -> tuple[Found, Found]:
        """Return the older and the newer rows of keys that `known` returned."""
        ...

    def older_rows(self, numbers: Numbers, *, limit: int) -> dict[int, Cells]:
        """Return the cells of older rows with these numbers."""
        ...

    def newer_rows(self, numbers: Numbers, *, limit: int) -> dict[int, Cells]:
        """Return the cells of newer rows with these numbers."""
        ...

    def shown(self, numbers: Numbers) -> tuple[dict[int, Cells], dict[int, Cells]]:
        """Return the cells of the older and of the newer rows with these numbers; long ones may be cut."""
        ...

    def parts(self, rows: int) -> Sequence[Any]:
        """Return what is to be read at a time of about so many rows a side."""
        ...

    def read(self, part: Any) -> Sequence[Numbers]:
        """Return numbers and hashes of a part's rows, older and newer; without a key the hash is the number."""
        ...

    def cells(self, numbers: Numbers, names: Sequence[str]) -> Sequence[Numbers]:
        """Return numbers (sorted, each once) and hashes of cells (0: NULL) of these rows, older and newer."""
        ...
