"""Ten naive migrations and the way that is advised for each, written and rehearsed without a hand on it.

    python -m tests.bench.advice [--scale 0.5] [--only "SET NOT NULL"] [--out DIR]

On the orders of tests.bench.strategies, a million at scale 0.5, under 300 calls/s. The naive way is to break the
budget, and the advised one to keep it and to end in the same schema and rows.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "strategies"
BLOCKED = "75ms"  # the budget: a million rows are read in little more, and a quick lock takes far less
NAIVE = {
    "ADD COLUMN, volatile default": (
        "ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();",
        "ALTER TABLE orders DROP COLUMN token;",
    ),
    "SET NOT NULL": (
        "ALTER TABLE orders ALTER COLUMN status SET NOT NULL;",
        "ALTER TABLE orders ALTER COLUMN status DROP NOT NULL;",
    ),
    "ADD FOREIGN KEY": (
        "ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id);",
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey;",
    ),
    "CREATE INDEX": (
        "CREATE INDEX orders_placed_at_idx ON orders (placed_at);",
        "DROP INDEX orders_placed_at_idx;",
    ),
    "integer key to bigint": (
        "ALTER TABLE orders ALTER COLUMN id TYPE bigint;\nALTER TABLE lines ALTER COLUMN order_id TYPE bigint;",
        "ALTER TABLE lines ALTER COLUMN order_id TYPE integer;\nALTER TABLE orders ALTER COLUMN id TYPE integer;",
    ),
    "ADD CHECK": (
        "ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total >= 0);",
        "ALTER TABLE orders DROP CONSTRAINT orders_total_check;",
    ),
    "ADD UNIQUE": (
        "ALTER TABLE orders ADD CONSTRAINT orders_customer_id_id_key UNIQUE (customer_id, id);",
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_id_key;",
    ),
    "ALTER TYPE": (
        "ALTER TABLE lines ALTER COLUMN quantity TYPE bigint;",
        "ALTER TABLE lines ALTER COLUMN quantity TYPE integer;",
    ),
    "ADD COLUMN and one UPDATE": (
        "ALTER TABLE orders ADD COLUMN currency text;\nUPDATE orders SET currency = 'EUR';",
        "ALTER TABLE orders DROP COLUMN currency;",
    ),
    "split by one UPDATE": (
        "ALTER TABLE orders ADD COLUMN first_name varchar(80), ADD COLUMN last_name varchar(80);\n"
        "UPDATE orders SET first_name = split_part(full_name, ' ', 1),\n"
        "    last_name = substr(full_name, strpos(full_name, ' ') + 1);",
        "ALTER TABLE orders DROP COLUMN first_name, DROP COLUMN last_name;",
    ),
}


def scenario(name: str, folder: Path) -> Path:
    """Write the scenario of a naive migration beside the schema and the profile of the strategies."""
    forward, back = NAIVE[name]
    text = HERE / ("partition_table.toml" if "lines" in forward and "orders" not in forward else "add_index.toml")
    whole = text.read_text(encoding="utf-8")
    head, _, rest = whole.partition("[change]")
    calls = rest[rest.index("[workload]") :]
    head = re.sub(r"^name = .*$", f'name = "{slug(name)}"', head, flags=re.MULTILINE)
    head = head.replace('"profile.toml"', f'"{HERE / "profile.toml"}"').replace('"schema', f'"{HERE}/schema')
    ways = f"forward = '''\n{forward}\n'''\nback = '''\n{back}\n'''\n"
    head = head.replace("[migration.mysql]", ways + "[migration.mysql]") if "[migration.mysql]" in head else head + ways
    file = folder / f"{slug(name)}.toml"
    calls = calls.replace('blocked = "500ms"', f'blocked = "{BLOCKED}"')
    file.write_text(f"{head}\n{calls}", encoding="utf-8")
    return file


def slug(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")


def advised(name: str, asked: argparse.Namespace) -> dict[str, Any] | None:
    """Return the comparison of the naive way and the advised one, run where it is not there yet."""
    folder = (asked.out / slug(name)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "comparison.json"
    if not file.exists():
        command = [sys.executable, "-m", "rehearse", "advise", str(scenario(name, folder)), "--scale", str(asked.scale)]
        done = subprocess.run([*command, "--out", str(folder), "-q"], capture_output=True, text=True, check=False)
        (folder / "said.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return found


def row(name: str, found: dict[str, Any] | None) -> str:
    if found is None:
        return f"| {name} | none | | | | | |"
    naive, *others = sorted(found["strategies"], key=lambda one: one["name"] != "as written")
    best = others[0]
    told = [f"{_ms(one['figures']['blocked_ms'])}, {one['status']}" for one in (naive, best)]
    errors = [f"{one['figures']['errors']['median']:.0f}" for one in (naive, best)]
    alike = "yes" if best["end"]["is_alternative"] else "no"
    keeps = "yes" if naive["status"] == "failed" and best["status"] == "passed" else "no"
    return f"| {name} | {best['name']} | {told[0]} | {told[1]} | {' / '.join(errors)} | {alike} | {keeps} |"


def _ms(figure: dict[str, Any] | None) -> str:
    return "not measured" if figure is None else f"{figure['median']:,.0f} ms"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--scale", type=float, default=0.5)
    asked.add_argument("--only", choices=NAIVE)
    asked.add_argument("--out", type=Path, default=Path("reports/advice"))
    given = asked.parse_args()
    print("| naive migration | advised | longest outage, naive | … advised | errors | same end | broken, and kept |")
    print("|---|---|---|---|---|---|---|")
    for name in NAIVE:
        if given.only in (None, name):
            print(row(name, advised(name, given)), flush=True)


if __name__ == "__main__":
    main()
