"""The live view: a line for each stage, and figures only of traffic that there was."""

from __future__ import annotations

import io

from rich.console import Console

from rehearse.cli.live import _View
from rehearse.workload.driver import Counts


def shown(counts: Counts) -> str:
    out = io.StringIO()
    view = _View(Console(file=out, width=100), verbose=False)
    view.stage("forward")
    view.traffic(lambda: counts)
    view.done()
    return out.getvalue()


def test_a_phase_without_traffic_has_no_figures_of_it() -> None:
    assert "ok" not in shown(Counts())
    assert "0 ok, 3 failed" in shown(Counts(due=3, failed=3))
    assert "7 ok" in shown(Counts(due=7, ok=7))
