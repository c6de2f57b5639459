"""Where a rehearsal ran: the commit of the scenario's folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rehearse.recording.environment import commit


def test_a_folder_without_git_has_no_commit(tmp_path: Path) -> None:
    assert commit(tmp_path) is None


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed; apt-get install git")
def test_a_commit_whose_files_have_changed_since_is_told_from_one_that_is_whole(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        named = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
        return subprocess.run(
            ["git", "-C", tmp_path, *named, *words], check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    (tmp_path / "up.sql").write_text("select 1")
    git("add", "up.sql")
    git("commit", "--quiet", "-m", "one")
    whole = git("rev-parse", "--short=12", "HEAD").strip()
    assert commit(tmp_path) == whole
    (tmp_path / "up.sql").write_text("select 2")
    assert commit(tmp_path) == f"{whole}+"
