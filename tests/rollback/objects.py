"""Lossy pairs: sequences, views, rules, triggers, functions, types, partitions."""

from __future__ import annotations

from tests.rollback.pair import DROPPED, UNTOLD, Pair, T, rows, values
from tests.rollback.parts import PARTS

CODES = "create sequence codes; select setval('codes', 500);"
VIEW = T + "create view large as select id, w from t where v > 100;"
TOUCH = T + (
    "create function touch() returns trigger language plpgsql as "
    "$$ begin new.w := new.w || '!'; return new; end $$;"
    "create trigger touched before update on t for each row when (new.v > 150) execute function touch();"
)
TWICE = "create function twice(n int) returns int language sql immutable strict as 'select 2 * n';"
MOOD = (
    "create type mood as enum ('sad', 'fine', 'glad'); create table t (id int primary key, m mood not null);"
    "insert into t select g, (array['sad', 'fine', 'glad'])[1 + g % 3]::mood from generate_series(1, 21) g;"
)
POSITIVE = (
    "create domain positive as int not null default 1 check (value > 0);"
    "create table t (id int primary key, v positive); insert into t values (1, 1), (2, 2);"
)

PAIRS = (
    Pair(
        name="a sequence that begins anew",
        base=CODES,
        up="drop sequence codes;",
        down="create sequence codes;",
        schema={("sequence codes", "value")},
    ),
    Pair(
        name="a sequence that was set back",
        base=CODES,
        up="select setval('codes', 1, false);",
        schema={("sequence codes", "value")},
    ),
    Pair(
        name="a sequence that lost its options",
        base="create sequence codes as int minvalue 10 maxvalue 90 start 20 cache 5 cycle;",
        up="drop sequence codes;",
        down="create sequence codes start 20;",
        schema={("sequence codes", one) for one in ("type", "min", "max", "cache", "cycle")},
    ),
    Pair(
        name="a sequence that goes with its column no longer",
        base=T + "create sequence codes owned by t.v;",
        up="alter sequence codes owned by none;",
        schema={("table t column v sequence", "owner column")},
    ),
    Pair(
        name="a sequence behind its column",
        base="create table n (id serial primary key); insert into n select from generate_series(1, 5);",
        up="alter sequence n_id_seq restart with 1;",
        schema={("table n column id sequence", "value"), ("table n column id sequence", "behind")},
    ),
    Pair(
        name="a view of other rows",
        base=VIEW,
        up="create or replace view large as select id, w from t where v > 150;",
        down="create or replace view large as select id, w from t where v > 101;",
        schema={("view large", "definition")},
    ),
    Pair(
        name="a view that lost its guard, its rights and its comment",
        base=VIEW + "alter view large set (security_barrier = true); grant select on large to auditor;"
        "comment on view large is 'large ones';",
        up="drop view large;",
        down="create view large as select id, w from t where v > 100;",
        schema={("view large", "options"), ("view large", "privileges"), ("view large", "comment")},
    ),
    Pair(
        name="a view that went with a column",
        base=VIEW,
        up="alter table t drop w cascade;",
        down="alter table t add w text;",
        schema={("view large", "exists")},
        physical={DROPPED},
        data={values("t.w", changed=20, lost=20)},
    ),
    Pair(
        name="a materialized view without its rows and its index",
        base=T + "create materialized view m as select id, w from t; create unique index on m (id);",
        up="drop materialized view m;",
        down="create materialized view m as select id, w from t with no data;",
        schema={("materialized view m", "populated"), ("materialized view m index (id)", "exists")},
    ),
    Pair(
        name="a rule lost and another disabled",
        base=T + "create rule kept as on delete to t do instead nothing;"
        "create rule told as on update to t do also select 1;",
        up="drop rule if exists kept on t; alter table t disable rule told;",
        schema={("table t rule kept", "exists"), ("table t rule told", "enabled")},
        by={"forward 1", "forward 2"},
    ),
    Pair(
        name="a trigger lost",
        base=TOUCH,
        up="drop trigger if exists touched on t;",
        schema={("table t trigger touched", "exists")},
    ),
    Pair(
        name="a trigger that stays disabled",
        base=TOUCH,
        up="alter table t disable trigger touched; update t set w = upper(w);",
        down="update t set w = initcap(w);",
        schema={("table t trigger touched", "enabled")},
    ),
    Pair(
        name="a trigger that fires for every row now",
        base=TOUCH,
        up="drop trigger touched on t;",
        down="create trigger touched before update on t for each row execute function touch();",
        schema={("table t trigger touched", "definition")},
    ),
    Pair(
        name="a function that is volatile and may be called by everyone",
        base=TWICE + "revoke execute on function twice from public; comment on function twice is 'n + n';",
        up="drop function twice;",
        down="create function twice(n int) returns int language sql strict as 'select 2 * n';",
        schema={("function twice(integer)", one) for one in ("volatility", "privileges", "comment")},
    ),
    Pair(
        name="a function that runs by its caller's rights and path",
        base=TWICE + "alter function twice security definer set search_path = pg_catalog;",
        up="alter function twice security invoker reset all;",
        schema={("function twice(integer)", one) for one in ("security definer", "settings")},
    ),
    Pair(
        name="one of two functions of a name, and a procedure",
        base=TWICE + "create function twice(t text) returns text language sql as 'select t || t';"
        "create procedure tidy() language sql as 'select 1';",
        up="drop function if exists twice(text); drop procedure if exists tidy();",
        schema={("function twice(text)", "exists"), ("procedure tidy()", "exists")},
        by={"forward 1", "forward 2"},
    ),
    Pair(
        name="an aggregate that begins with another value",
        base="create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');",
        up="drop aggregate total(int);",
        down="create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '1');",
        schema={("aggregate total(integer)", "aggregate")},
    ),
    Pair(
        name="a value of an enum left over",
        base=MOOD,
        up="alter type mood add value if not exists 'calm' before 'fine';",
        schema={("type mood", "labels")},
    ),
    Pair(
        name="the values of an enum in another order",
        base=MOOD,
        up="alter table t alter m type text; drop type mood;",
        down="create type mood as enum ('fine', 'glad', 'sad'); alter table t alter m type mood using m::mood;",
        schema={("type mood", "labels")},
        by={"forward 2"},
    ),
    Pair(
        name="a value of an enum taken away and its rows mapped",
        base=MOOD,
        up="alter type mood rename to old; create type mood as enum ('sad', 'glad');"
        "alter table t alter m type mood using replace(m::text, 'fine', 'glad')::mood; drop type old;",
        down="alter type mood rename to old; create type mood as enum ('sad', 'fine', 'glad');"
        "alter table t alter m type mood using m::text::mood; drop type old;",
        data={values("t.m", changed=7)},
        by={"forward 3"},
    ),
    Pair(
        name="a domain that lost what it demands",
        base=POSITIVE,
        up="alter table t alter v type int; drop domain positive;",
        down="create domain positive as int; alter table t alter v type positive;",
        schema={("domain positive", "not null"), ("domain positive", "default"), ("domain positive check", "exists")},
        by={"forward 2"},
    ),
    Pair(
        name="a domain whose check lost its name and its comment",
        base="create domain age as int constraint grown check (value > 17);"
        "comment on constraint grown on domain age is 'x';",
        up="alter domain age drop constraint if exists grown;",
        down="alter domain age add check (value > 17);",
        schema={("domain age check", "exists"), ("domain age constraint grown", "exists")},
        again={("domain age check", "exists")},
    ),
    Pair(
        name="a column that is of its domain no longer",
        base=POSITIVE,
        up="alter table t alter v type int;",
        schema={("table t column v", "type")},
    ),
    Pair(
        name="an attribute of a composite type lost, and its comment",
        base="create type place as (x int, y int); comment on type place is 'where';",
        up="drop type place;",
        down="create type place as (x int);",
        schema={("type place column y", "exists"), ("type place", "comment")},
    ),
    Pair(
        name="a range of another order",
        base='create type span as range (subtype = text, collation = "C");',
        up="drop type span;",
        down="create type span as range (subtype = text);",
        schema={("type span", "range")},
    ),
    Pair(
        name="a cast and an operator lost",
        base="create type place as (x int, y int);"
        "create function x_of(p place) returns int language sql immutable as 'select p.x';"
        "create cast (place as int) with function x_of(place);"
        "create operator |> (function = x_of, rightarg = place);",
        up="drop cast if exists (place as int); drop operator if exists |> (none, place);",
        schema={("cast place to integer", "exists"), ("operator |>(place)", "exists")},
        by={"forward 2", UNTOLD},
    ),
    Pair(
        name="a table that was partitioned and came back without its index, its default and its check",
        base=T + "create index by_w on t (w); alter table t alter v set default 7, add check (v > 0);",
        up="alter table t rename to old; alter table old rename constraint t_pkey to old_pkey;"
        "create table t (id int primary key, v int, w text) partition by range (id);"
        "create table t1 partition of t for values from (0) to (10); create table t2 partition of t default;"
        "insert into t select * from old; drop table old;",
        down="alter table t rename to parts; create table t as select * from parts; drop table parts;"
        "alter table t add primary key (id);",
        schema={
            ("table t index by_w", "exists"),
            ("table t column v", "default"),
            ("table t check (v)", "exists"),
        },
        by={"forward 7"},
    ),
    Pair(
        name="a partition dropped with its rows",
        base=PARTS,
        up="drop table p2;",
        down="create table p2 partition of p for values from (10) to (100);",
        data={rows("p", lost=11)},
    ),
    Pair(
        name="a partition detached and left alone",
        base=PARTS,
        up="alter table p detach partition p2;",
        schema={
            ("table p2", "partition bound"),
            ("table p2", "inherits"),
            ("table p2 column id", "inherited"),
            ("table p2 column v", "inherited"),
        },
        data={rows("p", lost=11), rows("p2", left_over=11)},
        fails_again="is not a partition",
    ),
    Pair(
        name="a partition with another bound",
        base=PARTS,
        up="alter table p detach partition p2;",
        down="alter table p attach partition p2 for values from (10) to (50);",
        schema={("table p2", "partition bound")},
    ),
    Pair(
        name="a child that inherits no longer",
        base="create table base (id int, v int); create table child (extra int) inherits (base);"
        "insert into base select g, g from generate_series(1, 5) g;"
        "insert into child select g, g, g from generate_series(6, 15) g;",
        up="alter table child no inherit base;",
        schema={
            ("table child", "inherits"),
            ("table child column id", "inherited"),
            ("table child column v", "inherited"),
        },
        fails_again="is not a parent",
    ),
)
