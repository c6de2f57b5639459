"""A small scenario in a folder: its own schema and rows, a second of traffic, a migration given as SQL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# These say that this machine was too busy to time calls to 5 ms, or busier than before: no word on the migration.
OF_THE_MACHINE = {"R001", "R005", "R006"}
BASE = """
create table items (id bigint primary key, name text not null, price numeric(10,2) not null default 1, note text);
insert into items select n, 'item ' || n, n % 100, case when n % 3 = 0 then 'note ' || n end
from generate_series(1, 2000) n;
create table parts (id bigint primary key, item_id bigint not null references items, amount int not null);
insert into parts select n, 1 + n % 2000, n % 7 from generate_series(1, 4000) n;
analyze;
"""

CALLS = """
[[workload.calls]]
name = "read item"
share = 80
sql = "select name, price from items where id = :id"
values = { id = "items.id" }
[[workload.calls]]
name = "price item"
share = 20
sql = "update items set price = :price where id = :id"
values = { id = "items.id", price = "items.price" }
"""


def scenario(
    folder: Path,
    forward: str,
    back: str | None,
    *,
    base: str = BASE,
    calls: str = CALLS,
    migration: str = "",
    budget: Mapping[str, Any] | None = None,
    more: str = "",
) -> Path:
    """Write a scenario and its files into a folder and return the path of the .toml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.sql").write_text(base, encoding="utf-8")
    (folder / "up.sql").write_text(forward, encoding="utf-8")
    if back is not None:
        (folder / "down.sql").write_text(back, encoding="utf-8")
    back_line = 'back = "down.sql"' if back is not None else ""
    budgets = "\n".join(f"{key} = {value!r}".replace("'", '"') for key, value in (budget or {}).items())
    path = folder / "scenario.toml"
    path.write_text(
        f"""
name = "small"
why = "a small table, to see one thing"
[data]
load = ["base.sql"]
[migration]
forward = "up.sql"
{back_line}
{migration}
[workload]
sessions = 4
rate = "100/s"
baseline = "1s"
lead = "300ms"
settle = "300ms"
{more}
{calls}
[budget]
{budgets}
""",
        encoding="utf-8",
    )
    return path


def run(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `rehearse run` on a scenario as a user would, the reports into its folder."""
    command = [sys.executable, "-m", "rehearse", "run", str(path), "--out", str(path.parent / "out"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)


def answer(found: Mapping[str, Any]) -> str:
    """Return the verdict of a report.json, but for what is said of the machine alone."""
    answers = {one["status"] for one in found["verdict"]["checks"] if one["code"] not in OF_THE_MACHINE}
    return next(status for status in ("failed", "unknown", "passed") if status in answers)


def passed(path: Path) -> bool:
    """Say whether the scenario that `run` ran passed."""
    found = json.loads((path.parent / "out" / "report.json").read_text(encoding="utf-8"))
    return answer(found) == "passed"
