"""A comparison of recordings that were made before; needs no server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rehearse.cli.comparing import EXIT, Telling, tell
from rehearse.errors import Mistake
from rehearse.judging import judge
from rehearse.measures import alike, end_states
from rehearse.measures.end_states import EndState, Own
from rehearse.model import Recording
from rehearse.reading import strategies
from rehearse.reading.scenario import with_budget
from rehearse.recording import folder as recordings
from rehearse.rehearsal.contest import schemas
from rehearse.reports import _comparison_forms as forms
from rehearse.reports._document import document
from rehearse.reports._shape_comparison import Compared, RunSeen
from rehearse.reports.comparison import Contender, Ran, Setting, compared

_NAME = "comparison.json"
_ROWS = "rows and values: recordings of traffic have other writes each, so that only schemas were compared"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A recording, the strategy that it is of, and its folder."""

    recording: Recording
    name: str
    folder: Path


def compare(what: Sequence[Path], out: Path | None, *, budgets: Sequence[str], anyway: bool, telling: Telling) -> int:
    """Compare recordings, or whole comparisons, by their strategies' names, and return the exit code."""
    known = _comparison(what[0]) if len(what) == 1 else None
    loaded = [_load(folder, budgets) for one in what for folder in _folders(one)]
    if not loaded:
        raise Mistake(f"{what[0]}: nothing was run in this comparison")
    remarks = _checked([one.recording for one in loaded], anyway=anyway)
    contenders = list(_contenders(loaded, known, out))
    if len(contenders) < 2:
        raise Mistake(f"all recordings are of {contenders[0].name!r}; one strategy has nothing to be compared with")
    found = compared(contenders, _setting(loaded, known, remarks))
    page = None if out is None else forms.write(found, contenders, out)
    tell(found, page, telling)
    return EXIT[found.status]


def _folders(path: Path) -> list[Path]:
    """Return the folders of the recordings that a path names: one, or all that a comparison tells of."""
    found = None if (path / recordings.NAME).exists() else _comparison(path)
    if found is None:
        return [path]
    return [path / run.folder for one in found.strategies for run in one.runs if run.folder is not None]


def _load(folder: Path, budgets: Sequence[str]) -> _Loaded:
    found = recordings.load(folder)
    found = replace(found, scenario=with_budget(found.scenario, budgets))
    name = strategies.named(found.scenario) if found.scenario.strategies else found.scenario.name
    return _Loaded(found, name, folder)


def _comparison(folder: Path) -> Compared | None:
    """Return the comparison that was written into a folder; None: there is none."""
    path = folder / _NAME
    if not path.exists():
        return None
    try:
        found: Compared = TypeAdapter(Compared).validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as broken:
        lacks = str(broken).splitlines()
        raise Mistake(
            f"{path} is not a comparison that this rehearse wrote ({' '.join(lacks[1:3])}); name its recordings, "
            f"{folder}/*/*"
        ) from None
    return found


def _checked(found: Sequence[Recording], *, anyway: bool) -> list[str]:
    """Return what a reader must know of how they differ; other data are refused, unless they are asked for."""
    data = list(alike.other_data(found))
    if data and not anyway:
        raise Mistake(f"the recordings are of other data: {'; '.join(data[:3])}; --anyway compares them all the same")
    return [*(f"other data: {one}" for one in data), *alike.other_circumstances(found)]


def _contenders(loaded: Sequence[_Loaded], known: Compared | None, out: Path | None) -> Iterator[Contender]:
    first = next((one for one in loaded if _forward(one.recording)), None)
    for name in dict.fromkeys(one.name for one in loaded):
        mine = [one for one in loaded if one.name == name]
        yield Contender(
            name=name,
            scenario=mine[0].recording.scenario,
            runs=[_ran(one, number, out, known) for number, one in enumerate(mine, 1)],
            end=_end(mine, first) if known is None else _known_end(known, name),
        )


def _ran(one: _Loaded, number: int, out: Path | None, known: Compared | None) -> Ran:
    report = document(one.recording, judge(one.recording))
    folder = None if out is None else Path(os.path.relpath(one.folder, out)).as_posix()
    written = _known_run(known, one)
    if written is None:
        return Ran(report=report, round=number, folder=folder)
    return Ran(report=report, round=written.round, place=written.place, folder=folder)


def _known_run(known: Compared | None, one: _Loaded) -> RunSeen | None:
    """Return what was written of a run where it was compared on its server."""
    place = f"{one.folder.parent.name}/{one.folder.name}"
    runs = (run for strategy in (known.strategies if known else ()) for run in strategy.runs)
    return next((run for run in runs if run.folder == place), None)


def _forward(recording: Recording) -> bool:
    """Say whether a recording's way forward got to its end."""
    return "forward" in recording.snapshots and not end_states.failed(recording, "forward")


def _end(mine: Sequence[_Loaded], first: _Loaded | None) -> EndState | None:
    """Return where a strategy's schema ends beside the first one's."""
    own = next((one for one in mine if _forward(one.recording)), None)
    if first is None or own is None:
        return EndState(error="the way forward failed in every recording") if first is not None else None
    if own.name == first.name:
        return EndState(is_first=True, not_compared=(_ROWS,))
    states = [one.recording.snapshots["forward"] for one in (first, own)]
    tables = Own.of(*((one.recording.scenario, one.recording.snapshots.values()) for one in (first, own)))
    found = end_states.beside(schemas(*states), tables)
    return replace(found, not_compared=(*found.not_compared, _ROWS))


def _known_end(known: Compared, name: str) -> EndState | None:
    """Return where a strategy ended when it was compared on its server."""
    end = next((one.end for one in known.strategies if one.name == name), None)
    if end is None or end.is_alternative is None:
        return None
    return EndState(
        is_first=end.is_first,
        error=end.error,
        differs=tuple(end.differs),
        cosmetic=tuple(end.cosmetic),
        leftovers=tuple(end.leftovers),
        not_compared=tuple(end.not_compared),
    )


def _setting(loaded: Sequence[_Loaded], known: Compared | None, remarks: Sequence[str]) -> Setting:
    scenario = loaded[0].recording.scenario
    runs = [sum(one.name == name for one in loaded) for name in {one.name for one in loaded}]
    if known is not None:
        named = replace(scenario, name=known.name, strategies=[])
        told = known.method
        return Setting(
            scenario=named,
            repeats=told.repeats,
            order=told.order,
            data=told.data,
            traffic=told.traffic,
            caches=told.caches,
            remarks=[*known.remarks, *remarks],
        )
    return Setting(
        scenario=scenario,
        repeats=max(runs),
        order=[one.name for one in loaded],
        data="recordings made before, each on data of its own",
        traffic="as each recording has it",
        caches="as each run found them",
        remarks=remarks,
    )
