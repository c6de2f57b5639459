"""Servers of the MySQL family, started once."""

from __future__ import annotations

from tests.engines.conftest import mariadb, mysql

__all__ = ["mariadb", "mysql"]
