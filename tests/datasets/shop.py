"""A small shop by hand: a structure and a profile, no server."""

from __future__ import annotations

from typing import Any

from rehearse.profiles import Column, ForeignKey, Profile, Structure, TableStructure, Type
from rehearse.reading import profile as profiles

INTEGER = Type(kind="integer", declared="bigint")
TEXT = Type(kind="text", declared="text")
MOMENT = Type(kind="timestamp", declared="timestamp with time zone", zoned=True)


def column(name: str, kind: Type, *, nullable: bool = False, numbered: bool = False) -> Column:
    return Column(name=name, type=kind, nullable=nullable, numbered=numbered)


def table(name: str, *columns: Column, **more: Any) -> TableStructure:
    keys = more.pop("keys", (("id",),))
    return TableStructure(name=name, columns={one.name: one for one in columns}, primary_key=keys[0], keys=keys, **more)


STRUCTURE = Structure(
    {
        "orders": table(
            "orders",
            column("id", INTEGER, numbered=True),
            column("customer_id", INTEGER),
            column("status", Type(kind="enum", declared="status", labels=("new", "done"))),
            column("note", TEXT, nullable=True),
            column("created_at", MOMENT),
            column("shipped_at", MOMENT, nullable=True),
            foreign_keys=(ForeignKey(columns=("customer_id",), parent="customers", parent_columns=("id",)),),
        ),
        "customers": table(
            "customers",
            column("id", INTEGER, numbered=True),
            column("email", Type(kind="text", declared="character varying(30)", length=30)),
            column("referrer_id", INTEGER, nullable=True),
            column("created_at", MOMENT),
            keys=(("id",), ("email",)),
            foreign_keys=(ForeignKey(columns=("referrer_id",), parent="customers", parent_columns=("id",)),),
        ),
        "favourites": table(
            "favourites",
            column("customer_id", INTEGER),
            column("order_id", INTEGER),
            keys=(("customer_id", "order_id"),),
            foreign_keys=(
                ForeignKey(columns=("customer_id",), parent="customers", parent_columns=("id",)),
                ForeignKey(columns=("order_id",), parent="orders", parent_columns=("id",)),
            ),
        ),
    }
)

VALUES: dict[str, Any] = {
    "name": "small",
    "tables": {
        "customers": {"rows": 5000, "columns": {"created_at": {"kind": "time", "growth": 3.0}}},
        "orders": {
            "rows": 80_000,
            "columns": {
                "customer_id": {"kind": "parent", "skew": 0.8, "without": 0.3, "order": "history"},
                "note": {"kind": "text", "of": "sentence", "null": 0.7},
                "created_at": {"kind": "time", "growth": 3.0},
                "shipped_at": {"kind": "after", "of": "created_at", "typical": "2d", "null": 0.1},
            },
        },
        "favourites": {"rows": 20_000},
    },
}


def profile(**changes: Any) -> Profile:
    return profiles.parse({**VALUES, **changes})
