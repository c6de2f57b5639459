"""`python -m tests.bench.large [ROWS]`: a whole rehearsal on a big table; own memory, and calls sent on time.

Own memory is the proportional set size (USS + shared pages by share) of all processes of rehearse, the server left out,
looked at every 100 ms; the peak of their sum is printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
SCENARIO = """
name = "large"
why = "one table of many rows, 500 calls a second, to the end"
seed = 5
[data]
profile = "{root}/data_profiles/shop.toml"
scale = 0.002
tables = {{ events = {rows} }}
[migration]
schema = "{root}/scenarios/shop/schema.sql"
forward = "alter table events add column seen boolean;"
back = "alter table events drop column seen;"
[workload]
sessions = 16
rate = "500/s"
baseline = "10s"
settle = "3s"
[budget]
blocked = "1s"
"""


def main(rows: int) -> None:
    """Rehearse and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.toml"
        path.write_text(SCENARIO.format(root=ROOT, rows=rows), encoding="utf-8")
        command = [sys.executable, "-m", "rehearse", "run", str(path), "--out", f"{folder}/out"]
        began = time.monotonic()
        with subprocess.Popen(command, cwd=ROOT) as process:
            peak = _peak(process)
        report = json.loads((Path(folder) / "out" / "report.json").read_text(encoding="utf-8"))
    baseline = report["phases"][0]["traffic"]
    print(f"rows in one table      {report['data']['tables']['events']['rows']:,}")
    print(f"wall                   {time.monotonic() - began:.0f} s, exit {process.returncode}")
    print(f"own memory, peak       {peak / 2**20:.0f} MiB (limit 1024)")
    print(f"baseline               {baseline['due']:,} calls due, p99 {baseline['latency_ms']['p99']:.1f} ms")
    print(f"sent within 5 ms of due {baseline['on_time_share']:.2%} (limit 99 %)")
    print(f"verdict                {report['verdict']['status']}")


def _peak(process: subprocess.Popen[bytes]) -> int:
    peak = 0
    while process.poll() is None:
        peak = max(peak, _own_bytes(process.pid))
        time.sleep(0.1)
    return peak


def _own_bytes(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_pss(one) for one in family)


def _pss(process: psutil.Process) -> int:
    try:
        if "postgres" in process.name():
            return 0
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
