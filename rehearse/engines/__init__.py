"""Kinds of database: a package each, found by name through `rehearse.registry`."""

from __future__ import annotations

NAMES = ["mariadb", "mysql", "postgres"]
