"""`make bench`: what watching costs, what the driver can, a rehearsal on five million rows, what a profile is worth."""

from __future__ import annotations

import subprocess
import sys

PARTS = (
    "tests.bench.observers",
    "tests.bench.driver",
    "tests.bench.locks",
    "tests.bench.stall",
    "tests.bench.loading",
    "tests.bench.loading_mysql",
    "tests.bench.large",
    "tests.bench.roundtrip",
    "tests.bench.steps",
    "tests.bench.anonymize",
    "tests.bench.subset",
    "tests.bench.diff",
    "tests.bench.flipped",
    "tests.bench.schema",
    "tests.bench.backfill",
)


def main() -> int:
    """Run each part in a process of its own and return 1 if one is beyond its limit."""
    codes = []
    for part in PARTS:
        print(f"\n== python -m {part}", flush=True)
        codes.append(subprocess.run([sys.executable, "-m", part], check=False).returncode)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
