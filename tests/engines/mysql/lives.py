"""A server in a process of its own, to be killed by a test: says where it is, then waits."""

from __future__ import annotations

import json
import signal
import sys

from rehearse import registry
from rehearse.model import EngineChoice
from tests.conftest import KeepingJournal


def main(name: str) -> None:
    with registry.engine(name).start(EngineChoice(name=name, via="binary"), KeepingJournal()) as server:
        server.create("lives")
        folder = server.address.socket.parent  # type: ignore[attr-defined]
        print(json.dumps({"pid": server.pid, "folder": str(folder)}), flush=True)  # type: ignore[attr-defined]
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
