"""Lossy pairs: constraints and indexes."""

from __future__ import annotations

from tests.rollback.pair import Pair, T

CHILD = T + (
    "create table c (id int primary key, t_id int references t on delete cascade);"
    "insert into c select g, g from generate_series(1, 20) g;"
)
PARTS = (
    "create table p (id int, v int) partition by range (id);"
    "create table p1 partition of p for values from (0) to (10);"
    "create table p2 partition of p for values from (10) to (100);"
    "insert into p select g, g from generate_series(1, 20) g;"
)

PAIRS = (
    Pair(
        name="a unique constraint lost",
        base=T + "alter table t add unique (v);",
        up="alter table t drop constraint if exists t_v_key;",
        schema={("table t unique (v)", "exists")},
    ),
    Pair(
        name="a unique constraint that is deferred now",
        base=T + "alter table t add unique (v);",
        up="alter table t drop constraint t_v_key;",
        down="alter table t add unique (v) deferrable initially deferred;",
        schema={("table t unique (v)", "definition")},
    ),
    Pair(
        name="nulls that may be double now",
        base=T + "alter table t add unique nulls not distinct (v);",
        up="alter table t drop constraint t_v_key;",
        down="alter table t add unique (v);",
        schema={("table t unique (v)", "definition"), ("table t unique (v) index", "definition")},
    ),
    Pair(
        name="a check lost",
        base=T + "alter table t add check (v > 0);",
        up="alter table t drop constraint if exists t_v_check;",
        schema={("table t check (v)", "exists")},
    ),
    Pair(
        name="a check whose old rows nobody validated",
        base=T + "alter table t add check (v > 0);",
        up="alter table t drop constraint t_v_check;",
        down="alter table t add check (v > 0) not valid;",
        schema={("table t check (v)", "validated")},
    ),
    Pair(
        name="a check of another bound",
        base=T + "alter table t add check (v > 0);",
        up="alter table t drop constraint t_v_check;",
        down="alter table t add check (v > 1);",
        schema={("table t check (v)", "definition")},
    ),
    Pair(
        name="a check that lost its name",
        base=T + "alter table t add constraint v_is_positive check (v > 0);",
        up="alter table t drop constraint if exists v_is_positive, drop constraint if exists t_v_check;",
        down="alter table t add check (v > 0);",
        schema={("table t constraint v_is_positive", "name")},
    ),
    Pair(
        name="a foreign key that deletes no children any more",
        base=CHILD,
        up="alter table c drop constraint c_t_id_fkey;",
        down="alter table c add foreign key (t_id) references t;",
        schema={("table c foreign key (t_id)", "definition")},
    ),
    Pair(
        name="a foreign key lost",
        base=CHILD,
        up="alter table c drop constraint if exists c_t_id_fkey;",
        schema={("table c foreign key (t_id)", "exists")},
    ),
    Pair(
        name="a foreign key not validated",
        base=CHILD,
        up="alter table c drop constraint c_t_id_fkey;",
        down="alter table c add foreign key (t_id) references t on delete cascade not valid;",
        schema={("table c foreign key (t_id)", "validated")},
    ),
    Pair(
        name="a foreign key that is not enforced any more",
        base=CHILD,
        up="alter table c alter constraint c_t_id_fkey not enforced;",
        schema={("table c foreign key (t_id)", "enforced")},
    ),
    Pair(
        name="an exclusion lost",
        base="create table e (id int primary key, r int4range, exclude using gist (r with &&));"
        "insert into e select g, int4range(g, g + 1) from generate_series(1, 20) g;",
        up="alter table e drop constraint if exists e_r_excl;",
        schema={("table e exclusion (r)", "exists")},
    ),
    Pair(
        name="a primary key lost",
        up="alter table t drop constraint if exists t_pkey;",
        schema={("table t primary key", "exists")},
    ),
    Pair(
        name="a primary key of more columns",
        base=T + "alter table t alter v set not null;",
        up="alter table t drop constraint t_pkey;",
        down="alter table t add primary key (id, v);",
        schema={("table t primary key", "definition"), ("table t primary key index", "definition")},
    ),
    Pair(
        name="an index lost",
        base=T + "create index by_w on t (w);",
        up="drop index if exists by_w;",
        schema={("table t index by_w", "exists")},
    ),
    Pair(
        name="an index that has another name",
        base=T + "create index by_w on t (w);",
        up="drop index if exists by_w, t_by_w;",
        down="create index t_by_w on t (w);",
        schema={("table t index by_w", "name")},
    ),
    Pair(
        name="an index without its predicate",
        base=T + "create index large on t (v) where v > 100;",
        up="drop index large;",
        down="create index large on t (v);",
        schema={("table t index large", "definition")},
    ),
    Pair(
        name="an index without its included column",
        base=T + "create index by_v on t (v) include (w);",
        up="drop index by_v;",
        down="create index by_v on t (v);",
        schema={("table t index by_v", "definition")},
    ),
    Pair(
        name="an index without its operator class",
        base=T + "create index by_w on t (w text_pattern_ops);",
        up="drop index by_w;",
        down="create index by_w on t (w);",
        schema={("table t index by_w", "definition")},
    ),
    Pair(
        name="an index in the other order",
        base=T + "create index by_v on t (v desc nulls last);",
        up="drop index by_v;",
        down="create index by_v on t (v);",
        schema={("table t index by_v", "definition")},
    ),
    Pair(
        name="an index of another method and filling",
        base=T + "create index by_v on t (v) with (fillfactor = 60); create index by_w on t using hash (w);",
        up="drop index by_v; drop index by_w;",
        down="create index by_v on t (v); create index by_w on t (w);",
        schema={("table t index by_v", "options"), ("table t index by_w", "definition")},
        by={"forward 1", "forward 2"},
    ),
    Pair(
        name="a unique index that became a plain one",
        base=T + "create unique index by_v on t (v);",
        up="drop index by_v;",
        down="create index by_v on t (v);",
        schema={("table t index by_v", "unique")},
    ),
    Pair(
        name="an index that is invalid",
        base=PARTS + "create index by_v on p (v);",
        up="drop index by_v;",
        down="create index by_v on only p (v);",
        schema={
            ("table p index by_v", "valid"),
            ("table p1 index (v)", "exists"),
            ("table p2 index (v)", "exists"),
        },
    ),
    Pair(
        name="an index of a concurrent way back",
        base=T + "create index by_v on t (v); create index by_w on t (w);",
        up="drop index concurrently if exists by_v; drop index concurrently if exists by_w;",
        down="create index concurrently by_w on t (w);",
        transaction="none",
        schema={("table t index by_v", "exists")},
    ),
    Pair(
        name="the order of the rows on disk is kept no longer",
        base=T + "cluster t using t_pkey;",
        up="alter table t set without cluster;",
        schema={("table t primary key index", "clustered")},
    ),
    Pair(
        name="a row is told to replicas by its whole content no longer",
        base=T + "alter table t replica identity full;",
        up="alter table t replica identity default;",
        schema={("table t", "replica identity")},
    ),
)
