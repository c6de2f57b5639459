"""Asks a scenario's assertions; the family's own."""

from rehearse.engines.mysql.asserts import AssertProbe, tried

__all__ = ["AssertProbe", "tried"]
