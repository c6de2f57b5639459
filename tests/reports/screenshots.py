"""`make images`: pictures of the example report at three widths, into reports/example/."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.reports.test_html_in_browser import BROWSER, run

EXAMPLE = Path(__file__).parents[2] / "reports" / "example"
WIDTHS = {"phone": 500, "tablet": 820, "desk": 1400}  # headless Chromium's window is never narrower than 500


def main() -> int:
    """Write the pictures; without a browser say how to get one."""
    if BROWSER is None:
        print("no Chromium on PATH: apt-get install chromium", file=sys.stderr)
        return 2
    for name, width in WIDTHS.items():
        picture = EXAMPLE / f"{name}.png"
        with tempfile.TemporaryDirectory() as folder:
            run(
                BROWSER,
                Path(folder),
                f"--window-size={width},1800",
                f"--screenshot={picture}",
                (EXAMPLE / "report.html").as_uri(),
            )
        print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
