"""Lossy pairs: rights, row security, owners, and what belongs to a table or to the database as a whole."""

from __future__ import annotations

from tests.rollback.pair import UNTOLD, Pair, T, rows, values

POLICY = T + (
    "alter table t enable row level security; alter table t force row level security;"
    "create policy own on t as restrictive for select to auditor using (v > 10);"
    "create policy all_of_it on t using (true) with check (v > 0);"
)
SET = "do $$ begin execute format('alter database %I set {}', current_database()); end $$;"

PAIRS = (
    Pair(
        name="a right lost with a table that was rebuilt",
        base=T + "grant select on t to auditor;",
        up="create table new (like t including all); insert into new select * from t; drop table t;"
        "alter table new rename to t; alter table t rename constraint new_pkey to t_pkey;",
        schema={("table t", "privileges")},
        by={"forward 3"},
    ),
    Pair(
        name="a right that is wider",
        up="grant select on t to public;",
        schema={("table t", "privileges")},
    ),
    Pair(
        name="a right that cannot be passed on any more",
        base=T + "grant select on t to auditor with grant option;",
        up="revoke grant option for select on t from auditor;",
        schema={("table t", "privileges")},
    ),
    Pair(
        name="a right on a column lost",
        base=T + "grant update (v) on t to auditor;",
        up="revoke update (v) on t from auditor;",
        schema={("table t column v", "privileges")},
    ),
    Pair(
        name="rights on a schema and a sequence lost",
        base="create schema s; grant usage on schema s to auditor; create sequence s.codes;"
        "grant usage on sequence s.codes to auditor;",
        up="revoke usage on schema s from auditor; revoke usage on sequence s.codes from auditor;",
        schema={("schema s", "privileges"), ("sequence s.codes", "privileges")},
        by={"forward 1", "forward 2"},
    ),
    Pair(
        name="rights on what will be made",
        up="alter default privileges grant select on tables to auditor;"
        "alter default privileges revoke execute on functions from public;",
        schema={
            ("default privileges of rehearse_migration on tables", "privileges"),
            ("default privileges of rehearse_migration on functions", "exists"),
        },
    ),
    Pair(
        name="another owner",
        base=T + "grant create on schema public to auditor;",
        up="alter table t owner to auditor;",
        schema={("table t", "owner")},
    ),
    Pair(
        name="row security off",
        base=POLICY,
        up="alter table t disable row level security, no force row level security;",
        down="alter table t enable row level security;",
        schema={("table t", "row security")},
    ),
    Pair(
        name="a policy lost",
        base=POLICY,
        up="drop policy if exists own on t;",
        schema={("table t policy own", "exists")},
    ),
    Pair(
        name="policies that came back wider",
        base=POLICY,
        up="drop policy own on t; drop policy all_of_it on t;",
        down="create policy own on t using (v > 10); create policy all_of_it on t using (true);",
        schema={
            *(("table t policy own", one) for one in ("command", "kind", "roles")),
            ("table t policy all_of_it", "with check"),
        },
        by={"forward 1", "forward 2"},
    ),
    Pair(
        name="a policy by another condition",
        base=POLICY,
        up="alter policy own on t using (v > 20);",
        schema={("table t policy own", "using")},
    ),
    Pair(
        name="a comment, a filling and vacuum's settings lost",
        base=T
        + "comment on table t is 'words'; alter table t set (fillfactor = 70, toast.autovacuum_enabled = false);",
        up="comment on table t is null; alter table t reset (fillfactor, toast.autovacuum_enabled);",
        schema={("table t", "comment"), ("table t", "options"), ("table t", "toast options")},
        by={"forward 1", "forward 2"},
    ),
    Pair(
        name="a table that a crash empties",
        up="alter table t set unlogged;",
        schema={("table t", "persistence")},
    ),
    Pair(
        name="a publication that lost a table",
        base=T + "create table u (id int primary key); create publication news for table t where (v > 10), u;",
        up="alter publication news drop table u;",
        down="alter publication news set table u, t;",
        schema={("publication news", "tables")},
        again={("publication news", "tables")},
    ),
    Pair(
        name="a publication that tells of deletions too",
        base=T + "create publication news for table t with (publish = 'insert');",
        up="alter publication news set (publish = 'insert, delete');",
        schema={("publication news", "publishes")},
    ),
    Pair(
        name="statistics on two columns lost, and the target of others",
        base=T + "create statistics vw on v, w from t; create statistics wv (ndistinct) on w, v from t;"
        "alter statistics wv set statistics 300;",
        up="drop statistics if exists vw; alter statistics wv set statistics -1;",
        schema={("statistics vw", "exists"), ("statistics wv", "statistics target")},
        by={"forward 1", "forward 2"},
    ),
    Pair(
        name="an extension left over",
        up="create extension if not exists hstore;",
        schema={("extension hstore", "exists")},
    ),
    Pair(
        name="a schema left over",
        up="create schema if not exists s; create table if not exists s.u (id int primary key);",
        schema={("schema s", "exists"), ("table s.u", "exists")},
    ),
    Pair(
        name="a setting of the database",
        base=SET.format("work_mem = ''8MB''"),
        up=SET.format("work_mem = ''16MB''"),
        down=SET.format("work_mem = ''4MB''"),
        schema={("database setting work_mem", "value")},
        by={UNTOLD},
    ),
    Pair(
        name="large objects removed",
        base="create table files (id int primary key, content oid);"
        "insert into files select g, lo_from_bytea(0, 'abc') from generate_series(1, 3) g;",
        up="select lo_unlink(content) from files where id = 1; update files set content = null where id = 1;",
        schema={("database", "large objects"), ("database", "content of large objects")},
        data={values("files.content", changed=1, lost=1)},
        by={"forward 2", UNTOLD},
    ),
    Pair(
        name="the database's own comment and rights",
        up="do $$ begin execute format('comment on database %I is ''new''', current_database());"
        "execute format('revoke temporary on database %I from public', current_database()); end $$;",
        schema={("database", "comment"), ("database", "privileges")},
        by={UNTOLD},
    ),
    Pair(
        name="a table dropped and not made again",
        base=T + "create table u (id int primary key, note text); insert into u values (1, 'a'), (2, 'b');",
        up="drop table if exists u;",
        schema={("table u", "exists")},
        data={rows("u", lost=2)},
    ),
)
