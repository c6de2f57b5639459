"""Every rule of the linter, by its code.

H0 what cannot be seen, H1 outages on PostgreSQL, H2 what fails, H3 what breaks running code, H4 what loses data,
H5 outages on MySQL and MariaDB, H9 notes. An outage is a table closed for a time that grows with its rows: a strong
lock that is held for a moment is a note at most.
"""

from __future__ import annotations

from rehearse.hazards.rule import Rule
from rehearse.hazards.rules import (
    columns,
    constraints,
    contents,
    family,
    indexes,
    old_code,
    style,
    transactions,
    unseen,
)

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *unseen.RULES,
            *columns.RULES,
            *constraints.RULES,
            *indexes.RULES,
            *transactions.RULES,
            *old_code.RULES,
            *contents.RULES,
            *family.RULES,
            *style.RULES,
        ),
        key=lambda rule: rule.code,
    )
)
