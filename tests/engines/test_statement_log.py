"""Statements from lines of a jsonlog, as PostgreSQL 18 writes them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rehearse.engines.postgres import statements
from rehearse.engines.postgres.clock import ServerClock
from rehearse.engines.postgres.statements import Line, ServerLog, folded
from rehearse.events import StatementRan

MS = 1_000_000


def line(at: float, message: str, *, vxid: str = "24/0", tag: str = "SELECT", **more: Any) -> Line:
    return {"pid": 7, "vxid": vxid, "ps": tag, "error_severity": "LOG", "message": message, "at": at, **more}


def failed(at: float, sql: str, code: str, message: str, *, vxid: str) -> Line:
    return line(at, message, vxid=vxid) | {"error_severity": "ERROR", "state_code": code, "statement": sql}


def fold(*lines: Line, began: int | None = None) -> list[StatementRan]:
    return folded(lines, lambda one: round(one["at"] * MS), lambda session, before, after: began)


def test_a_statement_begins_its_duration_before_its_line() -> None:
    (one,) = fold(line(10, "duration: 1.936 ms  statement: create table lg(id int)", tag="CREATE TABLE"))

    assert (one.at_ns, one.ended_ns, one.sql) == (10 * MS - 1_936_000, 10 * MS, "create table lg(id int)")
    assert (one.transaction, one.n) == (None, 1)


def test_a_transaction_ends_with_the_commit_that_is_written_when_it_is_over() -> None:
    ran = fold(
        line(1, "duration: 0.009 ms  statement: begin", vxid="24/4", tag="BEGIN"),
        line(2, "duration: 0.096 ms  statement: alter table lg add x int", vxid="24/4", tag="ALTER TABLE"),
        line(3, "duration: 0.172 ms  statement: commit", tag="COMMIT"),
        line(4, "duration: 0.172 ms  statement: select 1"),
    )

    assert [one.transaction for one in ran] == [1, 1, 1, None]
    assert [one.n for one in ran] == [1, 2, 3, 4]


def test_parse_bind_and_execute_are_one_statement() -> None:
    (one,) = fold(
        line(10, "duration: 0.221 ms  parse <unnamed>: insert into lg values ($1)", vxid="24/3", tag="PARSE"),
        line(10.3, "duration: 0.193 ms  bind <unnamed>: insert into lg values ($1)", vxid="24/3", tag="BIND"),
        line(12, "duration: 0.067 ms  execute <unnamed>: insert into lg values ($1)", vxid="24/3", tag="INSERT"),
    )

    assert (one.at_ns, one.ended_ns) == (10 * MS - 221_000, 12 * MS)


def test_an_error_has_its_code_and_begins_where_a_look_saw_it_begin() -> None:
    ran = fold(
        line(10, "duration: 1.000 ms  statement: begin", vxid="24/6", tag="BEGIN"),
        failed(500, "alter table lg add x int", "55P03", "canceling statement due to lock timeout", vxid="24/6"),
        began=200 * MS,
    )

    assert (ran[1].code, ran[1].error) == ("55P03", "canceling statement due to lock timeout")
    assert (ran[1].at_ns, ran[1].ended_ns) == (200 * MS, 500 * MS)


def test_an_error_that_no_look_saw_begins_after_the_statement_before() -> None:
    ran = fold(
        line(10, "duration: 1.000 ms  statement: select 1"),
        failed(12, "select nope", "42703", 'column "nope" does not exist', vxid="24/7"),
    )

    assert ran[1].at_ns == 10 * MS


def test_statements_of_one_millisecond_stay_in_order() -> None:
    ran = fold(
        line(10.5, "duration: 0.009 ms  statement: begin", vxid="24/4", tag="BEGIN"),
        line(10.5, "duration: 0.430 ms  statement: alter table lg add x int", vxid="24/4", tag="ALTER TABLE"),
    )

    assert [one.sql for one in ran] == ["begin", "alter table lg add x int"]
    assert ran[1].at_ns >= ran[0].ended_ns


def test_a_text_of_several_lines_with_colons_is_kept_whole() -> None:
    sql = "do $$\nbegin\n  perform 'a: b'::text;\nend $$"

    (one,) = fold(line(10, f"duration: 0.100 ms  statement: {sql}", tag="DO"))

    assert one.sql == sql


class Marking:
    """A connection whose marks stand in the log at once, as the server writes them."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def rows(self, sql: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:23] + " UTC"
        mark = {"timestamp": stamp, "message": sql.split("'")[1], "pid": 1}
        with self._log.open("a") as file:
            file.write(json.dumps(mark) + "\n")


def read(log: Path, *lines: str, wire: object | None = None) -> ServerLog:
    log.write_text("before\n")
    seen = ServerLog(log)
    with log.open("a") as file:
        file.write("".join(f"{one}\n" for one in lines))
    clock = ServerClock()
    clock.observe(time.monotonic_ns(), time.time_ns(), time.monotonic_ns())
    seen.statements(wire or Marking(log), clock, user="u", database="d", began=lambda *_: None)  # type: ignore[arg-type]
    return seen


def test_a_log_that_is_whole_misses_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "log.json", '{"message": "x", "pid": 2}').missed is None


def test_lines_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    missed = read(tmp_path / "log.json", '{"message": "x", "pi', '{"message": "y", "pid": 2}').missed
    assert missed == "1 line of it cannot be read"


def test_a_log_that_does_not_come_to_its_mark_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "_PATIENCE_NS", 50_000_000)
    elsewhere = tmp_path / "other.json"
    assert (
        read(tmp_path / "log.json", wire=Marking(elsewhere)).missed == "it was not written up to the end within 50 ms"
    )
