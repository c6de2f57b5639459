"""The folder of one run: reports, the recording beside them, and `latest`, which points to the newest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile

from rehearse.errors import Mistake
from rehearse.model import Recording, Scenario, Verdict
from rehearse.recording import folder as recordings
from rehearse.registry import renderer

FILES = {"html": "report.html", "json": "report.json", "md": "report.md", "junit": "junit.xml"}


ROOT = Path("reports")


def default_folder(scenario: Scenario, root: Path = ROOT) -> Path:
    """Return a new folder <root>/<scenario>/<when>, not taken by another run."""
    when = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    parent = root / scenario.name
    names = (when if number == 1 else f"{when}-{number}" for number in range(1, 1000))
    return next(parent / name for name in names if _claim(parent / name))


@contextmanager
def opened(scenario: Scenario, out: Path | None) -> Iterator[Path]:
    """Make the folder of a run before it begins, so that no result is lost to a folder that cannot be written.

    A folder that we made and that is still empty is gone where the block raises.
    """
    is_new = out is not None and not out.exists()
    above = [one for one in (ROOT / scenario.name, ROOT) if not one.exists()]
    folder = _writable(out) if out else default_folder(scenario)
    made = [folder, *above] if out is None else [folder] if is_new else []
    try:
        yield folder
    except BaseException:
        with suppress(OSError):  # not empty, so something of the run is in it
            for empty in made:
                empty.rmdir()
        raise


def write(recording: Recording, verdict: Verdict, folder: Path, *, newest: bool = True) -> None:
    """Write the recording first, then the reports, and let `latest` beside a default folder point to it if `newest`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        recordings.save(recording, folder)
        for form, name in FILES.items():
            (folder / name).write_text(renderer(form)(recording, verdict), encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{folder}: the reports cannot be written: {error.strerror}") from error
    if newest and folder.parent.name == recording.scenario.name:
        point(folder)


def _claim(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise Mistake(f"{folder} cannot be made: {error.strerror}; name another folder with --out") from error
    return True


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise Mistake(f"--out {folder}: no report can be written there: {error.strerror}") from None


def point(folder: Path) -> None:
    """Let `latest` beside a folder point to it: replaced in one step, so that two runs at once leave one whole link."""
    link = folder.parent / "latest"
    fresh = link.with_name(f".latest-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.replace(link)
