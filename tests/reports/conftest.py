"""The recordings by hand, judged once."""

from __future__ import annotations

from functools import cache

import pytest

from rehearse.judging import judge
from rehearse.model import Recording, Verdict
from rehearse.registry import renderer
from rehearse.testing.examples import WHOLE


class Judged:
    """A recording by hand and its verdict."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.recording: Recording = WHOLE[name]()
        self.verdict: Verdict = judge(self.recording)

    def rendered(self, form: str) -> str:
        return renderer(form)(self.recording, self.verdict)


judged = cache(Judged)


@pytest.fixture(params=sorted(WHOLE))
def example(request: pytest.FixtureRequest) -> Judged:
    """Each of the whole recordings in turn."""
    return judged(request.param)


@pytest.fixture
def harmful() -> Judged:
    """The recording with every kind of fact, and much that is wrong."""
    return judged("harmful")


@pytest.fixture
def nasty() -> Judged:
    """The recording whose texts break out of every format."""
    return judged("nasty")
