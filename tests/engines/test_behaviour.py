"""What calls plan and answer on a later state beside the start: real differences, and what only seems to be one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pandas
import pytest

from rehearse.engines.postgres import behaviour
from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.events import CallBehaved
from tests.engines.comparing import COLUMNS, run, wrote

pytestmark = pytest.mark.slow

BASE = """
create table items (id int primary key, kind int, name text, price numeric, doc json);
insert into items select n, case when n % 1000 = 0 then n / 1000 else 0 end, 'item ' || n, n % 10, '{}'
from generate_series(1, 20000) n;
create index items_kind on items (kind);
create view cheap as select * from items where price < 5;
create function vat() returns numeric language sql as 'select 0.19';
grant select on all tables in schema public to public;
analyze;
"""


def behaved(
    database: PostgresDatabase,
    change: str,
    sql: str | Sequence[str],
    *,
    values: Sequence[str] = (),
    writes: Iterable[dict[str, Any]] = (),
    touches: Iterable[str] | None = ("items",),
    base: str = BASE,
) -> CallBehaved:
    """Return how a call that reads behaves after a change."""
    statements = [sql] if isinstance(sql, str) else list(sql)
    call = SimpleNamespace(name="read", statements=statements, writes=False)
    tries = [[[value.encode()] for _ in statements] for value in values] or [[[] for _ in statements]]
    run(database, base)
    copy = database.fork(f"{database.name}_copy")
    try:
        run(database, change)
        frame = pandas.DataFrame(list(writes), columns=COLUMNS)
        (found,) = behaviour.compared(copy, database, [(call, tries, touches)], frame, {}, state="back")
        with database.connect() as connection:
            left = connection.execute("select count(*) from pg_class where relname = 'items'").fetchone()
        assert left == (1,)
    finally:
        copy.drop()
    return found


SAME = [
    ("update items set price = 77 where id = 5", "select sum(price), count(*) from items", [("update", "5")]),
    ("delete from items where id = 5; insert into items values (20001, 1)",
     "select * from cheap order by id desc limit 3", [("delete", "5"), ("insert", "20001")]),
    ("update items set price = 1 where id < 300", "select kind from items",
     [("update", str(n)) for n in range(1, 300)]),
    ("create table t as select * from items order by random(); delete from items; insert into items select * from t",
     "select id, name from items where price = 3", []),
    ("create table t as select * from items order by id desc; truncate items; insert into items select * from t",
     "select name from items order by price limit 7", []),
    ("create table t as select * from items order by id desc; truncate items; insert into items select * from t",
     "select doc, price from items order by price", []),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sql", "writes"), SAME)
def test_the_traffics_rows_and_the_order_of_equals_are_no_difference(
    database: PostgresDatabase, change: str, sql: str, writes: list[tuple[str, str]]
) -> None:
    found = behaved(database, change, sql, writes=[wrote(kind, {"id": key}, table="items") for kind, key in writes])
    assert (found.differs, found.reason) == (None, None), found
    assert found.rows > 0


OTHER = [
    ("update items set price = 77 where id = 6", "select sum(price) from items", [], "result"),
    ("update items set price = 77 where id in (5, 6)", "select price from items where id = $1", ["5", "6"], "result"),
    ("create or replace function vat() returns numeric language sql as 'select 0.2'",
     "select price * vat() from items where id = $1", ["7"], "result"),
    ("create or replace view cheap as select * from items where price <= 5",
     "select id from cheap order by id limit 12", [], "result"),
    ("alter table items rename name to title; alter table items add name text", "select name from items where id = $1",
     ["7"], "result"),
    ("alter table items drop column name cascade", "select name from items where id = $1", ["7"], "error"),
    ("drop view cheap; create view cheap as select id, name from items; grant select on cheap to public",
     "select * from cheap where id = 1", [], "result"),
    ("drop view cheap; alter table items alter name type text collate \"C\" using upper(name)",
     "select name from items order by name limit 2", [], "result"),
    ("revoke select on items from public", "select name from items where id = $1", ["7"], "error"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sql", "values", "what"), OTHER)
def test_an_answer_that_is_another_is_told_with_values_and_both_answers(
    database: PostgresDatabase, change: str, sql: str, values: list[str], what: str
) -> None:
    writes = [wrote("update", {"id": "5"}, table="items")]
    found = behaved(database, change, sql, values=values, writes=writes)
    assert (found.differs, found.reason) == (what, None)
    assert found.before != found.after
    assert found.values == (values[-1] if values else "")


@pytest.mark.parametrize(
    ("sql", "key", "touches", "says"),
    [
        ("select random() > 2, id, clock_timestamp() from items limit 1", "5", ("items",), "each time"),
        ("select doc from items where price > 0 limit 3", "5", ("items",), None),
        ("select sum(price) from items", None, ("items",), "it reads items, and calls wrote rows"),
        ("select sum(price) from items", None, None, "what it reads is not known"),
        ("select vat()", None, (), "what it reads is not known"),
        ("select 1", None, (), None),
    ],
)
def test_what_cannot_be_told_is_no_difference(
    database: PostgresDatabase, sql: str, key: str | None, touches: tuple[str, ...] | None, says: str | None
) -> None:
    writes = [wrote("update", None if key is None else {"id": key}, table="items")]
    found = behaved(database, "update items set price = 8 where id = 5", sql, writes=writes, touches=touches)
    assert found.differs is None
    assert (found.reason is None) if says is None else says in (found.reason or ""), found.reason


MOVED = "create table t as select * from items order by id desc; truncate items; insert into items select * from t"
UNFIXED = [
    "select kind, array_agg(id) from items group by kind order by kind",
    "select string_agg(name, ',') from items where kind = 0",
    "select id, row_number() over (partition by price) from items where kind = 0 order by id",
    "select sum(id) from (select id from items where price = 3 limit 5) few",
    "select json_agg(c) from cheap c",
]


@pytest.mark.parametrize("sql", UNFIXED)
def test_an_answer_that_hangs_on_an_order_it_does_not_fix_cannot_be_told(database: PostgresDatabase, sql: str) -> None:
    found = behaved(database, MOVED, sql, touches=("cheap",) if "cheap" in sql else ("items",))
    assert (found.differs, found.reason) == (None, "its answer hangs on an order of rows that it does not fix")


KEPT = """
create table parents (id int primary key);
insert into parents values (1);
create table parted (id int generated always as identity, day int, twice int generated always as (day * 2) stored,
    parent int references parents, primary key (id, day)) partition by range (day);
create table p1 partition of parted for values from (0) to (10);
create table p2 partition of parted for values from (10) to (20);
insert into parted (day, parent) select n % 20, 1 from generate_series(1, 200) n;
create table noted (id int);
create function note() returns trigger language plpgsql as $$ begin insert into noted values (1); return new; end $$;
create trigger note after insert or delete on parted for each row execute function note();
grant select on all tables in schema public to public;
"""


def test_rows_of_partitions_with_generated_columns_are_put_in_another_order_too(database: PostgresDatabase) -> None:
    change = "create table t as select id, day from parted order by id desc; delete from parted;"
    change += "insert into parted (id, day, parent) overriding system value select id, day, 1 from t"
    sql, base = "select array_agg(twice) from parted", BASE + KEPT
    found = behaved(database, change, sql, touches=("parted", "parents"), base=base)
    assert (found.differs, found.reason) == (None, "its answer hangs on an order of rows that it does not fix")


def test_a_real_difference_outlives_the_other_orders(database: PostgresDatabase) -> None:
    sql = "select array_agg(id order by id) from parted where twice = 10"
    found = behaved(database, "delete from parted where id = 5", sql, touches=("parted",), base=BASE + KEPT)
    assert (found.differs, found.reason) == ("result", None)


def test_some_of_many_rows_that_have_no_full_order_cannot_be_told(database: PostgresDatabase) -> None:
    change = "create table t as select * from items order by id desc; truncate items; insert into items select * from t"
    found = behaved(database, change, "select doc, id from items limit 3")
    assert (found.differs, found.reason) == (None, "it takes some rows of many by no full order")


SLOW = """
create function slow(int) returns int language plpgsql as
    $$ begin if $1 <> 7 then raise query_canceled using message = 'too slow'; end if; return 1; end $$;
"""


@pytest.mark.parametrize(
    ("change", "sql", "values", "says"),
    [
        ("select 1", "select slow($1)", ["5"], "no answer in time: too slow"),
        ("select 1", "select slow($1)", ["7", "5"], "no answer in time: too slow"),
        (
            "create or replace function slow(int) returns int language sql as 'select 1'",
            "select slow($1)",
            ["5"],
            "time",
        ),
        (
            "alter table items add note text",
            "select 1 / ($1::int - 5)",
            ["5"],
            "fails in both states: division by zero",
        ),
        ("alter table items add note text", "select nothing from items where id = $1", ["5", "6"], "fails in both"),
    ],
)
def test_what_got_no_answer_in_a_state_is_no_sameness(
    database: PostgresDatabase, change: str, sql: str, values: list[str], says: str
) -> None:
    found = behaved(database, change, sql, values=values, base=BASE + SLOW)
    assert (found.asked, found.differs) == (0, None)
    assert says in (found.reason or "")


def test_values_with_which_both_states_fail_alike_are_not_counted(database: PostgresDatabase) -> None:
    found = behaved(database, "select 1", "select 1 / ($1::int - 5)", values=["5", "6", "7"])
    assert (found.asked, found.differs, found.reason) == (2, None, None)


def test_a_plan_without_its_index_is_another_and_statistics_are_not_the_cause(database: PostgresDatabase) -> None:
    found = behaved(database, "drop index items_kind", "select name from items where kind = $1", values=["3"])
    assert found.plan_before != found.plan_after
    assert "items_kind" in (found.plan_before or "")
    assert (found.by_statistics, found.differs) == (False, None)


def test_a_plan_that_differs_for_lost_statistics_says_so(database: PostgresDatabase) -> None:
    change = """
drop view cheap; alter table items rename kind to old; alter table items add kind int;
update items set kind = old; alter table items drop old; create index items_kind on items (kind);
"""
    found = behaved(database, change, "select name from items where kind = $1", values=["0"])
    assert found.plan_before != found.plan_after, found
    assert (found.by_statistics, found.differs) == (True, None)


def test_calls_of_several_statements_answer_together(database: PostgresDatabase) -> None:
    statements = ["select name from items where id = $1", "select price from items where id = $1"]
    found = behaved(database, "update items set price = 42 where id = 9", statements, values=["9"])
    assert found.differs == "result"
    assert found.before == "2 rows, among them: 9"
