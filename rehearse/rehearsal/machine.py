"""Two machines compared: a calibration from a file, and the same of a server of our own."""

from __future__ import annotations

import json
import math
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rehearse import registry
from rehearse.errors import ScenarioMistake, ServerFailed
from rehearse.forecast.machines import Ratio
from rehearse.model import Calibration, EngineChoice, Speed
from rehearse.protocols import Database, Forkable
from rehearse.recording.journal import ListingJournal


def read(path: Path) -> Calibration:
    """Return a calibration from its file."""
    try:
        found = TypeAdapter(Calibration).validate_python(json.loads(path.read_text(encoding="utf-8")))
        if not all(0 < one.per_s < math.inf and one.tries > 0 and one.doubt >= 0 for one in found.speeds):
            raise ValueError("a speed that is none")
        return found
    except OSError as error:
        raise ScenarioMistake(
            f"--machine {path}: {error.strerror}; `rehearse calibrate URL --out FILE` makes one"
        ) from None
    except (ValueError, ValidationError):
        raise ScenarioMistake(
            f"--machine {path}: this is no calibration; `rehearse calibrate URL --out FILE` makes one"
        ) from None


def of(database: Database, engine: str) -> Calibration:
    """Return the calibration of a database of ours: of a copy, whose pages are not in the server's cache."""
    part = registry.part("engine", engine, "calibrating")
    if not isinstance(database, Forkable):
        found: Calibration = part.measured(database)
        return found
    copy = database.fork("calibration")
    try:
        found = part.measured(copy)
    finally:
        copy.drop()
    return found


def here(engine: EngineChoice) -> Calibration:
    """Start a server of our own and return its calibration; nothing of it is left."""
    with registry.engine(engine.name).start(engine, ListingJournal()) as server:
        database = server.create("machine")
        registry.part("engine", engine.name, "calibrating").fill(database)
        return of(database, engine.name)


def ratio(there: Calibration, ours: Calibration) -> Ratio:
    """Return how much longer work takes there than here."""
    mine = {one.name: one for one in ours.speeds}
    pairs = {one.name: (one, mine[one.name]) for one in there.speeds if one.name in mine}
    if not pairs:
        raise ServerFailed("the two machines have no speed that was measured on both")
    logs = {str(name): math.log(own.per_s / its.per_s) for name, (its, own) in pairs.items()}
    doubts = {str(name): _doubt(its, own) for name, (its, own) in pairs.items()}
    told = ", ".join(f"{name} {math.exp(logs[name]):.2f} × the time" for name in logs)
    missing = "; ".join(there.unmeasured)
    says = f"the machine of {there.server.split(' on ')[0]} beside this one: {told}; not measured: {missing}"
    return Ratio(logs=logs, doubts=doubts, says=says)


def _doubt(its: Speed, own: Speed) -> float:
    return math.hypot(its.doubt / math.sqrt(its.tries), own.doubt / math.sqrt(own.tries), 0.05)
