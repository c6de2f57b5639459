"""Lossy pairs: kinds of values and of keys, and statements whose texts do not tell what they take."""

from __future__ import annotations

from tests.rollback.objects import TOUCH
from tests.rollback.pair import DROPPED, UNTOLD, Pair, T, deleted, rows, values

PAIRS = (
    Pair(
        name="a zero that lost its sign",
        base="create table t (id int primary key, x float8); insert into t values (1, '-0'), (2, 0), (3, 'NaN');",
        up="update t set x = x + 0;",
        data={values("t.x", changed=1)},
    ),
    Pair(
        name="a month that became thirty days",
        base="create table t (id int primary key, i interval); insert into t values (1, '1 mon'), (2, '30 days');",
        up="update t set i = justify_days(i) - interval '1 mon' + interval '30 days';",
        data={values("t.i", changed=1)},
    ),
    Pair(
        name="an address that lost its host",
        base="create table t (id int primary key, a inet);insert into t values (1, '10.1.2.3/24'), (2, '10.1.2.0/24');",
        up="alter table t alter a type cidr using network(a);",
        down="alter table t alter a type inet;",
        data={values("t.a", changed=1)},
    ),
    Pair(
        name="an array that begins at one",
        base="create table t (id int primary key, a int[]); insert into t values (1, '[2:3]={1,2}'), (2, '{1,2}');",
        up="update t set a = array(select unnest(a));",
        data={values("t.a", changed=1)},
    ),
    Pair(
        name="a number in a document that lost its scale",
        base="create table t (id int primary key, j jsonb);"
        "insert into t values (1, '{\"a\": 1.0}'), (2, '{\"a\": 1}');",
        up="update t set j = jsonb_build_object('a', (j ->> 'a')::numeric::int);",
        data={values("t.j", changed=1)},
    ),
    Pair(
        name="texts that a type writes in its own way",
        base="create table t (id int primary key, u text, b text);"
        "insert into t values (1, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'yes'),"
        "(2, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', 'true');",
        up="alter table t alter u type uuid using u::uuid, alter b type bool using b::bool;",
        down="alter table t alter u type text, alter b type text;",
        data={values("t.u", changed=1), values("t.b", changed=1)},
    ),
    Pair(
        name="a field of composite values lost",
        base="create type place as (x int, y int); create table t (id int primary key, p place);"
        "insert into t values (1, (1, 2)), (2, (1, null)), (3, null);",
        up="alter type place drop attribute y;",
        down="alter type place add attribute y int;",
        data={values("t.p", changed=1)},
        by={UNTOLD},
    ),
    Pair(
        name="keys in small letters",
        base="create table t (k text primary key, v int); insert into t values ('A', 1), ('b', 2);",
        up="update t set k = lower(k);",
        data={rows("t", lost=1, left_over=1)},
    ),
    Pair(
        name="a part of a key that is another",
        base="create table t (a int, b int, v int, primary key (a, b)); insert into t values (1, 1, 1), (1, 2, 2);",
        up="update t set b = 3 where b = 2;",
        data={rows("t", lost=1, left_over=1)},
    ),
    Pair(
        name="keys that two rows exchanged",
        base=T,
        up="update t set id = -id where id in (3, 4); update t set id = 7 + id where id in (-3, -4);",
        data={values("t.v", changed=2), values("t.w", changed=2)},
        again_data={values("t.v", changed=2), values("t.w", changed=2)},
        by={UNTOLD},
    ),
    Pair(
        name="a row of a table without a key",
        base="create table t (v int, w text); insert into t select g % 3, 'w' from generate_series(1, 12) g;",
        up="update t set w = 'x' where ctid = (select min(ctid) from t);",
        data={rows("t", lost=1, left_over=1)},
        again_data={rows("t", lost=1, left_over=1)},
    ),
    Pair(
        name="a column that goes, though a call deleted one of its rows meanwhile",
        up="alter table t drop w;",
        writes=(deleted("t", "7"),),
        schema={("table t column w", "exists")},
        physical={DROPPED},
        data={values("t.w", changed=19, lost=19)},
        fails_again="does not exist",
    ),
    Pair(
        name="what a DO block takes",
        up="do $$ begin update t set w = lower(w); end $$;",
        data={values("t.w", changed=20)},
        by={UNTOLD},
    ),
    Pair(
        name="what a function takes",
        base=T + "create function tidy() returns void language sql as 'update t set w = lower(w)';",
        up="select tidy();",
        data={values("t.w", changed=20)},
        by={UNTOLD},
    ),
    Pair(
        name="what a trigger takes",
        base=TOUCH,
        up="update t set v = v + 0;",
        data={values("t.w", changed=5)},
        again_data={values("t.w", changed=5)},
        by={UNTOLD},
    ),
    Pair(
        name="what one of two statements takes",
        up="update t set w = lower(w) where id < 5; update t set w = upper(w) where id > 15;",
        data={values("t.w", changed=9)},
        by={UNTOLD},
    ),
    Pair(
        name="what the way back takes",
        up="alter table t rename w to words; update t set v = v where id = 1;",
        down="update t set words = left(words, 6) where id > 10; alter table t rename words to w;",
        data={values("t.w", changed=10)},
        by={"back 1"},
    ),
    Pair(
        name="what a WITH deletes",
        base=T + "create table archive (id int, v int, w text);",
        up="with moved as (delete from t where id <= 5 returning *) insert into archive select * from moved;",
        down="delete from archive;",
        data={rows("t", lost=5)},
        again_data={rows("archive", lost=5)},
    ),
    Pair(
        name="what a MERGE and an upsert change",
        base=T + "create table u as table t; alter table u add primary key (id);",
        up="merge into t using u on t.id = u.id when matched and u.v > 150 then delete"
        " when matched then update set w = lower(t.w);"
        "insert into u select * from t on conflict (id) do update set v = -1;",
        data={rows("t", lost=5), values("t.w", changed=15), values("u.v", changed=15)},
        by={"forward 1", "forward 2"},
    ),
)
