"""What pytest must know first: our plug-in is tested by pytester, and CI skips nothing that it could install."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

pytest_plugins = ["pytester"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests that measure time, all rehearsals among them, run one after the other where `-n 2` is given."""
    for item in items:
        if item.get_closest_marker("timed") or "end_to_end" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("timed"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, fail a test that was skipped for want of something that an installation would bring."""
    report = yield
    reason: Any = report.longrepr
    if os.environ.get("CI") and report.skipped and "install" in str(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI can install what is missing: {reason}"
    return report
