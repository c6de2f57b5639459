"""The ways to make six changes, side by side: two million rows, 300 calls/s; the tables in the README.

    python -m tests.bench.strategies [--scale 1] [--repeats 3] [--only add_index] [--out DIR]

Each comparison stands in DIR (by default reports/strategies) with its page; one that is there already is not run again.
On MariaDB two of them, with pt-online-schema-change where it is installed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CHANGES = ("widen_key", "set_not_null", "add_foreign_key", "add_index", "split_column", "partition_table")
ON_MARIADB = ("set_not_null", "add_index")
ALL = (*((one, "postgres") for one in CHANGES), *((one, "mariadb") for one in ON_MARIADB))
_WORDS = {"passed": "yes", "failed": "no", "unknown": "?"}


def compared(change: str, engine: str, asked: argparse.Namespace) -> dict[str, Any] | None:
    """Return the comparison of a change's ways, run where it is not there yet; None where none could be run."""
    folder = asked.out / f"{change}-{engine}"
    file = folder / "comparison.json"
    if not file.exists():
        command = [sys.executable, "-m", "rehearse", "compare", str(HERE / f"{change}.toml"), "--ways", "all", "-q"]
        command += ["--scale", str(asked.scale), "--repeats", str(asked.repeats), "--out", str(folder)]
        command += [] if engine == "postgres" else ["--engine", engine]
        subprocess.run(command, check=False)
    found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return found


def length(figure: dict[str, Any] | None, unit: float) -> str:
    """Return a median in words, with the smallest and the largest; `unit` is in milliseconds."""
    if figure is None:
        return "not measured"
    low, middle, high = (_ms(figure[one] * unit) for one in ("low", "median", "high"))
    return middle if low == high else f"{middle} ({low} … {high})"


def _ms(value: float) -> str:
    return f"{value / 1000:.1f} s" if value >= 995 else f"{value:.0f} ms"


def row(change: str, one: dict[str, Any]) -> str:
    figures = one["figures"]
    if one["refused"] or not one["runs"]:
        return f"| {change} | {one['name']} | not run: {one['refused']} | | | | | |"
    end = one["end"]
    alike = "yes" if end["is_alternative"] else f"no: {', '.join(end['differs'])}"
    keeps = _WORDS[one["status"]]
    return (
        f"| {change} | {one['name']} | {length(figures['reads_ms'], 1)} | {length(figures['writes_ms'], 1)} | "
        f"{length(figures['forward_s'], 1000)} | {length(figures['p99_ms'], 1)} | {alike} | {keeps} |"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--scale", type=float, default=1.0)
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--only", choices=CHANGES)
    asked.add_argument("--engine", choices=("postgres", "mariadb"))
    asked.add_argument("--out", type=Path, default=Path("reports/strategies"))
    given = asked.parse_args()
    print("| change | way | closed to reads | to writes | forward | p99 | same end | keeps its budget |")
    print("|---|---|---|---|---|---|---|---|")
    for change, engine in ALL:
        if given.only in (None, change) and given.engine in (None, engine):
            found = compared(change, engine, given)
            name = change.replace("_", " ") + ("" if engine == "postgres" else f" ({engine})")
            for one in sorted(found["strategies"], key=lambda one: one["rank"] or 99) if found else ():
                print(row(name, one), flush=True)


if __name__ == "__main__":
    main()
