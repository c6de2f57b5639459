"""Rows in the shape of a profile, drawn by seed, in columns."""

from rehearse.datasets.generate import GeneratedTable, estimated_bytes, open_tables

__all__ = ["GeneratedTable", "estimated_bytes", "open_tables"]
