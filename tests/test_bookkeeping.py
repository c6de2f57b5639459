"""The tables of migration tools are known by name and columns, and only where such a tool runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rehearse import bookkeeping
from rehearse.checks import by_code
from rehearse.judging import answer
from rehearse.measures.fidelity import rollback
from rehearse.model import Comparison, PropertyDifference, Recording, Snapshot, Status, TableComparison, TableState
from rehearse.reports._integrity import integrity as seen
from rehearse.testing import examples

FLYWAY = (
    "installed_rank",
    "version",
    "description",
    "type",
    "script",
    "checksum",
    "installed_by",
    "installed_on",
    "execution_time",
    "success",
)


def state(table: str, columns: tuple[str, ...]) -> TableState:
    return TableState(
        table=table, rows=3, size_bytes=8192, key=columns[:1], checksum="1", columns=dict.fromkeys(columns, "1")
    )


def written(table: str, columns: tuple[str, ...], *, tool: str, **options: object) -> Recording:
    """A clean rehearsal in which each way has written a row into a table, and a column of it came."""
    clean = examples.clean()
    migration = replace(clean.scenario.migration, tool=tool, options=options)

    def with_table(one: Snapshot) -> Snapshot:
        return replace(one, tables={**one.tables, table: state(table, columns)})

    def with_row(one: Comparison) -> Comparison:
        row = TableComparison(table=table, rows_before=3, rows_after=3, rows_missing=1, rows_unexpected=1)
        index = PropertyDifference(object=f"table {table} index x", property="exists", before=None, after="yes")
        return replace(one, tables=(*one.tables, row), schema=(index,))

    return replace(
        clean,
        scenario=replace(clean.scenario, migration=migration),
        snapshots={name: with_table(one) for name, one in clean.snapshots.items()},
        comparisons=[with_row(one) for one in clean.comparisons],
    )


def failed(recording: Recording) -> set[str]:
    codes = ("I003", "F001", "F002", "F003")
    return {code for code in codes if answer(by_code(code), recording).status != Status.PASSED}


@pytest.mark.parametrize(
    ("table", "columns", "tool"),
    [
        ("alembic_version", ("version_num",), "alembic"),
        ("app.versions", ("version_num",), "alembic"),
        ("flyway_schema_history", FLYWAY, "command"),
        ("audit.flyway_schema_history", FLYWAY, "command"),
        ("schema_migrations", ("version", "dirty"), "command"),
        ("SequelizeMeta", ("name",), "command"),
        ("knex_migrations_lock", ("index", "is_locked"), "command"),
        ("sqitch.tags", ("tag_id", "tag", "project", "change_id"), "command"),
    ],
)
def test_what_a_tool_notes_is_no_finding(table: str, columns: tuple[str, ...], tool: str) -> None:
    recording = written(table, columns, tool=tool)
    assert failed(recording) == set()
    assert rollback(recording).fidelity == 1.0
    assert rollback(recording).data == ()
    assert [one.table for one in seen(recording).tables if one.is_bookkeeping] == [table]


@pytest.mark.parametrize(
    ("table", "columns", "tool"),
    [
        ("alembic_version", ("version_num",), "sql"),
        ("flyway_schema_history", FLYWAY, "sql"),
        ("flyway_schema_history", FLYWAY, "alembic"),
        ("migrations", ("id", "bird", "from_place", "to_place"), "command"),
        ("schema_migrations", ("id", "name"), "command"),
        ("tags", ("tag_id", "tag", "change_id"), "command"),
    ],
)
def test_a_users_table_of_the_same_name_is_not_silenced(table: str, columns: tuple[str, ...], tool: str) -> None:
    recording = written(table, columns, tool=tool)
    assert failed(recording) == {"I003", "F001", "F002", "F003"}
    assert rollback(recording).fidelity != 1.0


@pytest.mark.parametrize("named", ["app.ours", ["app.ours"]])
def test_the_tools_options_may_name_its_table(named: object) -> None:
    assert failed(written("app.ours", ("n",), tool="command"))
    assert failed(written("app.ours", ("n",), tool="command", bookkeeping=named)) == set()


def test_the_tools_tables_are_known_to_the_default_workload() -> None:
    assert bookkeeping.is_known("django_migrations", ("id", "app", "name", "applied"))
    assert not bookkeeping.is_known("orders", ("id", "app", "name", "applied"))
