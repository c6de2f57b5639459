"""Rows in the shape of a profile, drawn by seed, in columns."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from rehearse.datasets.generate import GeneratedTable, estimated_bytes, made_by, open_tables, production
from rehearse.profiles.contents import Contents, Part
from rehearse.profiles.structure import ForeignKey, Structure

__all__ = ["Described", "GeneratedTable", "Readable", "estimated_bytes", "made_by", "open_tables", "production"]


@runtime_checkable
class Described(Protocol):
    """A database that tells its tables, columns and keys, so that rows can be made for it."""

    def structure(self) -> Structure:
        """Return the tables as a generator of rows must know them."""
        ...


@runtime_checkable
class Readable(Protocol):
    """A database whose rows can be read in columns, so that likeness can be measured."""

    def contents(
        self,
        *,
        rows: int,
        parts: Mapping[str, Mapping[str, Collection[Part]]] | None = None,
        keys: Mapping[str, Sequence[ForeignKey]] | None = None,
    ) -> Contents:
        """Return the tables' rows, sampled where they are more than `rows`, and the fan-outs of their foreign keys.

        `parts` says what is wanted {table: {column: parts}}; `keys` are references that the schema does not declare.
        """
        ...
