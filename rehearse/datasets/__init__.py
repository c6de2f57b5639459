"""Rows in the shape of a profile, drawn by seed, in columns."""

from typing import Protocol, runtime_checkable

from rehearse.datasets.generate import GeneratedTable, estimated_bytes, open_tables
from rehearse.profiles.structure import Structure

__all__ = ["Described", "GeneratedTable", "estimated_bytes", "open_tables"]


@runtime_checkable
class Described(Protocol):
    """A database that tells its tables, columns and keys, so that rows can be made for it."""

    def structure(self) -> Structure:
        """Return the tables as a generator of rows must know them."""
        ...
