"""The texts of the ways, and what a change must say: no server is asked."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from rehearse import strategies
from rehearse.errors import ScenarioMistake
from rehearse.model.change import Change, Strategy
from rehearse.profiles.blueprint import Blueprint, Column, Constraint, Index, Plan
from rehearse.strategies import KINDS
from rehearse.strategies.mysql.names import typed
from rehearse.tools._split import statements
from rehearse.units import NS_PER_MS, NS_PER_S

KEY = Constraint(
    name="order_pkey", kind="primary key", definition="PRIMARY KEY (id)", columns=("id",), index="order_pkey"
)
ORDER = Plan(
    name="order",
    schema="public",
    own="order",
    columns={
        "id": Column(name="id", type="integer", nullable=False),
        "Status": Column(name="Status", type="text", nullable=True),
        "user": Column(name="user", type="integer", nullable=True),
    },
    constraints=(KEY,),
    indexes=(
        Index(name="order_pkey", unique=True, definition="USING btree (id)", columns=("id",), constraint="order_pkey"),
    ),
)
USER = replace(ORDER, name="app.user", schema="app", own="user", columns={"id": ORDER.columns["id"]})
TABLES = Blueprint({"order": ORDER, "app.user": USER})
REQUIRED = Change(kind="set not null", table="order", columns="Status", fill="'new'", default="'new'")


def written(change: Change, way: str, **more: Any) -> Strategy:
    return strategies.write(change, way, TABLES, engine="postgres", version="18", **more)


def test_the_careful_way_to_not_null() -> None:
    options = {"lock_timeout": "50ms", "attempts": 7, "pause": "1s", "backoff": 2, "batch": 100}
    assert (
        written(REQUIRED, "careful", options=options).forward
        == """\
-- 1. New rows get the default, so that the filling has an end.
-- rehearse:retry lock_timeout=50ms attempts=7 pause=1s backoff=2
ALTER TABLE public."order" ALTER COLUMN "Status" SET DEFAULT 'new';

-- 2. Old rows of Status in batches.
-- rehearse:backfill key=id batch=100 batch_time=100ms pause=0ms
UPDATE public."order" SET "Status" = 'new' WHERE "Status" IS NULL;

-- 3. New rows must have it: a lock for a moment, no row is read.
-- rehearse:retry lock_timeout=50ms attempts=7 pause=1s backoff=2
ALTER TABLE public."order" ADD CONSTRAINT "order_Status_not_null" NOT NULL "Status" NOT VALID;

-- 4. Old rows of Status in batches, those written since.
-- rehearse:backfill key=id batch=100 batch_time=100ms pause=0ms
UPDATE public."order" SET "Status" = 'new' WHERE "Status" IS NULL;

-- 5. The rows that are there are read while everyone works.
ALTER TABLE public."order" VALIDATE CONSTRAINT "order_Status_not_null";
"""
    )


def test_what_the_application_bears_less_of_is_done_in_smaller_parts_unless_it_is_said() -> None:
    def markers(**more: Any) -> list[str]:
        lines = written(REQUIRED, "careful", **more).forward.splitlines()
        return [one.partition(" attempts")[0] for one in lines if one.startswith("-- rehearse:")][:2]

    assert markers(blocked_ns=75 * NS_PER_MS) == [
        "-- rehearse:retry lock_timeout=37ms",
        "-- rehearse:backfill key=id batch=1250 batch_time=25ms pause=0ms",
    ]
    usual = [
        "-- rehearse:retry lock_timeout=100ms",
        "-- rehearse:backfill key=id batch=5000 batch_time=100ms pause=0ms",
    ]
    assert markers() == markers(blocked_ns=NS_PER_S) == usual
    said = {"lock_timeout": "100ms", "batch_time": "100ms", "batch": 5000}
    assert markers(blocked_ns=75 * NS_PER_MS, options=said) == usual


def test_an_older_server_is_given_a_check_for_a_proof() -> None:
    text = strategies.write(REQUIRED, "careful", TABLES, engine="postgres", version="15.4").forward
    assert 'ADD CONSTRAINT "order_Status_known" CHECK ("Status" IS NOT NULL) NOT VALID' in text
    assert 'ALTER COLUMN "Status" SET NOT NULL' in text


@pytest.mark.parametrize("way", ["plain", "careful", "shadow"])
def test_each_text_is_read_as_the_statements_that_it_is(way: str) -> None:
    change = Change(kind="add foreign key", table="order", columns="user", references="app.user.id")
    strategy = written(change, way)
    for text in (strategy.forward, strategy.back or ""):
        found = statements(text, "up.sql")
        assert len(found) == len(
            [line for line in text.splitlines() if line.endswith(";") and not line.startswith(" ")]
        )
        assert [one.sql for one in found].count("BEGIN") == [one.sql for one in found].count("COMMIT")


def test_every_kind_has_two_ways_and_the_six_have_three() -> None:
    for kind in KINDS:
        assert len(strategies.ways(Change(kind=kind, table="t"), "postgres")) >= 2, kind
    for kind in ("widen key", "set not null", "add foreign key", "add index", "split column", "partition table"):
        assert len(strategies.ways(Change(kind=kind, table="t"), "postgres")) >= 3, kind
    for kind in ("widen key", "set not null", "add index", "partition table"):
        found = strategies.ways(Change(kind=kind, table="t"), "mariadb")  # type: ignore[arg-type]
        assert {"plain", "pt-osc"} < set(found), kind


def of(kind: Any, columns: Any = "", **keys: Any) -> Change:
    return Change(kind=kind, table=keys.pop("table", "order"), columns=columns, **keys)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (of("add index", "user", table="orders"), "table: there is no table 'orders'; did you mean 'order'"),
        (of("add index", "usr"), "columns: order has no column 'usr'; did you mean 'user'"),
        (of("add index"), "columns: 'add index' needs it"),
        (of("set default", "user"), "default: 'set default' needs it"),
        (of("set default", ["user", "id"], default="1"), "columns: .* one column, and 2"),
        (of("add column", "user", type="int"), "columns: order has a column 'user' already"),
        (of("rename column", "user", to="id"), "to: order has a column 'id' already"),
        (
            of("add foreign key", "user", references="app.usr.id"),
            "references: there is no table 'app.usr'; did you mean 'app.user'",
        ),
        (
            of("add foreign key", "user", references="app.user.idd"),
            "references: app.user has no column 'idd'; did you mean 'id'",
        ),
        (of("split column", "Status", into={"a": "1"}, types={"b": "int"}), "types: 'b' is no new column"),
        (
            of("split column", "Status", into={"a": "1"}, back={"status": "a"}),
            "back: 'status' is not of change.columns; did you mean 'Status'",
        ),
        (of("set not null", "id"), r"columns: order\.id is NOT NULL already"),
        (of("add column", "x", type="int", nullable=False), "nullable: .* needs `default`, or `fill`"),
    ],
)
def test_what_a_change_lacks_or_misnames_is_told_by_its_key(change: Change, says: str) -> None:
    with pytest.raises(ScenarioMistake, match=f"change.{says}"):
        written(change, "plain")


def test_a_way_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(ScenarioMistake, match="no way to 'set not null' on postgres; did you mean 'careful'"):
        written(REQUIRED, "carefull")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lock_timout": "1s"}, "strategies.options.lock_timout: unknown; did you mean 'lock_timeout'"),
        ({"lock_timeout": 5}, "strategies.options.lock_timeout: 5 is not a duration"),
        ({"attempts": 0}, "strategies.options.attempts: 0 is no whole number from 1 on"),
        ({"backoff": 0.5}, "strategies.options.backoff: 0.5 is no number from 1 to 10"),
        ({"backoff": 11}, "strategies.options.backoff: 11 is no number from 1 to 10"),
        ({"tool": 5}, "strategies.options.tool: 5 is no text of words"),
        ({"tool": "--a='b"}, "strategies.options.tool: .* is no text of words as a shell reads them"),
    ],
)
def test_options_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(ScenarioMistake, match=says):
        written(REQUIRED, "careful", options=options)


def test_what_would_be_lost_is_refused() -> None:
    policed = Blueprint({"order": replace(ORDER, hindrances=(("policy own_rows", ()),))})
    with pytest.raises(ScenarioMistake, match="order has what a shadow table would lose: policy own_rows"):
        strategies.write(REQUIRED, "shadow", policed, engine="postgres")


@pytest.mark.parametrize(
    ("change", "way"),
    [
        (of("split column", "Status", into={"a": "1"}), "expand"),
        (of("change type", "Status", type="varchar(9)"), "expand"),
        (REQUIRED, "careful"),
        (REQUIRED, "shadow"),
    ],
)
def test_a_table_without_a_key_is_refused_before_anything_is_made(change: Change, way: str) -> None:
    keyless = Blueprint({"order": replace(ORDER, constraints=(), indexes=())})
    with pytest.raises(ScenarioMistake, match=r"change\.table: order has no primary key, by which"):
        strategies.write(change, way, keyless, engine="postgres", version="18")


@pytest.mark.parametrize(
    ("change", "way", "says"),
    [
        (REQUIRED, "shadow", "its shadow would have no partition for any row"),
        (of("add index", "user"), "careful", "no index of it can be built while everyone works; take 'plain'"),
        (of("add unique", ["id", "user"]), "careful", "no index of it can be built while everyone works"),
    ],
)
def test_what_cannot_be_done_to_a_partitioned_table_is_refused(change: Change, way: str, says: str) -> None:
    parted = Blueprint({"order": replace(ORDER, partitioned="RANGE (id)")})
    with pytest.raises(ScenarioMistake, match=f"order is partitioned, and {says}"):
        strategies.write(change, way, parted, engine="postgres", version="18")
    assert strategies.write(change, "plain", parted, engine="postgres").forward


def test_a_column_at_an_end_of_a_foreign_key_gets_no_other_type_by_a_shadow() -> None:
    key = Constraint(
        name="of", kind="foreign key", definition="FOREIGN KEY", columns=("id",), parent="order", parent_columns=("id",)
    )
    tables = Blueprint({"order": ORDER, "app.user": replace(USER, constraints=(key,))})
    with pytest.raises(
        ScenarioMistake, match=r"order\.id is part of a foreign key \(app\.user\); take the kind 'widen"
    ):
        strategies.write(of("change type", "id", type="text"), "shadow", tables, engine="postgres")


def test_what_only_the_way_forward_knows_has_no_way_back_and_says_why() -> None:
    strategy = written(Change(kind="drop column", table="order", columns="Status"), "careful")
    assert strategy.back is None
    assert strategy.steps[-1].startswith("There is no way back: what Status held is gone")


def test_an_external_tool_that_is_not_here_is_named_with_its_remedy() -> None:
    strategy = written(REQUIRED, "plain")
    assert strategies.missing(replace(strategy, needs=("the client psql", "sh (the shell)"))) is None
    assert strategies.missing(replace(strategy, needs=("no-such-tool (build it)",))) == "no-such-tool (build it)"


def test_the_recipe_for_pgroll_is_one_operation_and_shows_no_password() -> None:
    text = written(REQUIRED, "pgroll").forward
    plan = json.loads(text.partition("<<'JSON'\n")[2].partition("\nJSON\n")[0])
    up = "coalesce(\"Status\", 'new')"
    assert plan["operations"] == [
        {"alter_column": {"table": "order", "column": "Status", "nullable": False, "up": up, "down": '"Status"'}}
    ]
    assert 'PGROLL_PG_URL="$DATABASE_URL"' in text
    assert written(REQUIRED, "pgroll").back is None


def test_an_external_tool_of_the_family_gets_its_password_by_a_file() -> None:
    tables = Blueprint(
        {
            "order": replace(
                ORDER,
                columns={
                    **ORDER.columns,
                    "Status": replace(ORDER.columns["Status"], definition="varchar(9) DEFAULT NULL COMMENT 'NULL'"),
                },
            )
        }
    )
    for way in ("pt-osc", "gh-ost"):
        options = {"tool": "--max-load Threads_running=50 --note='a b'"}
        strategy = strategies.write(REQUIRED, way, tables, engine="mariadb", version="11.4", options=options)
        last = strategy.forward.strip().splitlines()[-1]
        assert "$MYSQL_PWD" not in last and '="$conf"' in last
        altered = "--alter=MODIFY COLUMN `Status` varchar(9) COMMENT 'NULL' NOT NULL DEFAULT 'new'"
        assert altered in shlex.split(last)
        assert {"--max-load", "Threads_running=50", "--note=a b"} < set(shlex.split(last))
        assert strategy.tool == "command" and strategy.needs


def test_gh_ost_is_refused_where_it_cannot_run() -> None:
    with pytest.raises(ScenarioMistake, match=r"gh-ost runs on MariaDB from 11\.1 on"):
        strategies.write(REQUIRED, "gh-ost", TABLES, engine="mariadb", version="10.11")


LATIN = "varchar(20) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL COMMENT 'COLLATE x'"


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ("varchar(40)", "varchar(40) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL COMMENT 'COLLATE x'"),
        (
            "enum('a charset','b')",
            "enum('a charset','b') CHARACTER SET latin1 COLLATE latin1_bin NOT NULL COMMENT 'COLLATE x'",
        ),
        ("varchar(40) CHARSET utf8mb4", "varchar(40) CHARSET utf8mb4 NOT NULL COMMENT 'COLLATE x'"),
        ("bigint", "bigint NOT NULL COMMENT 'COLLATE x'"),
    ],
)
def test_a_text_keeps_its_character_set_unless_its_new_type_names_one(declared: str, line: str) -> None:
    assert typed(LATIN, declared) == line


def test_another_default_takes_nothing_else_away_on_the_family() -> None:
    line = "timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3)"
    columns = {**ORDER.columns, "Status": replace(ORDER.columns["Status"], definition=line)}
    tables = Blueprint({"order": replace(ORDER, columns=columns)})
    change = of("set default", "Status", default="'2025-01-01'")
    found = strategies.write(change, "careful", tables, engine="mariadb", version="10.11")
    kept = "timestamp(3) NOT NULL ON UPDATE current_timestamp(3) DEFAULT '2025-01-01'"
    assert f"MODIFY COLUMN `Status` {kept}, ALGORITHM=INSTANT" in found.forward
    assert f"MODIFY COLUMN `Status` {line}, ALGORITHM=INSTANT" in str(found.back)


def test_a_tool_that_copies_by_a_key_is_refused_where_there_is_none() -> None:
    keyless = Blueprint({"order": replace(ORDER, constraints=(), indexes=())})
    with pytest.raises(ScenarioMistake, match="order has no primary key and no unique index"):
        strategies.write(of("change type", "user", type="bigint"), "pt-osc", keyless, engine="mariadb")
