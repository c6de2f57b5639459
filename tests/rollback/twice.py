"""Pairs whose second way forward is refused, or is not as the first."""

from __future__ import annotations

from tests.rollback.pair import Pair, T, rows, values

PAIRS = (
    Pair(
        name="a table left over is in the way",
        up="create table u (id int primary key);",
        schema={("table u", "exists")},
        fails_again='relation "u" already exists',
    ),
    Pair(
        name="a type left over is in the way",
        up="create type mood as enum ('sad'); alter table t add m mood;",
        down="alter table t drop m;",
        schema={("type mood", "exists")},
        physical={("table t", "dropped columns")},
        fails_again='type "mood" already exists',
    ),
    Pair(
        name="an index left over is in the way",
        up="create index by_w on t (w);",
        schema={("table t index by_w", "exists")},
        fails_again='relation "by_w" already exists',
    ),
    Pair(
        name="a value that only the first way forward could map",
        base=T + "create table marks (id int primary key); insert into marks values (1);",
        up="insert into marks values (2);",
        down="select 1;",
        data={rows("marks", left_over=1)},
        fails_again="duplicate key value",
    ),
    Pair(
        name="a column left over without what the first way forward gave it",
        up="alter table t add if_new int; alter table t drop if_new;"
        "alter table t add column if not exists n int not null default 0;",
        down="alter table t alter n drop not null, alter n drop default;",
        schema={("table t column n", "exists")},
        physical={("table t", "dropped columns")},
        again={("table t column n", "not null"), ("table t column n", "default")},
    ),
    Pair(
        name="a check that each way forward adds",
        up="alter table t add check (v > 0);",
        schema={("table t check (v)", "exists")},
        again={("table t check (v) #2", "exists")},
    ),
    Pair(
        name="a factor that each way forward applies",
        up="update t set v = v * 2;",
        data={values("t.v", changed=20)},
        again_data={values("t.v", changed=20)},
    ),
    Pair(
        name="rows that each way forward adds",
        up="insert into t select max(id) + 1, 0, 'total' from t;",
        data={rows("t", left_over=1)},
        again_data={rows("t", left_over=1)},
    ),
    Pair(
        name="rows that only the first way forward deletes",
        base=T + "create table seen (done bool not null); insert into seen values (false);",
        up="delete from t where id > 15 and not (select done from seen); update seen set done = true;",
        down="insert into t select g, g * 10, 'Word ' || g from generate_series(16, 20) g;",
        data={rows("seen", lost=1, left_over=1)},
        again_data={rows("t", left_over=5)},
        by={"forward 2"},
    ),
)
