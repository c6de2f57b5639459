"""The library face: what `import rehearse` offers beside the nouns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearse.errors import ScenarioMistake
from rehearse.judging import judge
from rehearse.model import Recording, Scenario, Verdict
from rehearse.reading.scenario import parse, read, with_budget
from rehearse.reading.strategies import single
from rehearse.recording.folder import load
from rehearse.registry import renderer
from rehearse.rehearsal import Progress
from rehearse.rehearsal import run as rehearse_scenario
from rehearse.rehearsal.ways import reached
from rehearse.reports.folder import write

__all__ = ["judge", "load", "render", "run", "save", "scenario"]


def scenario(
    source: Scenario | Path | str | Mapping[str, Any], *, folder: Path | None = None, engine: str | None = None
) -> Scenario:
    """Return a Scenario from a file's path or from plain values as a scenario file has them.

    Paths in plain values are relative to `folder`, or to the current folder. `engine` ("mariadb:10.11") takes the place
    of the file's own, by a way that is here.
    """
    if isinstance(source, Scenario):
        if engine is not None:
            raise ScenarioMistake(
                f"{source.name}: it is read for {source.engine.name} already; give its file or values"
            )
        return source
    if isinstance(source, Mapping):
        found = parse(source, file=(folder or Path.cwd()) / "scenario.toml", engine=engine)
    else:
        found = read(Path(source), engine=engine)
    return found if engine is None else reached(found)[0]


def run(
    source: Scenario | Path | str | Mapping[str, Any],
    *,
    engine: str | None = None,
    budget: Mapping[str, Any] | None = None,
    strategy: str | None = None,
    progress: Progress | None = None,
) -> Recording:
    """Rehearse a scenario (a file, or its values) on a disposable database and return the recording.

    `engine` ("mariadb:10.11") and `budget` take the place of the scenario's own, as on the command line; of a scenario
    with strategies it rehearses the one of this name. Raises `rehearse.errors.Mistake` for what cannot be run; what the
    migration does wrong is in the recording.
    """
    changes = [f"{key}={value}" for key, value in (budget or {}).items()]
    found = with_budget(scenario(source, engine=engine), changes)
    return rehearse_scenario(single(found, strategy) if strategy else found, progress=progress)


def render(recording: Recording, verdict: Verdict | None = None, *, form: str = "md") -> str:
    """Return the report as "html", "md", "json", "junit", "sarif", "plan" or "terminal" text."""
    return renderer(form)(recording, verdict or judge(recording))


def save(recording: Recording, folder: Path | str, verdict: Verdict | None = None) -> Path:
    """Write recording and reports into a folder and return the path of its report.html."""
    write(recording, verdict or judge(recording), Path(folder))
    return Path(folder) / "report.html"
