"""What pytest must know first: our plug-in is tested by pytester, and CI skips nothing that it could install."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

import pytest

pytest_plugins = ["pytester"]


# Tests that measure time, one after the other, by one of the processes of `-n 2`.
TIMED = (
    "tests/end_to_end/test_company.py",
    "tests/end_to_end/test_lock_policy.py",
    "tests/end_to_end/test_exhausted_pool.py",
    "tests/end_to_end/test_scenarios.py",
    "tests/end_to_end/test_thinking_tool.py",
    "tests/end_to_end/test_versions.py",
    "tests/engines/mysql/test_lock_truth.py",
    "tests/engines/test_lock_oracle.py",
    "tests/engines/test_lock_situations.py",
    "tests/engines/test_locks_truth.py",
    "tests/engines/test_same_timeline.py",
    "tests/engines/test_watch.py",
    "tests/workload/test_driver.py",
)

# The same once more on another server or by another way, which `make exhaustive` runs and `make test` leaves out.
EXHAUSTIVE = re.compile(
    r"tests/engines/mysql/test_(compare|schema_changes)\.py::.*\[mysql|test_schema_changes\.py::.*\[installed-"
    r"|_keeps_its_word\[(mariadb|add_column_dialects|mysql(?!_(long_transaction|lock_refused)-bad))"
    r"|a_shipped_comparison_keeps_its_word|test_faces\.py::test_a_strategy_that_pytest_runs|end_to_end/test_compare\.py::.*mariadb"
    r"|end_to_end/test_damage\.py::.*(\[a script\]|\[an update of one column\]|an_update_of_the_key)"
    r"|_keeps_its_word\[(int_to_bigint|set_not_null|create_index|partition_table|split_name|add_foreign_key"
    r"|add_column_volatile_default|fill_column)-good"
    r"|_keeps_its_word\[(create_index|partition_table|add_foreign_key|fill_column)-bad"
    r"|end_to_end/test_damage\.py::test_an_offered_rule_stands|end_to_end/test_docker\.py::test_a_harmless_change"
    r"|end_to_end/test_asserts\.py::test_a_trigger_that_misses"
    r"|test_lock_situations\.py::.*\[binary"
    r"|engines/mysql/test_tools\.py::.*\[mysql"
    r"|backfill/test_(servers|keys)\.py::.*(\[mysql|-k\]|\[k-)"
    r"|hazards/test_proof\.py::.*\[installed|hazards/test_(algorithms|proof_family)\.py::.*\[mysql"
    r"|strategies/test_(mariadb|postgres)\.py::test_(gh_ost|pgroll)_"  # programs that no package brings
    r"|test_buckets\.py::test_by_any_key.*-1\]"
    r"|test_conformance\.py::.*(docker|mysql binary)-.*(_is_stopped_|SIGINT)"
    r"|test_conformance\.py::.*(mariadb docker|mysql \w+)-.*(two_servers|_that_fails_|SIGTERM)"
    r"|test_docker_mysql\.py::.*\[mysql\]"
    r"|strategies/test_mariadb\.py::.*\[mysql-"
    r"|test_conformance\.py::.*fake embedded-.*(_is_stopped_|SIGINT|SIGTERM)"
    r"|test_conformance\.py::.*(mariadb|mysql) docker-.*(it_sees_|its_checksums_|its_columns_|it_loads_)"
)

_CONFORMANCE = re.compile(r"/test_conformance\.py::\w+\[(\w+ \w+)-")
_LEFT = pytest.StashKey[Counter[str]]()  # promises that are exhaustive and were left out, by engine


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is exhaustive, unless it is asked for."""
    if os.environ.get("REHEARSE_EXHAUSTIVE"):
        return
    left = [one for one in items if EXHAUSTIVE.search(one.nodeid)]
    config.hook.pytest_deselected(items=left)
    items[:] = [one for one in items if not EXHAUSTIVE.search(one.nodeid)]
    config.stash[_LEFT] = found = _by_engine(left)
    if hasattr(config, "workeroutput"):
        config.workeroutput["left"] = dict(found)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep what a process of `-n 2` left out: each of them leaves out the same."""
    left: dict[str, int] = getattr(node, "workeroutput", {}).get("left", {})
    config: pytest.Config = node.config
    config.stash[_LEFT] = _left(config) | Counter(left)


def _left(config: pytest.Config) -> Counter[str]:
    return config.stash.get(_LEFT, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say to how many of its promises each engine was held, each way that it is had."""
    stats = terminalreporter.stats
    ran = _by_engine([*stats.get("passed", []), *stats.get("failed", []), *stats.get("error", [])])
    lacking = _by_engine([one for one in stats.get("passed", []) if dict(one.user_properties).get("lacks")])
    skipped = _by_engine(stats.get("skipped", []))
    every = ran + skipped + _left(config)
    told = [f"{name} {ran[name] - lacking[name]} of {every[name]}" + _why(name, lacking, skipped) for name in every]
    if ran or skipped:
        terminalreporter.write_line(f"conformance: {', '.join(told)}")


def _why(name: str, lacking: Counter[str], skipped: Counter[str]) -> str:
    words = [f"{lacking[name]} are of what it has not"] * bool(lacking[name])
    words += [f"{skipped[name]} skipped"] * bool(skipped[name])
    return f" ({', '.join(words)})" if words else ""


def _by_engine(tests: Sequence[pytest.TestReport | pytest.Item]) -> Counter[str]:
    """Return how many of the tests are promises of an engine, each once, though its end broke too."""
    return Counter(found[1] for name in {one.nodeid for one in tests} if (found := _CONFORMANCE.search(name)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give what measures time to one process, and the other tests to whichever is free."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  it need not be there

    class TimedTogether(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "timed" if nodeid.startswith(TIMED) else nodeid

    return TimedTogether(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, fail a test that was skipped for want of something that an installation would bring."""
    report = yield
    reason: Any = report.longrepr
    if os.environ.get("CI") and report.skipped and "install" in str(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI can install what is missing: {reason}"
    return report
