"""Whole recordings made by hand: `clean`, `harmful`, `failed`, `unmeasured` and `nasty`, the same at every call."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pandas

from rehearse.events import (
    DataCompared,
    Event,
    Outcome,
    Progressed,
    Remarked,
    RuleBroken,
    RuleInferred,
    Sampled,
    SessionSeen,
    TableLoaded,
)
from rehearse.model import (
    CallShape,
    ColumnDifference,
    Comparison,
    Example,
    LostWrite,
    PropertyDifference,
    Recording,
    TableComparison,
    WrongWrite,
)
from rehearse.testing.recordings import (
    APPLICATION,
    ENVIRONMENT,
    MIGRATION,
    SHAPES,
    Refusal,
    Stall,
    at,
    behaved,
    lock,
    ns,
    phase,
    promise,
    recorded,
    same,
    scenario,
    snapshot,
    stage,
    statement,
    traffic,
    unchanged,
    waited,
    written,
)

TABLES = {"orders": 120_000, "payments": 80_000, "customers": 20_000}
UP = """alter table orders alter column status set default 'new',
  alter column status set not null"""


def _stages() -> list[Event]:
    loaded: list[Event] = [
        TableLoaded(at_ns=at(3.2), table=table, rows=rows, size_bytes=rows * 120) for table, rows in TABLES.items()
    ]
    loaded.append(
        DataCompared(
            at_ns=at(3.1),
            profile="shop",
            overall=0.9931,
            worst="orders.status",
            worst_score=0.962,
            measured=21,
            unmeasured=8,
            tables={"orders": 0.99, "payments": 0.995, "customers": 0.9943},
        )
    )
    return [
        stage("start server", 0, 0.9),
        stage("generate", 1.0, 1.6),
        stage("load", 1.6, 3.2),
        stage("snapshot start", 3.3, 3.7),
        *loaded,
    ]


def _samples(begin: float, end: float, *, wal_mb_per_s: float = 0.4) -> list[Sampled]:
    """Return figures from the rehearsal's beginning on: 0.4 cores of the server, some of the clients, some WAL."""
    ticks = numpy.arange(begin, end, 0.5)
    rising = {
        "server cpu": 0.4,
        "client cpu": 0.3,
        "machine cpu": 0.9,
        "wal": wal_mb_per_s * 1e6,
        "temp": 0.0,
        "cache hit": 9_900.0,
        "cache asked": 10_000.0,
        "checkpoints timed": 0.0,
        "checkpoints asked": 0.25,
        "dead rows": 60.0,
        "server written": 2e6,
    }
    steady = {"look": 400_000.0, "size": 150e6, "temp files": 0.0}
    return [
        *(Sampled(at_ns=at(tick), name=name, value=rate * tick) for name, rate in rising.items() for tick in ticks),
        *(Sampled(at_ns=at(tick), name=name, value=value) for name, value in steady.items() for tick in ticks),
    ]


def clean() -> Recording:
    """Return a rehearsal in which nothing is wrong: short locks, every write kept, and back leads back."""
    snapshots = {
        name: snapshot(name, second, TABLES)
        for name, second in (("start", 3.3), ("forward", 13.5), ("back", 19.5), ("again", 25.5))
    }
    pairs = (("start", "forward"), ("start", "back"), ("forward", "again"))
    events: list[Event] = [*_stages(), phase("baseline", 4, 9), *_samples(4, 9)]
    events += [written(1_001 + n, 10.1 + n, 10.11 + n, key={"id": str(120_001 + n)}) for n in range(3)]
    for name, begin in (("forward", 10.0), ("back", 16.0), ("again", 22.0)):
        events += [behaved(name, seconds=begin + 3.6)] if name != "again" else []
        events += [*_short_change(name, begin), promise(name, 0, seconds=begin + 3.5)]
    return recorded(
        events,
        frames=[traffic(4, 9), *(traffic(b, b + 3, seed=n) for n, b in enumerate((10, 16, 22), 2))],
        snapshots=snapshots,
        comparisons=[same(before, after, TABLES) for before, after in pairs],
    )


def _short_change(name: str, begin: float) -> list[Event]:
    sql = "alter table orders drop column note" if name == "back" else "alter table orders add column note text"
    return [
        phase(name, begin, begin + 3, acted=(begin + 1, begin + 1.02)),
        statement(1, sql, begin + 1, begin + 1.02, wal_bytes=8_192, file="up.sql:1"),
        lock("orders", begin + 1, begin + 1.001, begin + 1.02),
    ]


def harmful() -> Recording:
    """Return a rehearsal with every kind of fact, and much that is wrong.

    Forward closes orders to all for 1.24 s behind a wait of 0.3 s, closes payments to writes for 0.42 s, makes calls
    fail, miss their session and lose a connection, and loses 3 writes; back loses a column's values, a default, an
    index, a right and the column order; again leaves another schema.
    """
    return recorded(
        [
            *_stages(),
            phase("baseline", 4, 9),
            *_samples(4, 9),
            *_forward(),
            *_back(),
            *_again(),
            *_remarks(),
            *_promises(),
        ],
        frames=[traffic(4, 9), _forward_calls(), _back_calls(), traffic(30, 34, seed=4, first_number=9_001)],
        snapshots={
            name: snapshot(name, second, TABLES)
            for name, second in (("start", 3.3), ("forward", 19.5), ("back", 27.5), ("again", 34.5))
        },
        comparisons=[_after_forward(), _after_back(), _after_again()],
        calls=(*SHAPES, CallShape(name="pay", sql=("select pay(:id)",), share=10, touches=None)),
    )


def _forward() -> list[Event]:
    transaction: list[Event] = [
        phase("forward", 10, 19, acted=(11, 16.5)),
        statement(1, "begin", 11, 11.001),
        statement(2, UP, 11.001, 12.54, wal_bytes=84 << 20, rewrites=("orders",), file="shop/status_not_null.up.sql:3"),
        statement(3, "commit", 12.54, 12.541, wal_bytes=120),
        statement(
            4,
            "create index payments_order_id on payments (order_id)",
            14,
            14.42,
            wal_bytes=9 << 20,
            file="shop/status_not_null.up.sql:9",
            transaction=2,
        ),
        statement(
            5,
            "update orders set status = 'paid' from payments where payments.order_id = orders.id",
            14.5,
            16.5,
            wal_bytes=None,
            rewrites=None,
            transaction=3,
        ),
        lock("orders", 11.001, 11.301, 12.541, by=2),
        lock(
            "orders", 11.302, 11.302, 12.541, mode="ShareLock", stops=("writes",), by=2, index="orders_customer_id_idx"
        ),
        lock("payments", 14, 14, 14.42, mode="ShareLock", stops=("writes",), by=4, doubt_ms=5),
        lock("orders", 14.5, 14.5, 16.5, mode="RowExclusiveLock", stops=(), by=5),
        waited(
            "orders",
            11.001,
            11.301,
            session=MIGRATION,
            role="migration",
            mode="AccessExclusiveLock",
            blocked_by=(APPLICATION[3],),
        ),
        SessionSeen(
            at_ns=at(11.004),
            session=APPLICATION[3],
            role="application",
            kind="client backend",
            state="active",
            since_ns=at(10.9),
            query="select count(*) from orders",
        ),
        Progressed(
            at_ns=at(14.05),
            ended_ns=at(14.4),
            session=MIGRATION,
            command="CREATE INDEX",
            part="building index: scanning table",
            table="payments",
            done=900,
            total=1_000,
            unit="blocks",
            doubt_ns=100_000_000,
        ),
        waited(None, 15.1, 15.3, session=APPLICATION[2], mode="ShareLock"),
        waited("orders", 12, 12.545, session=999, role="other", mode="ShareUpdateExclusiveLock"),
    ]
    queue = [
        waited(
            "orders",
            11.01 + n * 0.05,
            12.542 + n * 0.001,
            session=session,
            mode="RowExclusiveLock" if n % 3 == 0 else "AccessShareLock",
        )
        for n, session in enumerate(APPLICATION)
    ]
    payments = [
        waited("payments", 14.05 + n * 0.1, 14.421, session=session, mode="RowExclusiveLock")
        for n, session in enumerate(APPLICATION[:3])
    ]
    rows: list[Event] = [
        written(5_001 + n, 10.2 + n, 10.21 + n, key={"id": str(120_001 + n)}, values={"total_cents": "1999"})
        for n in range(8)
    ]
    return [*transaction, *queue, *payments, *rows, *_samples(10, 19)]


def _forward_calls() -> pandas.DataFrame:
    return traffic(
        10,
        19,
        seed=2,
        usual_ms=1.4,
        first_number=3_001,
        stalls=[Stall(begin=11.001, end=12.541), Stall(begin=14, end=14.42, calls=("place order",))],
        refusals=[
            Refusal(begin=12.541, end=13, code="0A000", message="cached plan must not change result type", most=8),
            Refusal(
                begin=17, end=17.1, code=None, message="server closed the connection", outcome=Outcome.UNKNOWN, most=1
            ),
        ],
        misses=[Stall(begin=12.2, end=12.4)],
    )


def _back() -> list[Event]:
    return [
        phase("back", 21, 27, acted=(22, 22.8)),
        statement(
            1,
            "alter table orders drop column status, add column status text",
            22,
            22.8,
            wal_bytes=4_096,
            file="shop/status_not_null.down.sql:1",
        ),
        lock("orders", 22, 22.01, 22.8),
        *_samples(21, 27),
    ]


def _back_calls() -> pandas.DataFrame:
    return traffic(21, 27, seed=3, first_number=6_001, stalls=[Stall(begin=22, end=22.8)])


def _again() -> list[Event]:
    return [
        phase("again", 30, 34, acted=(31, 31.3)),
        statement(1, UP, 31, 31.3, wal_bytes=80 << 20, rewrites=("orders",), file="shop/status_not_null.up.sql:3"),
        lock("orders", 31, 31, 31.3),
    ]


def _promises() -> list[Event]:
    """Return promises of the schema that are broken, one that was not verified, and calls that behave otherwise."""
    return [
        promise("forward", 12, before=2, example="41 (customer_id = 977)", seconds=19.6),
        promise("forward", 0, kind="unique", name="orders_code_key", flaw="INVALID", is_new=True, seconds=19.6),
        promise(
            "forward",
            1,
            kind="index",
            name="payments_by_label",
            table="payments",
            before=0,
            example='amcheck says: heap tuple (0,1) from table "payments" lacks matching index tuple',
            seconds=19.6,
        ),
        promise("forward", None, kind="check", name="total_is_sum", error="canceling statement", seconds=19.6),
        promise(
            "back",
            40,
            kind="sequence",
            name="orders_id_seq",
            example="the next value is 81, and id = 120 is there",
            seconds=27.6,
        ),
        promise("back", 0, seconds=27.6),
        behaved(
            "back",
            plans=("Index Scan using orders_status_idx on orders", "Seq Scan on orders"),
            by_statistics=True,
            differs="result",
            seconds=27.7,
        ),
        behaved("back", call="pay", reason="it answers otherwise each time it is asked", seconds=27.7),
    ]


def _remarks() -> list[Event]:
    return [
        Remarked(at_ns=at(4), source="driver", says="a default workload was derived from the schema"),
        Remarked(at_ns=at(12), source="locks", says="a look took 14 ms, so looks were 25 ms apart", weakens=False),
        _rule("status_code", "CASE status WHEN 'paid' THEN 1 WHEN 'sent' THEN 2 END", broken=2),
        _rule("total", "total_cents / 100.0"),
        _rule("remark", "note", of_before=True),
        _rule("day", "CAST(placed_at AT TIME ZONE 'UTC' AS date)", rows=None, others=("shipped_on",)),
    ]


def _rule(
    column: str,
    rule: str,
    *,
    rows: int | None = 120_540,
    broken: int = 0,
    of_before: bool = False,
    others: tuple[str, ...] = (),
) -> RuleInferred:
    return RuleInferred(
        at_ns=at(19.8),
        table="orders",
        column=column,
        rule=rule,
        of_before=of_before,
        sampled=300,
        rows=rows,
        broken=None if rows is None else broken,
        by_calls=broken,
        examples=tuple(RuleBroken(key=str(17 + n), found="1", ruled="2") for n in range(broken)),
        others=others,
    )


def _after_forward() -> Comparison:
    lost = tuple(
        WrongWrite(
            kind="lost",
            table="orders",
            key=f"id={120_001 + n}",
            column="status",
            written="cancelled",
            found="paid",
            call="place order",
            at_ns=at(15 + n / 10),
        )
        for n in range(3)
    )
    return Comparison(
        before="start",
        after="forward",
        took_ns=ns(2.1),
        schema=(
            PropertyDifference(
                object="table orders column status", property="not null", before="no", after="yes", severity="breaks"
            ),
        ),
        physical=(),
        tables=(
            TableComparison(
                table="orders",
                rows_before=120_000,
                rows_after=120_540,
                rows_missing=0,
                rows_unexpected=0,
                columns=(
                    ColumnDifference(
                        column="total_cents",
                        values_changed=2,
                        values_lost=0,
                        examples=(Example(key="id=17", before="1999", after="1998"),),
                    ),
                ),
                writes_checked=540,
                wrong_writes=lost,
                lost_writes=3,
                lost=tuple(LostWrite(number=5_001 + n, key=f"id={120_001 + n}") for n in range(3)),
                phantom_writes=0,
            ),
            unchanged("payments", 80_000),
            TableComparison(
                table="customers",
                rows_before=20_000,
                rows_after=20_000,
                rows_missing=None,
                rows_unexpected=None,
                lost=(),
                unmeasured=("customers has no key, so its rows cannot be paired",),
            ),
        ),
    )


def _after_back() -> Comparison:
    return Comparison(
        before="start",
        after="back",
        took_ns=ns(1.9),
        schema=(
            PropertyDifference(
                object="table orders column status", property="default", before="'new'::text", after=None
            ),
            PropertyDifference(
                object="index orders_status_idx",
                property="exists",
                before="yes",
                after=None,
                severity="performance",
            ),
            PropertyDifference(
                object="table orders",
                property="privilege reporting",
                before="SELECT",
                after=None,
                severity="breaks",
            ),
            PropertyDifference(
                object="table orders column status",
                property="comment",
                before="see ORD-812",
                after=None,
                severity="cosmetic",
            ),
        ),
        physical=(
            PropertyDifference(
                object="table orders",
                property="column order",
                before="id, customer_id, status, total_cents",
                after="id, customer_id, total_cents, status",
                severity="cosmetic",
            ),
            PropertyDifference(
                object="table orders",
                property="statistics",
                before="customer_id, id, status",
                after="customer_id, id",
                severity="performance",
            ),
        ),
        tables=(
            TableComparison(
                table="orders",
                rows_before=120_000,
                rows_after=120_900,
                rows_missing=0,
                rows_unexpected=4,
                columns=(
                    ColumnDifference(
                        column="status",
                        values_changed=119_000,
                        values_lost=119_000,
                        examples=(
                            Example(key="id=1", before="paid", after=None),
                            Example(key="id=2", before="new", after=None),
                        ),
                    ),
                ),
                writes_checked=900,
                wrong_writes=(
                    WrongWrite(
                        kind="lost",
                        table="orders",
                        key="id=120004",
                        column="status",
                        written="refunded",
                        found=None,
                        call="place order",
                        at_ns=at(13.2),
                    ),
                ),
                lost_writes=4,
                lost=tuple(LostWrite(number=5_001 + n, key=f"id={120_001 + n}") for n in range(4)),
            ),
            unchanged("payments", 80_000),
        ),
    )


def _after_again() -> Comparison:
    return Comparison(
        before="forward",
        after="again",
        took_ns=ns(1.2),
        schema=(
            PropertyDifference(
                object="table orders constraint orders_status_check1", property="exists", before=None, after="yes"
            ),
        ),
        physical=(),
        tables=(unchanged("orders", 120_540), unchanged("payments", 80_100)),
    )


def failed() -> Recording:
    """Return a rehearsal whose third statement is refused, so that back and again were not tried."""
    error = 'null value in column "status" of relation "orders" violates not-null constraint'
    return recorded(
        [
            *_stages(),
            phase("baseline", 4, 9),
            phase("forward", 10, 13, acted=(11, 11.4), error=f"up.sql:7: {error}"),
            statement(1, "begin", 11, 11.001),
            statement(2, "alter table orders add column status text", 11.001, 11.02, file="up.sql:3"),
            statement(
                3, "alter table orders alter column status set not null", 11.02, 11.4, error=error, code="23502",
                file="up.sql:7",
            ),
            lock("orders", 11.001, 11.001, 11.4, by=2),
        ],
        frames=[traffic(4, 9), traffic(10, 13, seed=2, stalls=[Stall(begin=11.001, end=11.4)])],
        snapshots={"start": snapshot("start", 3.3, TABLES)},
    )  # fmt: skip


def unmeasured() -> Recording:
    """Return a rehearsal without traffic, snapshots or an observer of locks: much that could not be measured."""
    return recorded(
        [
            phase("forward", 10, 13, acted=(11, 12)),
            statement(1, "alter table orders add column status text", 11, 12, wal_bytes=None, rewrites=None),
            lock("orders", 11, None, None, mode="ShareUpdateExclusiveLock", stops=(), by=None),
            Remarked(at_ns=at(10), source="locks", says="the observer may not read pg_locks", weakens=True),
        ],
        environment=replace(ENVIRONMENT, load_average=None, settings={}),
        calls=(),
    )


NASTY = (
    "</script><script>alert('x')</script>",
    "a\"b'c`d|e",
    "<img src=x onerror=alert(1)>",
    "@everyone **bold** [link](http://example.org) ![](http://example.org/x.png)",
    "日本語 Ω \u202ertl",
    "line\nbreak\r\n\t# heading\n```\n<!-- comment -->",
    "\x1b[31mred\x1b[0m [bold]markup[/bold] \x00 \x07",
    "{{ 7 * 7 }} {% raw %} ${x} &amp; &lt;",
    "]]>",
)


def nasty() -> Recording:
    """Return a rehearsal whose texts would each break out of HTML, Markdown, XML, a terminal or a template."""
    texts = [text * (1 + 300 * (n == 0)) for n, text in enumerate(NASTY)]
    events: list[Event] = [phase("baseline", 4, 6), phase("forward", 10, 20, acted=(11, 19), error=NASTY[0])]
    for n, text in enumerate(texts):
        begin = 11 + n / 2
        events += [
            TableLoaded(at_ns=at(3), table=NASTY[n], rows=10, size_bytes=1_000),
            statement(n + 1, text, begin, begin + 0.4, error=NASTY[n], code=NASTY[n], file=NASTY[n]),
            lock(NASTY[n], begin, begin, begin + 0.4, mode=NASTY[n], by=n + 1, index=NASTY[n]),
            waited(NASTY[n], begin, begin + 0.3, mode=NASTY[n]),
            Remarked(at_ns=at(begin), source=NASTY[n], says=NASTY[n]),
            RuleInferred(
                at_ns=at(begin),
                table=NASTY[n],
                column=NASTY[n],
                rule=NASTY[n],
                of_before=n % 2 == 1,
                sampled=10,
                rows=10,
                broken=1,
                examples=(RuleBroken(key=NASTY[n], found=NASTY[n], ruled=NASTY[n]),),
                others=NASTY,
            ),
        ]
    refusals = [
        Refusal(begin=11 + n / 2, end=11.1 + n / 2, code=text, message=text, most=3) for n, text in enumerate(NASTY)
    ]
    names = dict.fromkeys(NASTY, 1.0)
    return recorded(
        events,
        frames=[traffic(4, 6, calls=names), traffic(10, 20, calls=names, refusals=refusals, seed=2)],
        of=replace(scenario(NASTY[0]), why=" ".join(NASTY)),
        environment=replace(ENVIRONMENT, cpu=NASTY[0], settings={text: text for text in NASTY}, notes=NASTY),
        snapshots={"start": snapshot("start", 3, dict.fromkeys(NASTY, 10))},
        comparisons=[_nasty_comparison("start", "forward"), _nasty_comparison("start", "back")],
        calls=[CallShape(name=text, sql=(text,), share=1, touches={text: ("reads",)}) for text in NASTY],
    )


def _nasty_comparison(before: str, after: str) -> Comparison:
    differences = tuple(PropertyDifference(object=text, property=text, before=text, after=text) for text in NASTY)
    return Comparison(
        before=before,
        after=after,
        took_ns=ns(1),
        schema=differences,
        physical=differences,
        tables=tuple(_nasty_table(text) for text in NASTY),
    )


def _nasty_table(text: str) -> TableComparison:
    wrong = WrongWrite(
        kind="lost", table=text, key=text, column=text, written=text, found=text, call=text, at_ns=at(12)
    )
    example = Example(key=text, before=text, after=text)
    return TableComparison(
        table=text,
        rows_before=10,
        rows_after=9,
        rows_missing=1,
        rows_unexpected=2,
        columns=(ColumnDifference(column=text, values_changed=1, values_lost=1, examples=(example,)),),
        columns_gone=(text,),
        columns_new=(text,),
        writes_checked=3,
        wrong_writes=(wrong,),
        lost_writes=1,
        unmeasured=(text,),
    )


WHOLE = {"clean": clean, "harmful": harmful, "failed": failed, "unmeasured": unmeasured, "nasty": nasty}
