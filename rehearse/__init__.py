"""Know what a database migration will do before production does it.

    import rehearse
    recording = rehearse.run("scenario.toml")
    verdict = rehearse.judge(recording)
    print(verdict.status, rehearse.render(recording, verdict, form="md"))

Names are imported when they are first used, so that `import rehearse` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rehearse.face import judge, load, render, run, save, scenario
    from rehearse.model import Budget, Finding, Recording, Scenario, Status, Verdict

__all__ = [
    "Budget",
    "Finding",
    "Recording",
    "Scenario",
    "Status",
    "Verdict",
    "judge",
    "load",
    "render",
    "run",
    "save",
    "scenario",
]

_NOUNS = ("Budget", "Finding", "Recording", "Scenario", "Status", "Verdict")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rehearse' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module("rehearse.model" if name in _NOUNS else "rehearse.face"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
