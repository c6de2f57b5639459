"""The view of a backfill under way: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rehearse.backfill.progress import Standing
from rehearse.units import NS_PER_S, human_duration

_EVERY_S = 10.0


@contextmanager
def shown(standing: Standing, stop: threading.Event, *, quiet: bool) -> Iterator[None]:
    """Show on standard error how it stands, until the end."""
    if quiet:
        yield
        return
    console = Console(stderr=True, highlight=False)
    if sys.stderr.isatty():
        with Live(_View(standing, stop), console=console, refresh_per_second=4, transient=True):
            yield
        return
    ended = threading.Event()

    def lines() -> None:
        while not ended.wait(_EVERY_S):
            console.print(f"{time.strftime('%H:%M:%S')} {words(standing)}", soft_wrap=True, markup=False)

    thread = threading.Thread(target=lines, daemon=True, name="backfill view")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _View:
    """What is drawn on a terminal."""

    def __init__(self, standing: Standing, stop: threading.Event) -> None:
        self._standing = standing
        self._stop = stop

    def __rich__(self) -> RenderableType:
        """Return a bar, and below it how it stands."""
        found = self._standing
        table = Table.grid(padding=(0, 1))
        total = found.estimate
        done = None if not total else min(found.stage_keys, total)
        bar = ProgressBar(total=total or 1, completed=done or 0, width=40, pulse=done is None)
        share = Text("" if done is None or not total else f"{done / total:.0%}")
        table.add_row(Text(f"{found.stage:<9}"), bar, share)
        ends = Text("ends after the batch under way", style="yellow") if self._stop.is_set() else Text("")
        return Group(table, Text(words(found)), ends)


def words(found: Standing) -> str:
    """Return on one line how it stands."""
    parts = [f"{found.stage}: {found.stage_keys:,} keys, {found.before + found.rows + found.swept:,} rows"]
    rate = found.rate()
    parts += [f"{rate:,.0f} keys/s"] if rate is not None else []
    if found.pace_keys is not None:
        took = f" in {human_duration(found.took_ns)}" if found.took_ns else ""
        parts.append(f"batches of {found.pace_keys:,}{took}")
    parts += [f"eased to {found.ease:.0%} for the latency"] if found.ease < 1 else []
    left = found.time_left()
    if left is not None:
        least, most = human_duration(left.least * NS_PER_S), human_duration(left.most * NS_PER_S)
        parts.append(f"{human_duration(left.seconds * NS_PER_S)} left ({least} to {most})")
    parts += [f"{found.refused} tried again ({found.last_refusal})"] if found.refused else []
    reason = found.watch.reason if found.watch else None
    parts += [f"WAITS: {reason}"] if reason else []
    return ", ".join(parts)
