"""Fixtures of rehearsals from end to end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the servers' files, so that what is left behind can be told from others'."""
    folder = Path("/tmp") / f"rh-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    folder.mkdir(mode=0o755)
    monkeypatch.setenv("REHEARSE_TMP", str(folder))
    return folder
