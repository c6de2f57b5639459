"""Migrations as SQL: files, folders or text, in the layouts of dbmate, goose, diesel, Flyway, Liquibase and others.

`forward` may be a folder of migrations. `[migration.options]` `from` and `to` then name two of its versions: those
after `from` up to `to` are the change, by default the newest alone (`from = "0"`: all of them). Those before it make
the schema that the change starts from, where `schema` or `prepare` names the same folder or neither is given.

A statement under `-- rehearse:repeat [pause=10ms] [limit=5000]` is run until it affects no row, each time in a
transaction of its own. An UPDATE or an INSERT … SELECT under
`-- rehearse:backfill [key=id] [batch=1000] [batch_time=100ms] [pause=0ms] [workers=1]` is run as `rehearse backfill`
runs it: in batches by key, each sized to take its time, looked after and verified. A statement under
`-- rehearse:retry [lock_timeout=100ms] [attempts=30] [pause=500ms] [backoff=1.5]`, or all from a BEGIN under it to its
COMMIT, gives up a lock that it does not get in time, is rolled back, and tried again. Each of them needs
`transaction = "none"` or the file's own marker for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rehearse.errors import Mistake, ScenarioMistake
from rehearse.events import Journal
from rehearse.model import MigrationChoice, Scenario, Texts
from rehearse.protocols import NoWayBack, Onlooker
from rehearse.tools import _layouts, _options
from rehearse.tools._layouts import Script, Ways
from rehearse.tools._runner import runner
from rehearse.tools._split import Split, splitter, statements

_ALL = ("0", "")  # `from`: before the first version
_EACH = {
    "repeat": "rehearse:repeat makes each repetition",
    "backfill": "rehearse:backfill makes each batch",
    "retry": "rehearse:retry makes each attempt",
}


class SqlTool:
    """Reads the files of a migration written in SQL."""

    name = "sql"

    def open(self, scenario: Scenario) -> SqlMigration:
        """Return the migration; a file that is missing is a mistake, a statement that is wrong is for the server."""
        return _Reading(scenario).migration()


@dataclass(slots=True)
class SqlMigration:
    """A change in SQL: what comes before it, the way forward, and the way back."""

    choice: MigrationChoice
    prepared: tuple[Script, ...]
    ways: Ways
    where: str
    seed: int = 0
    onlooker: Onlooker | None = None

    def watch(self, onlooker: Onlooker, /) -> None:
        """Take the onlooker for the next way."""
        self.onlooker = onlooker

    def prepare(self, url: str) -> None:
        """Run the schema's files, statement by statement as psql would, and the versions before the change."""
        run_scripts(url, self.prepared, self.choice)

    def forward(self, url: str, journal: Journal) -> None:
        """Run the way forward."""
        self._run(url, self.ways.forward, journal)

    def back(self, url: str, journal: Journal) -> None:
        """Run the way back; NoWayBack says where it was looked for."""
        if self.ways.back is None:
            raise NoWayBack(
                f"there is no way back: {self.ways.looked}; write it, or accept that by back = false in {self.where}"
            )
        self._run(url, self.ways.back, journal)

    def _run(self, url: str, scripts: Sequence[Script], journal: Journal) -> None:
        onlooker, self.onlooker = self.onlooker, None
        with runner(
            url,
            self.choice.settings,
            journal=journal,
            onlooker=onlooker,
            timeout_ns=self.choice.timeout,
            seed=self.seed,
        ) as running:
            running.run(scripts)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the files that a scenario's [migration] names."""

    scenario: Scenario

    @property
    def choice(self) -> MigrationChoice:
        return self.scenario.migration

    @property
    def where(self) -> str:
        return str(self.scenario.file or self.scenario.name)

    @property
    def split(self) -> Split:
        return splitter(self.scenario.engine.name)

    def migration(self) -> SqlMigration:
        _options.check(self.choice.options, ("from", "to"), self.where)
        found, earlier = self._found()
        back = self.choice.back
        if back is not None and back is not False:
            found = Ways(found.forward, self._back(texts(back)), f"{self.where}: migration.back holds no statement")
        if not any(script.statements for script in found.forward):
            raise ScenarioMistake(f"{self.where}: migration.forward: there is no statement in {self.choice.forward!r}")
        ways = Ways(self._settled(found.forward), found.back and self._settled(found.back), found.looked)
        return SqlMigration(self.choice, self._prepared(earlier), ways, self.where, self.scenario.seed)

    def _found(self) -> tuple[Ways, Sequence[Path]]:
        """Return the ways, and the versions of the same folder that come before them."""
        names = texts(self.choice.forward)
        if not names:
            raise ScenarioMistake(f"{self.where}: migration.forward: name the SQL file of the change, or its folder")
        places = [_layouts.read(name, "forward", self.scenario.folder, self.where, self.split) for name in names]
        folder = places[0]
        if len(places) == 1 and isinstance(folder, Path) and folder.is_dir() and not (folder / "up.sql").is_file():
            everything = _layouts.versions(folder, self.where)
            first, last = self._bounds(everything)
            return _layouts.over(everything[first:last], self.split), everything[:first]
        return _layouts.chained([self._way(place) for place in places]), ()

    def _way(self, place: Path | Script) -> Ways:
        if isinstance(place, Script):
            return Ways((place,), None, f"{self.where}: migration.back is not given")
        if place.is_dir() and (place / "up.sql").is_file():
            return _layouts.file(place / "up.sql", self.split)
        if place.is_dir():
            return _layouts.over(_layouts.versions(place, self.where), self.split)
        return _layouts.file(place, self.split)

    def _bounds(self, everything: Sequence[Path]) -> tuple[int, int]:
        start, end = _options.text(self.choice.options, "from"), _options.text(self.choice.options, "to")
        last = len(everything) if end is None else _layouts.index(everything, end, "options.to", self.where) + 1
        if start is None:
            return last - 1, last
        first = 0 if start in _ALL else _layouts.index(everything, start, "options.from", self.where) + 1
        if first >= last:
            raise ScenarioMistake(f"{self.where}: migration.options: no version lies after {start!r} up to {end!r}")
        return first, last

    def _back(self, names: Sequence[str]) -> tuple[Script, ...] | None:
        found = []
        for name in names:
            place = _layouts.read(name, "back", self.scenario.folder, self.where, self.split)
            if isinstance(place, Path) and place.is_dir():
                raise ScenarioMistake(f"{self.where}: migration.back: {name!r} is a folder; name files, in their order")
            found.append(place if isinstance(place, Script) else _layouts.down(place, self.split))
        return tuple(found) if any(script.statements for script in found) else None

    def _prepared(self, earlier: Sequence[Path]) -> tuple[Script, ...]:
        """Return what makes the schema: a folder named there is run up to the change, if the change is in it."""
        named = [*texts(self.choice.schema), *texts(self.choice.prepare)]
        if not named:
            return () if self._brings_data else self._settled(_layouts.over(earlier, self.split).forward)
        found: list[Script] = []
        for key in ("schema", "prepare"):
            for name in texts(getattr(self.choice, key)):
                place = _layouts.read(name, key, self.scenario.folder, self.where, self.split)
                is_folder = isinstance(place, Path) and place.is_dir()
                found += self._folder(name) if is_folder else self._file(name, key)
        return tuple(found)

    def _file(self, name: str, key: str) -> tuple[Script, ...]:
        return schema_scripts(name, key, self.scenario.folder, self.where, self.split)

    def _folder(self, name: str) -> tuple[Script, ...]:
        everything = _layouts.versions(self.scenario.folder / name, self.where)
        change = self._first()
        before = everything[: everything.index(change)] if change in everything else everything
        return self._settled(_layouts.over(before, self.split).forward)

    def _first(self) -> Path | None:
        """Return the first file of the change, if it is a file."""
        names = texts(self.choice.forward)
        place = _layouts.read(names[0], "forward", self.scenario.folder, self.where, self.split)
        if isinstance(place, Script):
            return None
        if place.is_dir() and not (place / "up.sql").is_file():
            everything = _layouts.versions(place, self.where)
            return everything[self._bounds(everything)[0]]
        return place / "up.sql" if place.is_dir() else place

    @property
    def _brings_data(self) -> bool:
        return bool(self.scenario.data.load or self.scenario.data.dump)

    def _settled(self, scripts: Sequence[Script]) -> tuple[Script, ...]:
        """Return scripts that all say how they are run: a file's marker wins over the scenario's word for it."""
        return tuple(_checked(replace(one, transaction=self._transaction(one))) for one in scripts)

    def _transaction(self, script: Script) -> str:
        chosen = self.choice.transaction
        if script.transaction == "query" and _layouts.is_golang(script.name):
            return "query" if chosen == "file" else "none"
        return script.transaction or ("file" if chosen == "file" else "none")


def schema_scripts(
    value: Texts | None, key: str, folder: Path, where: str, split: Split = statements
) -> tuple[Script, ...]:
    """Return the scripts of migration.schema or migration.prepare, to be run statement by statement as psql does."""
    places = [_layouts.read(name, key, folder, where, split) for name in texts(value)]
    scripts: list[Script] = []
    for place in places:
        if isinstance(place, Path) and place.is_dir():
            scripts += _layouts.over(_layouts.versions(place, where), split).forward
        else:
            scripts += (place,) if isinstance(place, Script) else _layouts.file(place, split).forward
    return tuple(replace(one, transaction=one.transaction or "none") for one in scripts)


def run_scripts(url: str, scripts: Sequence[Script], choice: MigrationChoice) -> None:
    """Run scripts unwatched as the migration's role, each in a session of its own: a dump leaves no search_path."""
    for script in scripts:
        with runner(url, choice.settings) as running:
            running.run([script])


def texts(value: Texts | Literal[False] | None) -> list[str]:
    """Return one text or several as a list; None and false are none."""
    if value is None or value is False:
        return []
    return [value] if isinstance(value, str) else list(value)


def _checked(script: Script) -> Script:
    marked = next((one for one in script.statements if one.repeat or one.backfill or one.retry), None)
    if marked is not None and script.transaction != "none":
        what = _EACH["retry" if marked.retry else "backfill" if marked.backfill else "repeat"]
        raise Mistake(
            f"{marked.place}: {what} a transaction of its own, and this file runs in one; say transaction = 'none' in "
            "[migration]"
        )
    return script


TOOL = SqlTool()
