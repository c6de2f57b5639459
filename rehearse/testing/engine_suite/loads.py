"""What is loaded is there: values of every type as they were given, NULLs among them, under the table's constraints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from rehearse.errors import RehearseError
from rehearse.protocols import Role, Server
from rehearse.testing.engine_suite.subject import Column, Kept, Subject, fresh, run

_PARENTS, _CHILDREN = 100, 1000
_CHILD = """
    create table children (
        id int primary key, parent_id int null, foreign key (parent_id) references parents (id)
    )
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table's rows in chunks of `most` rows."""

    table: str
    batch: pa.RecordBatch
    most: int = 400

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.batch.num_rows)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Yield them in order."""
        for start in range(0, self.rows, self.most):
            yield self.batch.slice(start, self.most)


def it_loads_values_of_every_type_as_they_are(subject: Subject, server: Server) -> None:
    """See that the values of each type, and NULL in its place, are read as they were given."""
    columns = subject.words.columns
    rows = 1 + max(len(one.values) for one in columns.values())
    made = "".join(f", {name} {one.type} null" for name, one in columns.items())
    arrays = {"id": pa.array(range(rows), pa.int32())} | {
        name: pa.concat_arrays([one.values, pa.nulls(rows - len(one.values), one.values.type)])
        for name, one in columns.items()
    }
    with fresh(server, "kinds") as database:
        subject.ask(database.url(Role.MIGRATION), f"create table kinds (id int primary key{made})")
        with server.loading():
            database.load([Rows("kinds", pa.RecordBatch.from_pydict(arrays), most=2)], Kept())
        database.grant()
        with subject.open(database, Role.APPLICATION) as connection:
            for name, column in columns.items():
                query = f"select {column.shown.replace('{}', name)} from kinds order by id"
                assert [one for (one,) in run(connection, query)] == _texts(column, rows), (
                    f"{column.type} is not as given"
                )


def _texts(column: Column, rows: int) -> Sequence[str | None]:
    return [*column.texts, *[None] * (rows - len(column.texts))]


def its_constraints_hold_what_was_loaded_and_what_comes(subject: Subject, server: Server) -> None:
    """See that keys and indexes of loaded tables stand: parents and children are there, and a wrong row is refused."""
    parents = pa.RecordBatch.from_pydict({"id": pa.array(range(_PARENTS), pa.int32())})
    children = {
        "id": pa.array(range(_CHILDREN), pa.int32()),
        "parent_id": pa.array([None if n % 7 == 0 else n % _PARENTS for n in range(_CHILDREN)], pa.int32()),
    }
    with fresh(server, "family") as database:
        subject.ask(
            database.url(Role.MIGRATION),
            "create table parents (id int primary key)",
            _CHILD,
            "create index children_of on children (parent_id)",
        )
        before = database.snapshot("start").schema
        with server.loading():
            database.load([Rows("parents", parents), Rows("children", pa.RecordBatch.from_pydict(children))], Kept())
        database.grant()
        after = database.snapshot("start")
        assert after.schema.keys() == before.keys()
        assert {name: one.rows for name, one in after.tables.items()} == {"parents": _PARENTS, "children": _CHILDREN}
        own = database.url(Role.APPLICATION)
        joined = "select count(*) from children c join parents p on p.id = c.parent_id"
        assert int(subject.ask(own, joined)[0][0]) == sum(n % 7 != 0 for n in range(_CHILDREN))
        assert subject.refuses(own, f"insert into children values ({_CHILDREN}, {_PARENTS})"), "an orphan was taken"
        assert subject.refuses(own, "insert into children values (1, 1)"), "a key was taken twice"


def it_loads_no_child_without_its_parent(subject: Subject, server: Server) -> None:
    """See that a row that points at nothing is an error that names its table."""
    with fresh(server, "orphans") as database:
        subject.ask(database.url(Role.MIGRATION), "create table parents (id int primary key)", _CHILD)
        orphans = {"id": pa.array([1], pa.int32()), "parent_id": pa.array([7], pa.int32())}
        try:
            with server.loading():
                database.load([Rows("children", pa.RecordBatch.from_pydict(orphans))], Kept())
        except RehearseError as error:
            assert "children" in str(error)
            return
    raise AssertionError("a child was loaded whose parent is not there")


PROMISES = (
    it_loads_values_of_every_type_as_they_are,
    its_constraints_hold_what_was_loaded_and_what_comes,
    it_loads_no_child_without_its_parent,
)
