"""What the traffic must know of a database; the family's own."""

from rehearse.engines.mysql.survey import greatest, refusals, sample, survey

__all__ = ["greatest", "refusals", "sample", "survey"]
