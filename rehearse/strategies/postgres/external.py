"""A recipe for pgroll, which shows old and new code a schema of views each, until the change is complete."""

from __future__ import annotations

import json
from typing import Any

from rehearse.strategies._site import Site
from rehearse.strategies._steps import Steps, alone
from rehearse.strategies.postgres.columns import new_column
from rehearse.strategies.postgres.names import quoted

# The URL goes by the environment, which other users cannot read; a process list everybody reads.
_SCRIPT = """set -eu
export PGROLL_PG_URL="$DATABASE_URL" PGROLL_SCHEMA={schema}
plan=$(mktemp -d)
trap 'rm -rf "$plan"' EXIT
cat > "$plan/change.json" <<'JSON'
{plan}
JSON
pgroll init
pgroll start "$plan/change.json" --complete
"""


def pgroll(site: Site) -> Steps:
    """Return the change as an operation of pgroll's."""
    plan = {"operations": [_operation(site)]}
    schema = "'" + site.plan.schema.replace("'", "'\\''") + "'"
    text = _SCRIPT.format(schema=schema, plan=json.dumps(plan, ensure_ascii=False, indent=2))
    return Steps(
        forward=(alone("pgroll expands, fills in batches, and completes.", text),),
        no_back="pgroll rolls back only until the change is complete; describe the reverse change",
        needs=("pgroll (https://github.com/xataio/pgroll)",),
        notes=("pgroll keeps its state in the schema pgroll, and a schema of views for the version.",),
    )


def _operation(site: Site) -> dict[str, Any]:
    change, table = site.change, site.plan.own
    own = quoted(site.column)
    if change.kind == "add column":
        one = new_column(site)
        column = {"name": one.name, "type": one.type, "nullable": one.nullable, "default": one.default}
        filled = {"up": change.fill} if change.fill else {}
        known = {key: value for key, value in column.items() if value is not None}
        return {"add_column": {"table": table, "column": known, **filled}}
    if change.kind == "rename column":
        return {"rename_column": {"table": table, "from": site.column, "to": site["to"]}}
    altered: dict[str, Any] = {"table": table, "column": site.column}
    if change.kind == "change type":
        old = site.old().type
        up = change.fill or f"{own}::{change.type}"
        down = change.back.get(site.column, f"{own}::{old}")
        return {"alter_column": {**altered, "type": change.type, "up": up, "down": down}}
    filling = f"coalesce({own}, {change.fill})" if change.fill else own
    return {"alter_column": {**altered, "nullable": False, "up": filling, "down": own}}
