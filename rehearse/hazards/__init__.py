"""Hazards of migration SQL that can be told without a server: lint, and what a rehearsal made of them.

A reader for each family of engines (postgres, mysql) makes acts of a statement; rules (rules/) judge each act by what
is known before it (known). Nothing here opens a file or a connection.
"""

from __future__ import annotations

from rehearse.errors import Mistake, near_miss
from rehearse.hazards.lint import Script, beginning, hazards, said, version_of
from rehearse.hazards.rule import FAILING, Hazard, Rule
from rehearse.hazards.rules import RULES

__all__ = ["FAILING", "RULES", "Hazard", "Rule", "Script", "beginning", "by_code", "hazards", "said", "version_of"]


def by_code(code: str) -> Rule:
    """Return the rule of this code; a Mistake with a near miss where there is none."""
    found = next((one for one in RULES if one.code == code.upper()), None)
    if found is None:
        raise Mistake(f"no hazard has the code {code!r}{near_miss(code.upper(), [one.code for one in RULES])}")
    return found
