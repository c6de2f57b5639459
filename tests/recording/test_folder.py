"""A recording that is saved and loaded is the same."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

from rehearse.errors import Mistake
from rehearse.events import KINDS, DataCompared, TableLoaded
from rehearse.model import Recording
from rehearse.recording import folder
from rehearse.testing import examples


@pytest.mark.parametrize("make", [examples.clean, examples.harmful, examples.failed, examples.unmeasured])
def test_a_recording_comes_back_whole(tmp_path: Path, make: object) -> None:
    recording: Recording = make()  # type: ignore[operator]
    folder.save(recording, tmp_path)
    loaded = folder.load(tmp_path)
    assert loaded.scenario == recording.scenario
    assert loaded.environment == recording.environment
    assert loaded.snapshots == recording.snapshots
    assert list(loaded.comparisons) == list(recording.comparisons)
    assert list(loaded.calls) == list(recording.calls)
    for kind in KINDS:
        if kind.dense:
            ours, theirs = recording.history.frame(kind), loaded.history.frame(kind)
            pandas.testing.assert_frame_equal(ours, theirs, check_dtype=False)
        else:
            assert list(loaded.history.of(kind)) == list(recording.history.of(kind))


def test_a_folder_from_before_data_was_compared_is_read(tmp_path: Path) -> None:
    folder.save(examples.clean(), tmp_path)
    (tmp_path / "events" / "DataCompared.jsonl").unlink()
    loaded = folder.load(tmp_path)
    assert list(loaded.history.of(DataCompared)) == []
    assert len(loaded.history.of(TableLoaded)) == len(examples.TABLES)


def test_the_path_of_its_report_names_a_recording_too(tmp_path: Path) -> None:
    folder.save(examples.clean(), tmp_path)
    (tmp_path / "report.html").touch()
    assert folder.load(tmp_path / "report.html").scenario == examples.clean().scenario


def test_a_folder_without_a_recording_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="holds no recording"):
        folder.load(tmp_path)


def test_a_recording_of_another_format_is_a_mistake(tmp_path: Path) -> None:
    folder.save(examples.clean(), tmp_path)
    path = tmp_path / folder.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(Mistake, match="another format"):
        folder.load(tmp_path)


def test_a_damaged_recording_is_a_mistake(tmp_path: Path) -> None:
    folder.save(examples.clean(), tmp_path)
    (tmp_path / folder.NAME).write_text('{"format": 1, "scenario"')
    with pytest.raises(Mistake, match="not a whole recording"):
        folder.load(tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@h:5/d?sslmode=require", "postgresql://me@h:5/d?sslmode=require"),
        ("postgresql://h/d?user=me&password=secret", "postgresql://h/d?user=me"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://h/d?sslpassword=secret", "postgresql://h/d"),
        ("host=h password=secret user=me", "host=h user=me"),
        (r"user=me password = 'my \'secret' host=h", "user=me host=h"),
    ],
)
def test_a_password_is_not_written_down(url: str, shown: str) -> None:
    assert folder.without_password(url) == shown
