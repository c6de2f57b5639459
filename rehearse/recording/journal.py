"""A journal that lists what is written, and the history that it becomes at its close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from threading import Lock
from typing import cast

import pandas

from rehearse.events import E, Event


class ListingJournal:
    """Keeps every fact in memory: objects of the rare kinds, columns of the dense ones (about 80 bytes a call).

    `listener` is told of each rare fact as it is written, for a live view; it must be quick and may not raise.
    """

    def __init__(self, listener: Callable[[Event], None] | None = None) -> None:
        self._events: dict[type[Event], list[Event]] = defaultdict(list)
        self._frames: dict[type[Event], list[pandas.DataFrame]] = defaultdict(list)
        self._lock = Lock()
        self._listener = listener

    def write(self, event: Event, /) -> None:
        """Append a fact."""
        with self._lock:
            self._events[type(event)].append(event)
        if self._listener and not event.dense:
            self._listener(event)

    def write_frame(self, kind: type[Event], frame: pandas.DataFrame, /) -> None:
        """Append many facts of a dense kind."""
        if len(frame):
            with self._lock:
                self._frames[kind].append(frame)

    def close(self) -> Facts:
        """Return all that was written, in the order of time."""
        with self._lock:
            kinds = set(self._events) | set(self._frames)
            return Facts(
                {kind: sorted(self._events[kind], key=_at) for kind in kinds if not kind.dense},
                {kind: self._columns(kind) for kind in kinds if kind.dense},
            )

    def _columns(self, kind: type[Event]) -> pandas.DataFrame:
        parts = list(self._frames[kind])
        if self._events[kind]:
            parts.append(frame_of(kind, self._events[kind]))
        whole = pandas.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        return _texts(whole.reindex(columns=columns(kind))).sort_values("at_ns", kind="stable", ignore_index=True)


class Facts:
    """The read end: objects of the rare kinds and frames of the dense ones, each in the order of `at_ns`."""

    def __init__(
        self,
        events: Mapping[type[Event], Sequence[Event]],
        frames: Mapping[type[Event], pandas.DataFrame],
    ) -> None:
        self._events = events
        self._frames = frames

    def of(self, kind: type[E], /) -> Sequence[E]:
        """Return the facts of a kind; of a dense kind too, one object a row (slow: for tests and small kinds)."""
        if kind.dense:
            frame = self.frame(kind).astype(object)
            rows = frame.where(frame.notna(), None).itertuples(index=False, name=None)
            return [kind(**dict(zip(columns(kind), row, strict=True))) for row in rows]
        return cast(Sequence[E], self._events.get(kind, ()))

    def frame(self, kind: type[Event], /) -> pandas.DataFrame:
        """Return the facts of a kind as columns."""
        if not kind.dense:
            return frame_of(kind, self._events.get(kind, ()))
        if kind not in self._frames:
            return pandas.DataFrame(columns=columns(kind))
        return self._frames[kind]


def columns(kind: type[Event]) -> list[str]:
    """Return the names of a kind's fields, which are the names of its columns."""
    return [one.name for one in fields(kind)]


def frame_of(kind: type[Event], events: Sequence[Event]) -> pandas.DataFrame:
    """Return facts as columns; a column of Outcomes holds their text."""
    rows = [[getattr(event, name) for name in columns(kind)] for event in events]
    return pandas.DataFrame(rows, columns=columns(kind))


def _texts(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Return the frame with its columns of objects as text, missing ones kept, as they come back from a file."""
    objects = [name for name in frame.columns if frame[name].dtype == object]
    return frame.astype(dict.fromkeys(objects, "str"))


def _at(event: Event) -> int:
    return event.at_ns
