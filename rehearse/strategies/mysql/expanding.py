"""New columns out of old ones on MySQL and MariaDB, kept in step by triggers until the old ones go."""

from __future__ import annotations

import re

from rehearse.strategies._site import Site
from rehearse.strategies._steps import Steps, batches, patient
from rehearse.strategies.mysql import alter
from rehearse.strategies.mysql.clauses import clauses, new_values
from rehearse.strategies.mysql.names import made, quoted

_WORD = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`|[^\W\d]\w*(?=\s*\()|[^\W\d]\w*")


def expand(site: Site) -> Steps:
    """Have triggers fill the new columns, fill old rows in batches, and take the triggers away at the end."""
    said, own = clauses(site), site.plan.own
    values = new_values(site)
    sets = ", ".join(f"NEW.{quoted(one)} = {of_new(value, site)}" for one, value in values.items())
    names = {event: quoted(made(own, f"__{event[:3].lower()}")) for event in ("INSERT", "UPDATE")}
    triggers = [
        f"CREATE TRIGGER {name} BEFORE {event} ON {quoted(own)} FOR EACH ROW SET {sets}"
        for event, name in names.items()
    ]
    undone = " OR ".join(f"NOT {quoted(one)} <=> ({value})" for one, value in values.items())
    forward = [
        patient("Expand: new columns, a catalog entry.", alter.alter(own, said.first, "ALGORITHM=INSTANT")),
        *(patient("Every write fills them from now on.", one) for one in triggers),
        batches("Old rows in batches.", f"{said.fill} WHERE {undone}", site.key()),
        *(
            patient("Contract, when the new version is live: the triggers go.", f"DROP TRIGGER {one}")
            for one in names.values()
        ),
    ]
    if said.then:
        forward.append(patient("The old columns go.", alter.alter(own, said.then, "ALGORITHM=INSTANT")))
    back = [patient("Undone.", alter.alter(own, said.back or (), "ALGORITHM=INSTANT"))]
    if said.back_fill:
        back.append(batches("Old rows in batches.", f"{said.back_fill}", site.key()))
        back.append(patient("Their rules; the new ones go.", alter.alter(own, said.back_then, said.back_how)))
    return Steps(forward=tuple(forward), back=tuple(back))


def of_new(expression: str, site: Site) -> str:
    """Return SQL of a value with NEW before the columns of the table."""

    def put(found: re.Match[str]) -> str:
        word = found[0]
        name = word[1:-1].replace("``", "`") if word.startswith("`") else word
        is_call = expression[found.end() :].lstrip().startswith("(") and not word.startswith("`")
        return f"NEW.{quoted(name)}" if name in site.plan.columns and not is_call else word

    return _WORD.sub(put, expression)
