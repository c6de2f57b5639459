"""`python -m tests.bench.flipped [--rows N]`: one bit of one value flips in one of many rows; the comparison names it.

A wide table is made on the server and copied; then a value of a random row and column gets its lowest bit flipped.
Printed are the key and column that the comparison found, and wall time and CPU (ours, and the server's) of the second
snapshot and of the comparison. It ends with 1 where what was found is not exactly what was done.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import pandas
import psutil

from rehearse.engines.postgres import ENGINE
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.engines.postgres.server import PostgresServer
from rehearse.model import EngineChoice
from rehearse.recording.journal import ListingJournal
from tests.engines.comparing import COLUMNS as OF_WRITES

_TABLE = """
create table wide (
    id bigint primary key, name text, email text, amount numeric(12, 2), price float8, small int2, many bigint,
    is_active bool, made_at timestamptz, born date, code uuid, doc jsonb, raw bytea);
insert into wide
select n, 'name ' || n, 'user' || n || '@example.org', n % 100000 / 7.0, n / 3.0, n % 30000, n * 7919, n % 3 = 0,
    timestamptz '2024-01-01' + n * interval '1 second', date '1950-01-01' + (n % 20000)::int, md5(n::text)::uuid,
    jsonb_build_object('n', n), decode(md5(n::text), 'hex')
from generate_series(1, {rows}::bigint) n;
vacuum analyze wide;
"""
# A value with one bit flipped, where the type has no bits to get at the least change there is.
_FLIPS = {
    "name": "overlay(name placing chr(ascii(substr(name, 2, 1)) # 1) from 2 for 1)",
    "email": "overlay(email placing chr(ascii(substr(email, 2, 1)) # 1) from 2 for 1)",
    "amount": "amount + 0.01",
    "price": "price * (1 + 2.3e-16)",
    "small": "small # 1::int2",
    "many": "many # 1",
    "is_active": "not is_active",
    "made_at": "made_at + interval '1 microsecond'",
    "born": "born + 1",
    "code": "encode(set_bit(decode(replace(code::text, '-', ''), 'hex'), 0, "
    "1 - get_bit(decode(replace(code::text, '-', ''), 'hex'), 0)), 'hex')::uuid",
    "doc": "jsonb_set(doc, '{n}', to_jsonb((doc ->> 'n')::bigint # 1))",
    "raw": "set_bit(raw, 0, 1 - get_bit(raw, 0))",
}


def main(rows: int, seed: int) -> int:
    """Flip, compare, and print what was found."""
    draws = random.Random(seed)
    key, column = draws.randint(1, rows), draws.choice(sorted(_FLIPS))
    with ENGINE.start(EngineChoice(), ListingJournal()) as server:
        assert isinstance(server, PostgresServer)
        database = server.create("bench")
        _run(database, _TABLE.format(rows=rows))
        before, took = _timed(lambda: database.snapshot("start"))
        print(f"{rows:,} rows of 13 columns, {before.tables['wide'].size_bytes / 1e6:,.0f} MB; snapshot {took}")
        copy = database.fork("start")
        _run(database, f"update wide set {column} = {_FLIPS[column]} where id = {key}")
        after, took = _timed(lambda: database.snapshot("back"))
        print(f"second snapshot {took}")
        writes = pandas.DataFrame([], columns=OF_WRITES)
        found, took = _timed(lambda: database.compare(copy, before, after, writes))
    (table,) = found.tables
    places = [(example.key, one.column) for one in table.columns for example in one.examples]
    for one in table.columns:
        for example in one.examples:
            print(f"found key {example.key}, {one.column}: {example.before!r} became {example.after!r}")
    print(f"comparison {took}")
    is_exact = places == [(str(key), column)] and not table.rows_missing and not table.rows_unexpected
    print("exactly what was flipped" if is_exact else f"WRONG: key {key}, column {column} was flipped")
    return int(not is_exact)


def _run(database: PostgresDatabase, script: str) -> None:
    with database.connect() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())


def _timed(deed):  # type: ignore[no-untyped-def]
    """Return what the deed returns, and its wall time and CPU in words."""
    began, own, servers = time.monotonic(), time.process_time(), _server_cpu_s()
    found = deed()
    wall, cpu, theirs = time.monotonic() - began, time.process_time() - own, _server_cpu_s() - servers
    return found, f"{wall:.2f} s wall, {cpu:.2f} s CPU of ours, {theirs:.2f} s of the server's"


def _server_cpu_s() -> float:
    """Return the CPU seconds of our server's processes so far; those that ended are counted in their parent."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    sys.exit(main(chosen.rows, chosen.seed))
