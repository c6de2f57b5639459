"""How near what is said of locks comes to what the server did, by kernel probes: `python -m tests.bench.locks`."""

from __future__ import annotations

import itertools
import sys

import numpy as np

from rehearse.engines.postgres import ENGINE, binaries
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.model import EngineChoice
from rehearse.protocols import Role
from tests.engines.oracle import NoOracle, oracle
from tests.engines.test_lock_oracle import Error, errors
from tests.engines.test_lock_situations import SCHEMA, SITUATIONS
from tests.engines.test_watch import migrate, watched
from tests.engines.truth import Kept

TURNS = 4


def main() -> int:
    """Run each situation four times, and print by how many ms what is said lies outside of what was."""
    found: list[Error] = []
    missed: list[str] = []
    numbers = itertools.count()
    with ENGINE.start(EngineChoice(), Kept()) as server:
        for name in [name for name in SITUATIONS if "DROP TABLE" not in " ".join(SITUATIONS[name][0])] * TURNS:
            database = server.create(f"locks{next(numbers)}")
            with database.connect(Role.MIGRATION) as connection:
                connection.execute(SCHEMA)
            some, others = _errors(database, SITUATIONS[name][0])
            found += some
            missed += [f"{name}: {one}" for one in others]
            database.drop()
    print(f"{len(found)} locks, {len(missed)} not seen {missed or ''}")
    for word, values in (("granted", [one.granted for one in found]), ("released", [one.released for one in found])):
        median, most = np.quantile(values, [0.5, 0.95])
        print(f"{word}: ms outside of the truth: median {median:.2f}, 95 % within {most:.2f}, worst {max(values):.2f}")
    beyond = sum(max(one.granted, one.released) > max(2.0, one.doubt) for one in found)
    print(f"beyond 2 ms and beyond their own doubt: {beyond}")
    return 0


def _errors(database: PostgresDatabase, statements: tuple[str, ...]) -> tuple[list[Error], list[str]]:
    with oracle(binaries.embedded(None).program("postgres").resolve()) as probes:
        with watched(database) as (_, journal):
            migrate(database, *statements)
        return errors(database, journal, probes.truths())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoOracle as reason:
        sys.exit(str(reason))
