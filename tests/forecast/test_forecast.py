"""From runs to a forecast: what is told, what is not known, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rehearse.events import StatementRan
from rehearse.forecast.figures import Ground
from rehearse.forecast.forecast import way
from rehearse.forecast.kinds import kind_of
from rehearse.forecast.machines import Ratio
from rehearse.forecast.regimes import crossed
from rehearse.forecast.seen import LITTLE_MEMORY, TRAFFIC, Closed, Ran, Seen, without_literals
from rehearse.model import Limits

ROWS = 10_000_000
GROUND = Ground(at={"orders": ROWS, "customers": 1000}, window_s=60.0)
SIZES = (0.01, 0.0215, 0.0464, 0.1)
MB = 1 << 20


def ran(sql: str, work_s: float, kind: str = "rewrite", **more: object) -> Ran:
    fields = {"waited_s": 0.0, "rewrites": (), "log_bytes": 0} | more
    return Ran(key=without_literals(sql), sql=sql, kind=kind, work_s=work_s, **fields)  # type: ignore[arg-type]


def run(x: float, *statements: Ran, under: tuple[str, ...] = (), **more: object) -> Seen:
    fields: dict[str, object] = {
        "disk_bytes": 100.0 * MB * x,
        "log_bytes": 200.0 * MB * x,
        "temp_bytes": 0.0,
        "checkpoints": 0,
        "sizes": {"orders": round(1000 * MB * x)},
        "rows": {"orders": round(ROWS * x)},
        "closed": (
            Closed(
                table="orders",
                stops="reads",
                longest_s=sum(one.work_s for one in statements),
                total_s=sum(one.work_s for one in statements),
                doubt_s=0.0,
                inside=tuple(one.work_s for one in statements),
            ),
        ),
        "seconds": sum(one.work_s + one.waited_s + one.queued_s for one in statements) + 0.001,
    } | more
    return Seen(x=x, phase="forward", under=under, statements=statements, **fields)  # type: ignore[arg-type]


def runs(law: Callable[[float], float], sql: str = "ALTER TABLE orders ADD c int", kind: str = "rewrite") -> list[Seen]:
    wobble = (0.985, 1.0, 1.015)
    return [run(x, ran(sql, w * law(x), kind)) for x in SIZES for w in wobble]


def test_statements_outages_disk_and_log_are_forecast_with_reasons() -> None:
    found = way(runs(lambda x: 0.02 + 20 * x), "forward", GROUND)
    (statement,) = found.statements
    for figure, truth in (
        (found.duration, 20.0),
        (statement.duration, 20.0),
        ((found.outages or [])[0].longest, 20.0),
        (found.disk, 100.0 * MB),
        (found.log, 200.0 * MB),
    ):
        assert figure.amount is not None
        assert figure.amount.low < truth < figure.amount.high
        assert figure.amount.middle == pytest.approx(truth, rel=0.12)
    assert "a million rows of orders" in statement.duration.says
    assert any("10 times the largest size" in one for one in statement.duration.why)
    assert found.window.chance == pytest.approx(1.0, abs=0.01)
    assert found.window.sure_s is not None
    assert found.window.sure_s > 20.0


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda some: [one for one in some if one.x < 0.03], "run at 2 sizes, and fewer than 3 tell no law"),
        (lambda some: [*some[:-1], replace(some[-1], error="ERROR: no")], "it failed at 0.1 of the target's rows"),
        (
            lambda some: [one for one in some if one.x < 0.1] + [run(0.1, ran("ALTER TABLE orders ADD c int", 0.1))],
            "less at the largest size than at",
        ),
    ],
    ids=["two sizes", "an error", "less for more"],
)
def test_what_no_law_can_be_told_of_is_not_known(spoil: Callable[[list[Seen]], list[Seen]], says: str) -> None:
    found = way(spoil(runs(lambda x: 0.02 + 20 * x)), "forward", GROUND)
    assert found.duration.amount is None
    assert says in str(found.duration.unknown)
    assert found.window.sure_s is found.window.chance is None


def test_where_locks_were_not_seen_no_outage_is_told() -> None:
    assert way([replace(one, closed=None) for one in runs(lambda x: 20 * x)], "forward", GROUND).outages is None
    assert way([replace(one, closed=()) for one in runs(lambda x: 20 * x)], "forward", GROUND).outages == []


def test_an_outage_takes_the_time_of_the_statements_that_close_the_table() -> None:
    quick, slow = "ALTER TABLE orders ADD c int", "CREATE INDEX CONCURRENTLY i ON orders (a)"
    closed = [
        run(
            x,
            ran(quick, 0.1, "metadata"),
            ran(slow, 20 * x, "index"),
            closed=(Closed(table="orders", stops="reads", longest_s=0.1, total_s=0.1, doubt_s=0.0, inside=(0.1, 0.0)),),
        )
        for x in SIZES
        for _ in range(2)
    ]
    found = way(closed, "forward", GROUND)
    (outage,) = found.outages or []
    assert outage.longest.amount is not None
    assert outage.longest.amount.middle == pytest.approx(0.1, rel=0.2)
    assert found.duration.amount is not None
    assert found.duration.amount.middle > 15


def test_batches_are_counted_and_taken_together() -> None:
    update = "UPDATE orders SET a = 1 WHERE id BETWEEN {} AND {}"
    some = [
        run(x, *(ran(update.format(n, n + 1), 0.1, "rows") for n in range(round(200 * x))))
        for x in (0.05, 0.1, 0.2, 0.4)
        for _ in range(2)
    ]
    (statement,) = way(some, "forward", GROUND).statements
    assert statement.count == pytest.approx(200, rel=0.02)
    assert statement.duration.amount is not None
    assert statement.duration.amount.middle == pytest.approx(20.0, rel=0.1)


def test_a_text_that_runs_as_often_at_every_size_is_told_by_its_places() -> None:
    pair = [run(x, ran("SET a = 1", 0.001, "metadata"), ran("SET a = 2", 0.001, "metadata")) for x in SIZES]
    assert [one.sql for one in way(pair, "forward", GROUND).statements] == ["SET a = 1", "SET a = 2"]


def test_waits_for_locks_do_not_grow_with_the_rows_and_those_for_cores_are_taken_out() -> None:
    sql = "ALTER TABLE orders ADD c int"
    quiet = [run(x, ran(sql, 20 * x, queued_s=20 * x)) for x in SIZES for _ in range(3)]
    busy = [run(x, ran(sql, 20 * x, waited_s=0.5), under=(TRAFFIC,)) for x in SIZES]
    found = way([*quiet, *busy], "forward", GROUND)
    assert found.duration.amount is not None
    assert found.quiet.amount is not None
    assert found.quiet.amount.middle == pytest.approx(20.0, rel=0.1)
    assert 0.1 < found.duration.amount.middle - found.quiet.amount.middle < 1.5


def test_what_changes_with_the_size_is_told_and_makes_the_interval_wider() -> None:
    some = runs(lambda x: 0.02 + 20 * x)
    limits = Limits(
        cache=200 * MB, memory=1200 * MB, sort=64 * MB, log=100 * MB, parallel=8 * MB, workers=4, settings={}
    )
    changes = crossed(limits, some)
    assert {one.name for one in changes} == {"cache", "storage", "checkpoints", "workers"}
    assert all("MB" in one.says or "workers" in one.says for one in changes)
    plain, wide = (way(some, "forward", replace(GROUND, regimes=one)).duration.amount for one in ([], changes))
    assert plain is not None
    assert wide is not None
    assert wide.high / wide.low > 1.3 * plain.high / plain.low
    assert not crossed(Limits(cache=2000 * MB, memory=1 << 40), some)


def test_a_limit_just_beyond_the_largest_size_makes_the_interval_wider_too() -> None:
    some = [run(x, ran("ALTER TABLE orders ADD c int", 20 * x)) for x in (0.07, 0.2, 0.4, 0.7) for _ in range(3)]
    changes = crossed(Limits(memory=1200 * MB), some)
    assert [one.name for one in changes] == ["storage"]
    plain, wide = (way(some, "forward", replace(GROUND, regimes=one)).duration.amount for one in ([], changes))
    assert plain is not None
    assert wide is not None
    assert wide.high > 1.5 * plain.high
    still = [replace(one, statements=(ran("ALTER TABLE orders ADD c int", 0.1),), seconds=0.1) for one in some]
    figures = [way(still, "forward", replace(GROUND, regimes=one)).duration.amount for one in ([], changes)]
    assert figures[0] == figures[1]  # what does not grow meets no limit


def test_little_memory_counts_where_the_target_has_little_for_its_rows() -> None:
    sql = "ALTER TABLE orders ADD c int"
    some = [*runs(lambda x: 20 * x), *(run(0.1, ran(sql, 4.0), under=(LITTLE_MEMORY,)) for _ in range(3))]
    small, large = (way(some, "forward", replace(GROUND, little=one)).duration.amount for one in (False, True))
    assert small is not None
    assert large is not None
    assert small.middle == pytest.approx(20.0, rel=0.1)
    assert large.middle == pytest.approx(40.0, rel=0.15)


def test_another_machine_scales_times_and_adds_its_doubt() -> None:
    ratio = Ratio(logs={"cpu": np.log(2.0), "read": np.log(2.0)}, doubts={"cpu": 0.05, "read": 0.05}, says="slower")
    some = runs(lambda x: 20 * x)
    here = way(some, "forward", GROUND).duration.amount
    there = way(some, "forward", replace(GROUND, machine=ratio.factor)).duration
    assert here is not None
    assert there.amount is not None
    assert there.amount.middle == pytest.approx(2 * here.middle, rel=0.1)
    assert there.amount.high / there.amount.low > here.high / here.low
    assert any("the other machine" in one for one in there.why)


@pytest.mark.parametrize(
    ("sql", "more", "kind"),
    [
        ("ALTER TABLE t ALTER a TYPE bigint", {"rewrites": ("t",)}, "rewrite"),
        ("-- why\nCREATE UNIQUE INDEX i ON t (a)", {}, "index"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", {}, "index"),
        ("ALTER TABLE t ADD PRIMARY KEY USING INDEX i", {}, "metadata"),
        ("ALTER TABLE t ALTER a SET NOT NULL", {}, "scan"),
        ("ALTER TABLE t ADD CHECK (a > 0) NOT VALID", {}, "metadata"),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", {}, "scan"),
        ("UPDATE t SET a = 1", {"rows": 5}, "rows"),
        ("CREATE TABLE u AS SELECT * FROM t", {}, "rows"),
        ("create unlogged table u as table t", {}, "rows"),
        ("CREATE TABLE u (a int) SELECT a FROM t", {}, "rows"),
        ("SELECT a INTO u FROM t", {}, "rows"),
        ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t", {}, "rows"),
        ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t WITH NO DATA", {}, "metadata"),
        ("CREATE TABLE u (a int, b int GENERATED ALWAYS AS (a + 1) STORED)", {}, "metadata"),
        ("CREATE VIEW v AS SELECT a FROM t", {}, "metadata"),
        ("CREATE FUNCTION f() RETURNS TABLE (a int) LANGUAGE sql AS 'SELECT 1'", {}, "metadata"),
        ("SELECT count(*) FROM t", {}, "unknown"),
        ("ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)", {}, "scan"),
        ("ALTER TABLE t ADD CONSTRAINT c EXCLUDE USING gist (a WITH =)", {}, "index"),
        ("VACUUM (FULL) t", {}, "rewrite"),
        ("CALL fill()", {}, "unknown"),
        ("COMMIT", {}, "metadata"),
        ("ALTER TABLE t ADD INDEX i (a)", {"algorithm": "INPLACE"}, "index"),
        ("ALTER TABLE t FORCE", {"algorithm": "INPLACE"}, "rewrite"),
        ("ALTER TABLE t MODIFY a bigint", {"algorithm": "COPY"}, "rewrite"),
        ("ALTER TABLE t ADD a int", {"algorithm": "INSTANT"}, "metadata"),
    ],
)
def test_the_kind_of_work_is_told_by_what_was_seen_then_by_words(sql: str, more: dict[str, object], kind: str) -> None:
    statement = StatementRan(at_ns=0, ended_ns=1, n=1, sql=sql, session=1, **more)  # type: ignore[arg-type]
    assert kind_of(statement, []).name == kind


def test_statements_are_alike_but_for_their_literals() -> None:
    one = "UPDATE t1 SET a = 'it''s' /* first */ WHERE id IN (1, 2, 3) -- so"
    other = "UPDATE t1 SET a = 'that'\n WHERE id IN (4, 5)"
    assert without_literals(one) == without_literals(other) == "UPDATE t1 SET a = ? WHERE id IN (?)"


def test_a_statement_on_a_table_that_the_migration_made_goes_with_the_table_that_it_reads() -> None:
    ground = replace(GROUND, at={"orders": ROWS, "logs": 50 * ROWS})
    filled, index = "CREATE TABLE made AS SELECT id FROM Orders -- not logs", "CREATE INDEX i ON made (id)"
    some = [run(x, ran(filled, 20 * x, "unknown"), ran(index, 10 * x, "index")) for x in SIZES for _ in range(2)]
    found = way(some, "forward", ground)
    assert all("a million rows of orders" in one.duration.says for one in found.statements)
    assert ground.driver("UPDATE t SET a = 'orders'")[0] == "logs"


def test_keys_that_outgrow_the_memory_of_a_sort_are_on_disk_twice() -> None:
    sql = "CREATE INDEX i ON orders (a)"
    made = {"grown_bytes": 0.0, "disk_bytes": 0.0}

    def forecast(sort: int | None, seconds: float = 0.5) -> tuple[float, float, str]:
        some = [
            run(x, ran(sql, 20 * x, "index"), **made | dict.fromkeys(made, 100.0 * MB * x), seconds=seconds)
            for x in SIZES
            for _ in range(2)
        ]
        figure = way(some, "forward", replace(GROUND, sort=sort)).disk
        assert figure.amount is not None
        return figure.amount.middle / MB, figure.amount.high / MB, " ".join(figure.why)

    fits, _, why = forecast(1000 * MB)
    assert fits < 135
    assert "temporary files" not in why
    crossed_it, high, why = forecast(64 * MB)
    assert crossed_it > 180
    assert high > 250
    assert "temporary files" in why
    assert forecast(MB)[0] > 180  # they spilled at the sizes that were run, which were too short for it to be seen
    assert forecast(MB, seconds=5.0)[0] < 135  # and here it was seen
    assert forecast(None)[0] < 135
