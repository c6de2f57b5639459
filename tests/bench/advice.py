"""Ten naive migrations, and what is advised in their place, both rehearsed: `python -m tests.bench.advice [NAME...]`.

Each is one file as everyone writes it, on a table of a million rows under 200 calls/s; nobody's hand is on what is
advised. About a minute and a half each. A naive way that keeps the budget, an advised one that breaks it and one that
ends elsewhere are told, and make the exit code 1.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearse.units import human_duration
from tests.cli.test_cli import rehearse

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SPLIT = """
ALTER TABLE events ADD COLUMN section text, ADD COLUMN page text;
UPDATE events SET section = split_part(path, '/', 2), page = split_part(path, '/', 3);
"""
NAIVE = {
    "a default that differs by row": "ALTER TABLE events ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();",
    "SET NOT NULL with its backfill": "UPDATE events SET customer_id = 1 WHERE customer_id IS NULL;"
    "ALTER TABLE events ALTER COLUMN customer_id SET NOT NULL;",
    "a foreign key": "ALTER TABLE events ADD CONSTRAINT events_customer FOREIGN KEY (customer_id) "
    "REFERENCES customers (id);",
    "a unique constraint": "ALTER TABLE events ADD CONSTRAINT events_once UNIQUE (id, kind);",
    "an index": "CREATE INDEX events_kind_path_idx ON events (kind, path);",
    "int to bigint of the key": "ALTER TABLE events ALTER COLUMN id TYPE bigint;",
    "another type": "ALTER TABLE events ALTER COLUMN ip TYPE text;",
    "a check": "ALTER TABLE events ADD CONSTRAINT events_path CHECK (path LIKE '/%');",
    "a column split in one UPDATE": SPLIT,
    "partitions by a copy": (SCENARIOS / "partition_table" / "bad.up.sql").read_text(encoding="utf-8"),
}
SCENARIO = """
name = "advice"
why = "a naive migration of the shop, to be advised"
seed = 7
[data]
profile = "shop"
scale = 0.002
tables = {{ events = "1M" }}
[migration]
schema = "{schema}"
forward = "up.sql"
back = false
[workload]
sessions = 16
rate = "200/s"
baseline = "3s"
settle = "1s"
[[workload.calls]]
name = "log event"
share = 50
sql = "insert into events (customer_id, kind, path) values (:customer, 'page view', :path)"
values = {{ customer = "customers.id", path = "events.path" }}
[[workload.calls]]
name = "read event"
share = 50
sql = "select kind, path, payload, occurred_at from events where id = :id"
values = {{ id = "events.id" }}
[budget]
blocked = "250ms"
lost_writes = 0
"""


@dataclass(frozen=True)
class Advised:
    """How a naive migration and what is advised came out; outages are the longest of any table."""

    name: str
    way: str
    naive: str
    advised: str
    naive_ns: float | None
    advised_ns: float | None
    ends_alike: bool

    @property
    def is_right(self) -> bool:
        return self.naive == "failed" and self.advised == "passed" and self.ends_alike


def advised(name: str, folder: Path) -> Advised:
    """Rehearse a naive migration and what is advised in its place."""
    (folder / "up.sql").write_text(NAIVE[name], encoding="utf-8")
    path = folder / "advice.toml"
    path.write_text(SCENARIO.format(schema=SCENARIOS / "shop" / "schema.sql"), encoding="utf-8")
    done = rehearse("advise", str(path), "--json", f"--out={folder / 'out'}")
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"{name}: {done.stderr}")
    naive, other = sorted(json.loads(done.stdout)["strategies"], key=lambda one: one["name"] != "as written")
    return Advised(
        name=name,
        way=other["name"],
        naive=naive["status"],
        advised=other["status"],
        naive_ns=_outage_ns(naive),
        advised_ns=_outage_ns(other),
        ends_alike=all(one["end"]["is_first"] or one["end"]["is_alternative"] for one in (naive, other)),
    )


def _outage_ns(strategy: dict[str, Any]) -> float | None:
    figure = strategy["figures"]["blocked_ms"]
    return None if figure is None or figure["median"] is None else figure["median"] * 1e6


def main(names: list[str]) -> int:
    """Print a line for each migration; return 1 if one did not come out as it must."""
    heads = ("change", "as written", "longest outage", "advised", "", "longest outage")
    print("{:32} {:>10} {:>15}  {:18} {:>7} {:>15} ends alike".format(*heads))
    right = True
    for name in names or NAIVE:
        with tempfile.TemporaryDirectory() as folder:
            one = advised(name, Path(folder))
        right &= one.is_right
        outages = ["?" if ns is None else human_duration(round(ns)) for ns in (one.naive_ns, one.advised_ns)]
        print(
            f"{name:32} {one.naive:>10} {outages[0]:>15}  {one.way:18} {one.advised:>7} {outages[1]:>15} "
            f"{'yes' if one.ends_alike else 'NO'}",
            flush=True,
        )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
