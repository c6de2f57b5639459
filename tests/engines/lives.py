"""A rehearsal's server in a process of its own, to be killed by a test: says where it is, then waits."""

from __future__ import annotations

import json
import signal
import sys

from rehearse.engines.postgres import ENGINE
from rehearse.events import Event
from rehearse.model import EngineChoice


class Deaf:
    def write(self, event: Event, /) -> None:
        pass

    def write_frame(self, kind: type[Event], frame: object, /) -> None:
        pass


def main() -> None:
    choice = EngineChoice(**json.loads(sys.argv[1]))
    with ENGINE.start(choice, Deaf()) as server:
        database = server.create("lives")
        with database.connect() as connection:
            connection.execute("CREATE TABLE t (n int)")
        where = {"pid": server.pid, "folder": str(server.folder) if server.folder else None, "name": database.name}
        print(json.dumps(where), flush=True)
        if "wait" in sys.argv:
            signal.pause()


if __name__ == "__main__":
    main()
