"""Changes of the tables in shapes.sql, of each kind."""

from __future__ import annotations

from rehearse.model.change import Change

ORDER = "App.Order"
CHANGES = {
    "a column with a default": Change(kind="add column", table=ORDER, columns="rank", type="integer", default="3"),
    "a column that is filled": Change(
        kind="add column", table=ORDER, columns="Rank", type="bigint", default="1", fill="id * 2", nullable=False
    ),
    "a column goes": Change(
        kind="drop column", table=ORDER, columns="given", back={"given": "split_part(\"full name\", ' ', 1)"}
    ),
    "a column goes for good": Change(kind="drop column", table=ORDER, columns="family"),
    "another name": Change(kind="rename column", table=ORDER, columns="note", to="Remark of it"),
    "a longer text": Change(kind="change type", table=ORDER, columns="note", type="text"),
    "another type": Change(kind="change type", table=ORDER, columns="amount", type="numeric(12, 2)"),
    "another type of a collated text": Change(kind="change type", table=ORDER, columns="state", type="varchar(40)"),
    "no text any more": Change(
        kind="change type", table=ORDER, columns="state", type="integer", fill="length(state)", back={"state": "'new'"}
    ),
    "not null": Change(kind="set not null", table=ORDER, columns="note", fill="'?'", default="'!'"),
    "a default": Change(kind="set default", table=ORDER, columns="amount", default="8"),
    "unique": Change(kind="add unique", table=ORDER, columns=["full name", "id"]),
    "a check": Change(kind="add check", table=ORDER, condition="amount < 1000", name="Not too much"),
    "a foreign key": Change(
        kind="add foreign key", table=ORDER, columns="customer", references="App.customer.id", on_delete="SET NULL"
    ),
    "an index": Change(kind="add index", table=ORDER, columns=["customer", "state"], condition="amount > 3"),
    "a split": Change(
        kind="split column",
        table=ORDER,
        columns="full name",
        into={"First": "split_part(\"full name\", ' ', 1)", "last": "split_part(\"full name\", ' ', 2)"},
        back={"full name": "\"First\" || ' ' || last"},
    ),
    "a split that keeps": Change(
        kind="split column",
        table=ORDER,
        columns="amount",
        into={"half": "amount / 2", "Words": "amount || ' cents'"},
        types={"Words": "text"},
    ),
    "a merge": Change(
        kind="merge columns",
        table=ORDER,
        columns=["given", "family"],
        to="whole",
        fill="given || '/' || family",
        back={"given": "split_part(whole, '/', 1)", "family": "split_part(whole, '/', 2)"},
    ),
    "moved": Change(kind="move columns", table=ORDER, columns=["family", "state"], to="App.Order names"),
    "uuids": Change(kind="uuid key", table=ORDER, columns="id", to="Number", fill="md5(\"Tenant\" || '/' || id)::uuid"),
    "partitions": Change(
        kind="partition table",
        table=ORDER,
        columns="id",
        by="range",
        bounds={"Order old": "FROM (MINVALUE) TO (1000)", "order_new": "FROM (1000) TO (MAXVALUE)"},
    ),
    "partitions beyond the key": Change(
        kind="partition table",
        table="line",
        columns="tenant",
        by="list",
        bounds={"line_few": "IN (0, 1, 2)", "line_rest": "DEFAULT"},
    ),
    "a wider key": Change(kind="widen key", table=ORDER, columns="id"),
    "a wider key with grandchildren": Change(kind="widen key", table="App.customer", columns="id", type="bigint"),
}

ODD = "Order x"
FAMILY = {
    "a column with a default": Change(kind="add column", table=ODD, columns="rank", type="int", default="3"),
    "a column that is filled": Change(
        kind="add column", table=ODD, columns="Rank y", type="bigint", default="1", fill="id * 2", nullable=False
    ),
    "a column goes": Change(kind="drop column", table="plain", columns="owner", back={"owner": "nullif(n % 3, 0)"}),
    "another name": Change(kind="rename column", table=ODD, columns="note", to="Remark of it"),
    "another type": Change(kind="change type", table=ODD, columns="amount", type="decimal(12, 2)"),
    "a longer text of its own letters": Change(kind="change type", table=ODD, columns="given", type="varchar(40)"),
    "a default of a time that is kept": Change(
        kind="set default", table=ODD, columns="changed", default="'2025-01-01'"
    ),
    "not null": Change(kind="set not null", table=ODD, columns="note", fill="'?'", default="'!'"),
    "a default": Change(kind="set default", table=ODD, columns="amount", default="8"),
    "unique": Change(kind="add unique", table=ODD, columns=["customer", "id"]),
    "a check": Change(kind="add check", table="plain", condition="n < 1000", name="Not too much"),
    "a foreign key": Change(
        kind="add foreign key", table="plain", columns="owner", references="parent.id", on_delete="SET NULL"
    ),
    "an index": Change(kind="add index", table="plain", columns=["owner", "kind"]),
    "a split": Change(
        kind="split column",
        table="plain",
        columns="name",
        into={"First y": "substring_index(name, ' ', 1)", "last": "substring_index(name, ' ', -1)"},
        back={"name": "concat(`First y`, ' ', last)"},
    ),
    "a merge": Change(
        kind="merge columns", table=ODD, columns=["given", "family"], to="whole", fill="concat(given, '/', family)"
    ),
    "partitions": Change(
        kind="partition table",
        table="plain",
        columns="n",
        by="range",
        bounds={"p0": "VALUES LESS THAN (10)", "p_rest": "VALUES LESS THAN (MAXVALUE)"},
    ),
    "a wider key": Change(kind="widen key", table="parent", columns="id"),
}
