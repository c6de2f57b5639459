"""Parts of long commands as looks see them, each with a beginning and an end that lie between two looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from rehearse.events import Progressed

Place = TypeVar("Place", bound=Hashable)


class Key(NamedTuple, Generic[Place]):
    """What tells a part from others; `place` is the table, in the engine's own way."""

    session: int
    command: str
    part: str
    place: Place


class Figures(NamedTuple):
    """How far a part is."""

    done: int | None
    total: int | None
    unit: str | None


@dataclass(slots=True)
class _Part:
    """A part that a command is at."""

    began_ns: int
    doubt_ns: int
    last_ns: int
    figures: Figures


class Parts(Generic[Place]):
    """Follows the parts from look to look; `named` tells the table of a place."""

    def __init__(self, named: Callable[[Place], str | None], every_ns: int) -> None:
        self._named = named
        self._every_ns = every_ns  # between the first look and one before it
        self._parts: dict[Key[Place], _Part] = {}
        self._looked_ns: int | None = None

    def __bool__(self) -> bool:
        """Say whether anything goes on."""
        return bool(self._parts)

    def note(self, seen: Mapping[Key[Place], Figures], now: int) -> Iterator[Progressed]:
        """Take a look; yield the parts that are over."""
        before, self._looked_ns = self._looked_ns or now - self._every_ns, now
        yield from self.over(self._parts.keys() - seen.keys(), now)
        for key, figures in seen.items():
            part = self._parts.setdefault(key, _Part((before + now) // 2, now - before, now, figures))
            part.last_ns, part.figures = now, figures

    def over(self, keys: Iterable[Key[Place]] | None, now: int) -> Iterator[Progressed]:
        """Yield these parts, or all, as over by now."""
        for key in list(self._parts if keys is None else keys):
            part = self._parts.pop(key)
            yield Progressed(
                at_ns=part.began_ns,
                ended_ns=(part.last_ns + now) // 2,
                session=key.session,
                command=key.command,
                part=key.part,
                table=self._named(key.place),
                done=part.figures.done,
                total=part.figures.total,
                unit=part.figures.unit,
                doubt_ns=part.doubt_ns + now - part.last_ns,
            )
