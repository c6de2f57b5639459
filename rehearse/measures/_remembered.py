"""What is measured of a recording is asked for by many checks and all reports: it is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from rehearse.model import Recording

P = ParamSpec("P")
T = TypeVar("T")


def remembered(
    measure: Callable[Concatenate[Recording, P], T],
) -> Callable[Concatenate[Recording, P], T]:
    """Have a measure keep its answers for the recording that it was asked about last; a recording never changes.

    Its other arguments must be hashable, and its answers must not be changed by who gets them.
    """
    about: Recording | None = None
    answers: dict[Any, T] = {}

    @wraps(measure)
    def asked(recording: Recording, /, *args: P.args, **words: P.kwargs) -> T:
        nonlocal about
        if recording is not about:
            answers.clear()
            about = recording
        key = (args, tuple(sorted(words.items())))
        if key not in answers:
            answers[key] = measure(recording, *args, **words)
        return answers[key]

    return asked
