"""Several runs of `rehearse run`: each with its own report, then one table of them all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from rehearse.cli import masked, told
from rehearse.cli.run import EXIT, Done, Options, console, read_one, rehearsed, show
from rehearse.errors import OtherDialect, RehearseError
from rehearse.model import EngineChoice, Scenario, Status
from rehearse.reports import matrix

_ORDER = (0, 3, 4, 2, 1)  # exit codes, the worst last: what was found weighs more than what could not be run


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A run to come: a scenario as it is for an engine, where its reports go, and why there can be none."""

    scenario: Scenario
    engine: str | None
    out: Path | None = None
    refused: RehearseError | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known so far: the rows and, for --json, each run's report.json."""

    rows: list[matrix.Run] = field(default_factory=list)
    reports: list[Any] = field(default_factory=list)


def run_all(
    asked: Sequence[tuple[Path, str | None]],
    options: Options,
    out: Path | None,
    *,
    loudness: int,
    as_json: bool,
    keep: bool,
) -> int:
    """Rehearse each scenario on each engine, tell all in one table, and return the exit code."""
    to_come = placed([_read(path, engine, options) for path, engine in asked], out)
    with _published(to_come, out, loudness=loudness, as_json=as_json) as known:
        for one in to_come:
            try:
                done = _done(one, options, loudness=loudness, keep=keep)
            except RehearseError as error:
                _put(known, _not_run(one, error))
                continue
            except Exception as error:
                _put(known, _broke(one, error))
                continue
            row = matrix.ran(done.recording, done.verdict, done.folder, code=EXIT[done.verdict.status])
            _put(known, row, _report(done) if as_json else None)
            if not as_json:
                _tell(row, done, whole=loudness > 1)
    return worst([row.exit for row in known.rows])


def worst(codes: Sequence[int]) -> int:
    """Return the exit code of many: 1 (failed) before 2 (not as asked), 4 (too big) and 3 (could not tell)."""
    return max(codes, key=_ORDER.index, default=0)


def placed(asked: Sequence[Asked], out: Path | None) -> list[Asked]:
    """Return the runs, each with a folder of its own below the one that --out names: SCENARIO/ENGINE-VERSION."""
    if out is None:
        return list(asked)
    taken: Counter[Path] = Counter()
    found = []
    for one in asked:
        place = out / one.scenario.name / matrix.label(one.scenario.engine)
        taken[place] += 1
        number = "" if taken[place] == 1 else f"-{taken[place]}"
        found.append(replace(one, out=place.with_name(f"{place.name}{number}")))
    return found


def _read(path: Path, engine: str | None, options: Options) -> Asked:
    """Read a scenario as it is for an engine; what is wrong with the file or an option is raised before any run."""
    try:
        return Asked(scenario=read_one(path, engine, options), engine=engine)
    except OtherDialect as refused:
        name, _, version = (engine or "").partition(":")
        choice = EngineChoice(name=name, version=version or None) if name else EngineChoice()
        return Asked(scenario=Scenario(name=refused.name, engine=choice), engine=engine, refused=refused)


def _done(one: Asked, options: Options, *, loudness: int, keep: bool) -> Done:
    if one.refused is not None:
        raise one.refused
    return rehearsed(one.scenario, engine=one.engine, via=options.via, out=one.out, loudness=loudness, keep=keep)


def _not_run(one: Asked, error: RehearseError) -> matrix.Run:
    """Say that a run cannot be, and return its row."""
    row = matrix.not_run(one.scenario, masked(str(error)), code=error.exit_code)
    server = " ".join(part for part in (row.engine, row.version) if part)
    click.echo(f"rehearse: {row.scenario} on {server}: not run: {row.says}", err=True)
    return row


def _broke(one: Asked, error: Exception) -> matrix.Run:
    """Say what ended a run that nothing should have ended, as it is said of a single run, and return its row."""
    code = told(error)
    words = " ".join(masked(str(error)).split())
    says = f"rehearse broke: {type(error).__name__}: {words}" if code == EXIT[Status.UNKNOWN] else words
    return matrix.not_run(one.scenario, says, code=code)


def _tell(row: matrix.Run, done: Done, *, whole: bool) -> None:
    """Print a run's verdict in a line, or its whole report, and where the report is."""
    if whole:
        show(done.recording, done.verdict, as_json=False)
    else:
        click.echo(f"{row.scenario} on {row.engine} {row.version}: {row.status}: {row.says}")
    click.echo(str(done.folder / "report.html"))


def _put(known: _Known, row: matrix.Run, report: Any = None) -> None:
    known.rows.append(row)
    known.reports.append(report)


def _report(done: Done) -> Any:
    from rehearse.registry import renderer  # noqa: PLC0415

    return json.loads(renderer("json")(done.recording, done.verdict))


@contextmanager
def _published(asked: Sequence[Asked], out: Path | None, *, loudness: int, as_json: bool) -> Iterator[_Known]:
    """Write and print the matrix of what is known, also where the rest is not rehearsed any more."""
    known = _Known()
    try:
        yield known
    except BaseException as stopped:
        code = 130 if isinstance(stopped, KeyboardInterrupt) else 3
        says = "interrupted" if code == 130 else f"rehearse broke before: {type(stopped).__name__}"
        _write([*known.rows, *(matrix.not_run(one.scenario, says, code=code) for one in asked[len(known.rows) :])], out)
        raise
    page = _write(known.rows, out)
    if as_json:
        rows = matrix.as_json(known.rows, Path.cwd())
        both = [row | {"report": report} for row, report in zip(rows, known.reports, strict=True)]
        click.echo(json.dumps(both, ensure_ascii=False, indent=2, allow_nan=False))
        return
    if loudness > 0:
        from rehearse.reports._matrix_forms import table  # noqa: PLC0415

        console().print(table(known.rows))
    if page is not None:
        click.echo(str(page))


def _write(rows: Sequence[matrix.Run], out: Path | None) -> Path | None:
    folder = out or matrix.home(rows)
    return None if folder is None else matrix.write(rows, folder)
