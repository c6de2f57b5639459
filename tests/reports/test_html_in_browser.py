"""The page in headless Chromium: no error on its console, no request, nothing wider than the window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rehearse.reports import _comparison_forms as forms
from tests.reports.conftest import judged
from tests.reports.test_comparison import nasty

pytestmark = pytest.mark.slow

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--enable-logging=stderr",
    "--log-level=0",
]


@pytest.fixture(scope="module")
def browser() -> str:
    if BROWSER is None:
        pytest.skip("no Chromium on PATH: apt-get install chromium")
    return BROWSER


def run(browser: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    profile = f"--user-data-dir={folder / 'profile'}"
    return subprocess.run(
        [browser, *FLAGS, profile, *arguments], capture_output=True, text=True, timeout=120, check=True
    )


def asked(log: Path) -> set[str]:
    """Return the addresses that a page asked for; the browser's own calls have no initiator and are left out."""
    events = json.loads(log.read_text(encoding="utf-8", errors="replace"))["events"]
    requests = [one["params"] for one in events if "initiator" in one.get("params", ())]
    by_page = [one for one in requests if one["initiator"] != "not an origin"]
    return {one["url"] for one in by_page if not one["url"].startswith(("file:", "data:", "chrome"))}


def test_a_request_would_be_seen(browser: str, tmp_path: Path) -> None:
    page, log = tmp_path / "page.html", tmp_path / "net.json"
    page.write_text("<img src='http://127.0.0.1:9/picture.png'>", encoding="utf-8")
    run(browser, tmp_path, f"--log-net-log={log}", "--dump-dom", page.as_uri())
    assert asked(log) == {"http://127.0.0.1:9/picture.png"}


@pytest.mark.parametrize("name", ["harmful", "nasty", "clean", "unmeasured", "failed"])
def test_the_console_is_silent_and_nothing_is_asked_for(browser: str, tmp_path: Path, name: str) -> None:
    page, log = tmp_path / "report.html", tmp_path / "net.json"
    page.write_text(judged(name).rendered("html"), encoding="utf-8")
    done = run(browser, tmp_path, f"--log-net-log={log}", "--dump-dom", page.as_uri())
    assert "CONSOLE" not in done.stderr, re.findall(r".*CONSOLE.*", done.stderr)
    assert "</html>" in done.stdout
    assert not asked(log)


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_a_page_is_no_wider_than_its_window(browser: str, tmp_path: Path, width: int) -> None:
    assert width_of(judged("harmful").rendered("html"), browser, tmp_path, width) <= width


def test_a_comparison_is_silent_and_no_wider_than_a_phone(browser: str, tmp_path: Path) -> None:
    text = forms.page(*nasty())
    (tmp_path / "comparison.html").write_text(text, encoding="utf-8")
    log = tmp_path / "net.json"
    done = run(browser, tmp_path, f"--log-net-log={log}", "--dump-dom", (tmp_path / "comparison.html").as_uri())
    assert "CONSOLE" not in done.stderr and not asked(log)
    assert width_of(text, browser, tmp_path, 390) <= 390


def width_of(text: str, browser: str, tmp_path: Path, width: int) -> int:
    """Return how wide a page is in a window of this width."""
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    frame = (
        f"<iframe id=f src=report.html width={width} height=3000 style='border:0'></iframe>"
        "<script>f.onload = () => document.title = f.contentDocument.documentElement.scrollWidth</script>"
    )
    (tmp_path / "frame.html").write_text(frame, encoding="utf-8")
    done = run(browser, tmp_path, "--allow-file-access-from-files", "--dump-dom", (tmp_path / "frame.html").as_uri())
    found = re.search(r"<title>(\d+)</title>", done.stdout)
    assert found, done.stdout[:400]
    return int(found[1])
