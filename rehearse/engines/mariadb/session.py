"""One connection of the application, non-blocking; the family's own."""

from rehearse.engines.mysql.session import connect

__all__ = ["connect"]
