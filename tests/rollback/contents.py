"""Lossy pairs: rows and values, those that the application wrote meanwhile included."""

from __future__ import annotations

from tests.rollback.pair import DROPPED, ORDER, UNTOLD, Pair, T, deleted, inserted, rows, updated, values

STAMPS = (
    "create table t (id int primary key, at timestamptz not null);"
    "insert into t select g, '2024-06-01 12:00:00.123456+00'::timestamptz + g * interval '1 hour' "
    "from generate_series(1, 20) g;"
)
PARTY = (
    "create table people (id int primary key, name text); create table firms (id int primary key, name text);"
    "insert into people select g, 'p' || g from generate_series(1, 10) g;"
    "insert into firms select g, 'f' || g from generate_series(101, 105) g;"
)
KEEP = "create table kept as table t; update t set v = 0;"

PAIRS = (
    Pair(
        name="texts in small letters",
        up="update t set w = lower(w);",
        data={values("t.w", changed=20)},
    ),
    Pair(
        name="blanks trimmed",
        base=T + "update t set w = w || '  ' where id <= 8;",
        up="update t set w = trim(w);",
        data={values("t.w", changed=8)},
    ),
    Pair(
        name="blanks cut by a type that has none at its end",
        base=T + "update t set w = w || '  ' where id <= 8;",
        up="alter table t alter w type char(12);",
        down="alter table t alter w type text;",
        data={values("t.w", changed=8)},
    ),
    Pair(
        name="null for the empty text",
        base=T + "update t set w = '' where id <= 5; update t set w = null where id = 6;",
        up="update t set w = null where w = '';",
        data={values("t.w", changed=5, lost=5)},
    ),
    Pair(
        name="the empty text for null",
        base=T + "update t set w = '' where id <= 5; update t set w = null where id in (6, 7);",
        up="update t set w = '' where w is null;",
        down="update t set w = null where w = '';",
        data={values("t.w", changed=5, lost=5)},
        by={"back 1"},
    ),
    Pair(
        name="null that became false",
        base="create table t (id int primary key, ok bool);"
        "insert into t select g, case g % 3 when 0 then true when 1 then false end from generate_series(1, 21) g;",
        up="update t set ok = false where ok is null; alter table t alter ok set not null;",
        down="alter table t alter ok drop not null;",
        data={values("t.ok", changed=7)},
    ),
    Pair(
        name="times that came back in another zone",
        base=STAMPS,
        up="alter table t alter at type timestamp using at at time zone 'UTC';",
        down="alter table t alter at type timestamptz using at at time zone 'America/New_York';",
        data={values("t.at", changed=20)},
        again_data={values("t.at", changed=20)},
        by={UNTOLD},
    ),
    Pair(
        name="times cut to seconds",
        base=STAMPS,
        up="alter table t alter at type timestamptz(0);",
        down="alter table t alter at type timestamptz;",
        data={values("t.at", changed=20)},
    ),
    Pair(
        name="times cut to days",
        base=STAMPS,
        up="alter table t alter at type date using (at at time zone 'UTC')::date;",
        down="alter table t alter at type timestamptz using at::timestamp at time zone 'UTC';",
        data={values("t.at", changed=20)},
    ),
    Pair(
        name="doubles cut to reals",
        base="create table t (id int primary key, x float8);"
        "insert into t select g, g / 8.0 from generate_series(1, 10) g;"
        "insert into t select g, g / 10.0 from generate_series(11, 19) g;",
        up="alter table t alter x type real;",
        down="alter table t alter x type float8;",
        data={values("t.x", changed=8)},
    ),
    Pair(
        name="a scale lost on the way over a float",
        base="create table t (id int primary key, x numeric);"
        "insert into t values (1, 1.50), (2, 2.25), (3, 12345678901234567890.5);",
        up="alter table t alter x type float8;",
        down="alter table t alter x type numeric;",
        data={values("t.x", changed=2)},
        again_data={values("t.x", changed=1)},
    ),
    Pair(
        name="numbers clipped to fit",
        up="alter table t alter v type smallint using least(v, 150);",
        down="alter table t alter v type int;",
        data={values("t.v", changed=5)},
    ),
    Pair(
        name="the key of a document lost",
        base="create table t (id int primary key, j jsonb);"
        "insert into t select g, case when g % 2 = 0 then jsonb_build_object('a', g, 'note', null) "
        "else jsonb_build_object('a', g) end from generate_series(1, 20) g;",
        up="update t set j = j - 'note';",
        data={values("t.j", changed=10)},
    ),
    Pair(
        name="the order of a document's keys lost",
        base="create table t (id int primary key, j json);"
        'insert into t values (1, \'{"b":1,"a":2}\'), (2, \'{"a": 1}\');',
        up="alter table t alter j type jsonb;",
        down="alter table t alter j type json;",
        data={values("t.j", changed=1)},
        by={UNTOLD},
    ),
    Pair(
        name="all but the first of an array lost",
        base="create table t (id int primary key, a int[]); insert into t values (1, '{1}'), (2, '{1,2}'), (3, '{}');",
        up="alter table t alter a type int using a[1];",
        down="alter table t alter a type int[] using case when a is not null then array[a] end;",
        data={values("t.a", changed=2, lost=1)},
    ),
    Pair(
        name="bytes that are read as text",
        base="create table t (id int primary key, b bytea);insert into t values (1, 'abc'), (2, '\\xff00'), (3, null);",
        up="alter table t alter b type text using encode(b, 'escape');",
        down="alter table t alter b type bytea using convert_to(b, 'UTF8');",
        data={values("t.b", changed=1)},
        again_data={values("t.b", changed=1)},
    ),
    Pair(
        name="a pair of columns swapped",
        base="create table t (id int primary key, first text, last text, town text);"
        "insert into t select g, 'F' || g, 'L' || g, 'T' from generate_series(1, 20) g;",
        up="alter table t add whole text; update t set whole = first || ' ' || last;"
        "alter table t drop first, drop last;",
        down="alter table t add first text, add last text;"
        "update t set first = split_part(whole, ' ', 2), last = split_part(whole, ' ', 1); alter table t drop whole;",
        physical={ORDER, DROPPED},
        data={values("t.first", changed=20), values("t.last", changed=20)},
        by={"forward 3"},
    ),
    Pair(
        name="each row has its neighbour's value",
        up="create table kept as table t; alter table t drop w;",
        down="alter table t add w text; update t set w = k.w from kept k where k.id = 1 + t.id % 20; drop table kept;",
        physical={DROPPED},
        data={values("t.w", changed=20)},
        by={"forward 2"},
    ),
    Pair(
        name="only two rows exchanged their values",
        up="update t set v = case id when 3 then 40 when 4 then 30 end where id in (3, 4);",
        data={values("t.v", changed=2)},
    ),
    Pair(
        name="double rows taken for one",
        base="create table u (v int, w text); insert into u select g / 2, 'w' from generate_series(2, 21) g;",
        up="delete from u a using u b where a.v = b.v and a.ctid > b.ctid; alter table u add unique (v);",
        down="alter table u drop constraint u_v_key;",
        data={rows("u", lost=10)},
    ),
    Pair(
        name="orphans deleted for a foreign key",
        base=T
        + "create table c (id int primary key, t_id int); insert into c select g, g from generate_series(1, 30) g;",
        up="delete from c where t_id not in (select id from t); alter table c add foreign key (t_id) references t;",
        down="alter table c drop constraint c_t_id_fkey;",
        data={rows("c", lost=10)},
    ),
    Pair(
        name="children deleted with their parents",
        base=T + "create table c (id int primary key, t_id int references t on delete cascade);"
        "insert into c select g, 1 + g % 20 from generate_series(1, 40) g;",
        up="delete from t where id = 5;",
        down="insert into t values (5, 50, 'Word 5') on conflict do nothing;",
        data={rows("c", lost=2)},
    ),
    Pair(
        name="merged tables split by the wrong column",
        base=PARTY,
        up="create table parties (id int primary key, name text, is_firm bool);"
        "insert into parties select id, name, false from people union all select id, name, true from firms;"
        "drop table people, firms;",
        down="create table people (id int primary key, name text); create table firms (id int primary key, name text);"
        "insert into people select id, name from parties where id <= 103;"
        "insert into firms select id, name from parties where id > 103; drop table parties;",
        data={rows("people", left_over=3), rows("firms", lost=3)},
        by={"forward 3"},
    ),
    Pair(
        name="a table emptied",
        up="truncate t;",
        data={rows("t", lost=20)},
    ),
    Pair(
        name="a table dropped and made again without its rows",
        up="drop table t;",
        down="create table t (id int primary key, v int, w text);",
        data={rows("t", lost=20)},
    ),
    Pair(
        name="rows left over",
        up="insert into t select g, g, 'new' from generate_series(101, 103) g on conflict do nothing;",
        data={rows("t", left_over=3)},
    ),
    Pair(
        name="rows that have other keys",
        up="update t set id = id + 100 where id <= 5;",
        down="update t set id = id + 200 where id between 101 and 105;",
        data={rows("t", lost=5, left_over=5)},
        again_data={rows("t", lost=5, left_over=5)},
    ),
    Pair(
        name="a view's worth of rows in another schema",
        base=T
        + "create schema s; create table s.u (id int primary key, v int); insert into s.u values (1, 1), (2, 2);",
        up="delete from s.u where id = 2;",
        data={rows("s.u", lost=1)},
    ),
    Pair(
        name="names in quotes",
        base='create table "Order" (id int primary key, "Total" int); insert into "Order" values (1, 1), (2, null);',
        up='alter table "Order" drop "Total";',
        down='alter table "Order" add "Total" int;',
        physical={("table Order", "dropped columns")},
        data={values("Order.Total", changed=1, lost=1)},
    ),
    Pair(
        name="writes lost since the way back takes the old rows",
        up="create table kept as table t; update t set v = 0;",
        down="delete from t; insert into t select * from kept; drop table kept;",
        writes=(inserted("t", "50", v="1", w="new"), updated("t", "3", w="mine"), deleted("t", "7")),
        lost_writes=3,
        again_data={rows("t", lost=1, left_over=1), values("t.w", changed=1)},
    ),
    Pair(
        name="a write garbled by the way back",
        up="alter table t alter w type text using w;",
        down="update t set w = left(w, 7);",
        writes=(inserted("t", "50", v="1", w="a longer text"), updated("t", "3", w="short")),
        lost_writes=1,
        again_data={values("t.w", changed=1)},
    ),
    Pair(
        name="a write kept beside a value that is not",
        up="alter table t rename w to words; update t set words = upper(words);",
        down="alter table t rename words to w;",
        writes=(updated("t", "3", v="31"), inserted("t", "50", v="1", words="new")),
        data={values("t.w", changed=20)},
        by={"forward 2"},
    ),
)
