"""pytest: scenarios as tests (`pytest --rehearse`, one item a check out of one run), and the fixture `rehearse`.

A scenario file is collected where it is named `*.toml` and stands in a folder given by `--rehearse=FOLDER` or by the
ini option `rehearse_scenarios` (default: scenarios). The fixture `rehearse` is a function: it rehearses what it is
given, fails the test with the findings when the verdict is not "passed", and returns the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rehearse.model import Answer, Recording, Scenario, Verdict
    from rehearse.protocols import Check

RUNS = pytest.StashKey["dict[tuple[Path, str | None], Verdict]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --rehearse and its options -scale, -engine and -reports, and the ini option rehearse_scenarios."""
    group = parser.getgroup("rehearse", "rehearsing database migrations")
    group.addoption("--rehearse", action="store_true", help="Collect scenarios (*.toml) as tests: one item a check.")
    group.addoption("--rehearse-scale", type=float, metavar="X", help="Share of the profile's row counts.")
    group.addoption(
        "--rehearse-engine",
        action="append",
        metavar="NAME[:VERSION]",
        help="Another engine or version than the scenario's; several make each check an item on each.",
    )
    group.addoption("--rehearse-reports", metavar="DIR", help="Folder of the reports; default: reports.")
    parser.addini(
        "rehearse_scenarios", "Glob patterns of scenario files.", type="args", default=["scenarios/**/*.toml"]
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make a place for the verdicts of the scenarios that ran."""
    config.stash[RUNS] = {}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a scenario file: one that a pattern of rehearse_scenarios matches, or that was named itself."""
    config = parent.config
    if not config.getoption("rehearse") or file_path.suffix != ".toml":
        return None
    named = any(Path(str(arg).partition("::")[0]).resolve() == file_path for arg in config.args)
    patterns: list[str] = config.getini("rehearse_scenarios")
    if named or any(file_path in set(config.rootpath.glob(pattern)) for pattern in patterns):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """A scenario: an item for each check that it asks."""

    def collect(self) -> Iterable[pytest.Item]:
        """Read the scenario and yield its checks; a file that is no scenario is a collection error with its words."""
        from rehearse.checks import CHECKS  # noqa: PLC0415
        from rehearse.errors import OtherDialect  # noqa: PLC0415

        for engine in engines(self.config):
            try:
                scenario = self._read(engine)
            except OtherDialect as other:
                yield NotWritten.from_parent(self, name=str(engine), reason=str(other))
                continue
            if scenario.migration.forward is None and scenario.strategies:
                yield from self._strategies(scenario, engine)
                continue
            for check in CHECKS:
                name = f"{check.rule.code} {check.rule.name}" + (f" [{engine}]" if engine else "")
                yield CheckItem.from_parent(self, name=name, scenario=scenario, engine=engine, check=check)

    def _strategies(self, scenario: Scenario, engine: str | None) -> Iterable[pytest.Item]:
        from rehearse.reading.strategies import expanded, named  # noqa: PLC0415

        for one in expanded(scenario):
            name = f"strategy {named(one)}" + (f" [{engine}]" if engine else "")
            yield StrategyItem.from_parent(self, name=name, scenario=one, engine=engine)

    def _read(self, engine: str | None) -> Scenario:
        from rehearse.errors import OtherDialect, RehearseError  # noqa: PLC0415
        from rehearse.reading.scenario import read, with_options  # noqa: PLC0415

        try:
            return with_options(read(self.path, engine=engine), scale=self.config.getoption("rehearse_scale"))
        except RehearseError as error:
            if engine is not None and isinstance(error, OtherDialect):
                raise
            raise self.CollectError(str(error)) from None


def engines(config: pytest.Config) -> list[str | None]:
    """Return the engines that are asked for, each once; None is a scenario's own."""
    return list(dict.fromkeys(config.getoption("rehearse_engine") or [None]))


class CheckItem(pytest.Item):
    """One check of one scenario. The first of a scenario's items rehearses it."""

    def __init__(self, *, scenario: Scenario, engine: str | None, check: Check, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario = scenario
        self.engine = engine
        self.check = check

    def runtest(self) -> None:
        """Fail with the findings, and with the reason where it could not be told; skip what was not asked."""
        verdict = _verdict(self)
        answer = next((one for one in verdict.answers if one.rule.code == self.check.rule.code), None)
        if answer is None:
            pytest.skip("the scenario does not ask this")
        if answer.status != "passed":
            raise NotPassed(answer)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show findings and remedies as words; an error of ours as pytest shows errors."""
        return _shown(excinfo) or super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the item by its scenario and check."""
        return self.path, None, f"{self.scenario.name}: {self.name}"


class StrategyItem(pytest.Item):
    """One strategy of a scenario that has several: it is rehearsed, and must pass every check."""

    def __init__(self, *, scenario: Scenario, engine: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario = scenario
        self.engine = engine

    def runtest(self) -> None:
        """Fail with the findings of all checks that did not pass."""
        recording, verdict = _rehearsed(self.scenario, self.engine)
        _write(recording, verdict, self.config)
        answers = [one for one in verdict.answers if one.status != "passed"]
        if answers:
            raise NotPassed(*answers)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show findings and remedies as words; an error of ours as pytest shows errors."""
        return _shown(excinfo) or super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the item by its scenario and strategy."""
        return self.path, None, f"{self.scenario.name}: {self.name}"


def _shown(excinfo: pytest.ExceptionInfo[BaseException]) -> str | None:
    """Return the words of a verdict, or of an error of ours; None: it is neither."""
    from rehearse.errors import RehearseError  # noqa: PLC0415

    return str(excinfo.value) if isinstance(excinfo.value, NotPassed | RehearseError) else None


class NotWritten(pytest.Item):
    """A scenario whose migration is not written for the engine that is asked for."""

    def __init__(self, *, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason

    def runtest(self) -> None:
        """Skip it, and say for which engines it is written."""
        pytest.skip(self.reason)


class NotPassed(Exception):
    """Checks that failed, or that could not tell."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__("\n".join(line.strip() for answer in answers for line in _lines(answer)))


def _lines(answer: Answer) -> Iterable[str]:
    yield from (f"{one.phase or ''} {one.where}: {one.says}\n  remedy: {one.remedy}" for one in answer.findings)
    if answer.reason:
        yield f"could not tell: {answer.reason}"


def _verdict(item: CheckItem) -> Verdict:
    """Return the verdict of a scenario on an engine, rehearsing it the first time."""
    runs, key = item.config.stash[RUNS], (item.path, item.engine)
    if key not in runs:
        recording, verdict = _rehearsed(item.scenario, item.engine)
        _write(recording, verdict, item.config)
        runs[key] = verdict
    return runs[key]


def _rehearsed(scenario: Scenario, engine: str | None) -> tuple[Recording, Verdict]:
    from rehearse.judging import judge  # noqa: PLC0415
    from rehearse.rehearsal import run  # noqa: PLC0415
    from rehearse.rehearsal.ways import reached  # noqa: PLC0415

    recording = run(reached(scenario)[0] if engine else scenario)
    return recording, judge(recording)


def _write(recording: Recording, verdict: Verdict, config: pytest.Config) -> Path:
    from rehearse.reports.folder import default_folder, write  # noqa: PLC0415

    root = Path(config.getoption("rehearse_reports") or config.rootpath / "reports")
    folder = default_folder(recording.scenario, root)
    write(recording, verdict, folder)
    return folder / "report.html"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that has the fixture `rehearse` to each engine that is asked for."""
    if "rehearse" in metafunc.fixturenames and metafunc.config.getoption("rehearse_engine"):
        metafunc.parametrize("rehearse", engines(metafunc.config), indirect=True)


@pytest.fixture
def rehearse(request: pytest.FixtureRequest) -> Callable[..., Recording]:
    """Return a function that rehearses a scenario (a file, or its values) and fails the test unless it passes.

    `rehearse("scenario.toml")`, `rehearse({...values...}, budget={"blocked": "250ms"})`; with `check=False` it only
    returns the recording. `--rehearse-engine` puts another engine in the place of the scenario's own.
    """
    engine = getattr(request, "param", None)

    def rehearsed(source: Any, *, budget: Mapping[str, Any] | None = None, check: bool = True) -> Recording:
        from rehearse import face  # noqa: PLC0415
        from rehearse.errors import OtherDialect  # noqa: PLC0415

        try:
            values = face.scenario(source, folder=request.path.parent, engine=engine)
        except OtherDialect as other:
            if engine is None:
                raise
            pytest.skip(str(other))
        recording = face.run(values, budget=budget)
        verdict = face.judge(recording)
        report = _write(recording, verdict, request.config)
        if check and verdict.status != "passed":
            words = "\n".join(str(NotPassed(one)) for one in verdict.answers if one.status != "passed")
            pytest.fail(f"{values.name}: {verdict.status}\n{words}\nreport: {report}", pytrace=False)
        return recording

    return rehearsed
