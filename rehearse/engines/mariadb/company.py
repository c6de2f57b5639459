"""Sessions that stay long in a transaction; the family's own."""

from rehearse.engines.mysql.company import company

__all__ = ["company"]
