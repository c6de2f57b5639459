"""What the traffic must know of a database; the family's own."""

from __future__ import annotations

from rehearse.engines.mariadb.flavour import MARIADB
from rehearse.engines.mysql import survey as common
from rehearse.engines.mysql.survey import greatest, refusals, sample
from rehearse.model import Survey

__all__ = ["greatest", "refusals", "sample", "survey"]


def survey(url: str) -> Survey:
    """Return the tables, references and views of a database; see the family's."""
    return common.survey(url, MARIADB)
