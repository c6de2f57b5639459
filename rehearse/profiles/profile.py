"""Profile and Table: what a profile file says. The fields bear the names of the TOML keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from rehearse import units
from rehearse.profiles.shapes import Correlation, Moment, Shape, Share

Rows = Annotated[
    int,
    BeforeValidator(units.rows),
    Field(ge=0),
    WithJsonSchema({"type": ["integer", "string"], "description": "a number of rows: 250000, '250k', '1.5M'"}),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the application reaches a table's rows: `skew` is the Zipf exponent of the keys it asks for (0: all alike).

    A `recent` share of its calls is for the youngest tenth of the rows.
    """

    skew: Annotated[float, Field(ge=0, lt=3)] = 0.8
    recent: Share = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """How the columns of one row go together: correlations of their normal scores (a Gaussian copula).

    `correlations` has a row for each of `columns`, up to and with itself; the column "#" is the row's own place.
    """

    columns: list[str]
    correlations: list[list[Correlation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a table was on its server: sizes in bytes, storage options, and writes a second since the counters began.

    `indexes` has the sizes of the larger indexes by name, those of partitions added up.
    Rates are None where the server does not say since when it has counted.
    """

    bytes: int = 0
    index_bytes: int = 0
    indexes: Mapping[str, Annotated[int, Field(ge=0)]] = field(default_factory=dict)
    toast_bytes: int = 0
    partitions: int = 0
    options: list[str] = field(default_factory=list)
    inserts_per_s: float | None = None
    updates_per_s: float | None = None
    deletes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NullBy:
    """The share of rows without a value, by what another column of the row says ("null" where that has none)."""

    of: str
    shares: Mapping[str, Share]
    otherwise: Share = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: its rows at scale 1 and the shapes of its columns; a column that is not named is filled by its type.

    `fixed` tables (countries, plans) keep their rows at every scale. `dead` is the share of dead rows beside the live
    ones, and `visible` the share of pages that a vacuum has marked all-visible. `order` is the correlation of the rows'
    places on disk with the order in which they came, which all else that is said of order is about.
    """

    rows: Rows
    fixed: bool = False
    dead: Annotated[float, Field(ge=0, le=10)] = 0.0
    visible: Share = 1.0
    order: Share = 1.0
    joint: Joint | None = None
    facts: Facts | None = None
    nulls: Mapping[str, NullBy] = field(default_factory=dict)  # by column, in place of its shape's `null`
    access: Access = field(default_factory=Access)
    columns: Mapping[str, Shape] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryMix:
    """A statement of the application without its constants, and how often it came."""

    sql: str
    per_s: Annotated[float, Field(ge=0)] | None = None  # None: it is not known since when calls were counted
    mean_ms: Annotated[float, Field(ge=0)] = 0.0
    rows: Annotated[float, Field(ge=0)] = 0.0  # a call, on average


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a profile was taken from and by which means: `tier` is "catalogs", "aggregates" or "sample"."""

    server: str
    taken: Moment
    tier: Literal["catalogs", "aggregates", "sample"]
    statements: int  # how many were asked
    seconds: float  # that they took
    rows_read: int  # of tables, by all of them
    floor: int  # rows that must share a value for it to be told
    public: list[str] = field(default_factory=list)  # columns that the user has vouched for


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The statistical shape of a database. History ends at `now`, so that a seed gives the same bytes on any day.

    `schema` is the SQL file of the tables that it describes, relative to the profile's own file.
    """

    name: str
    about: str = ""
    schema: str | None = None
    now: Moment = datetime(2026, 7, 1)  # in UTC
    years: Annotated[float, Field(gt=0)] = 3.0  # how much history there is, where a column does not say
    tables: Mapping[str, Table] = field(default_factory=dict)
    source: Source | None = None
    queries: list[QueryMix] = field(default_factory=list)
    file: Path | None = None

    def rows(self, table: str, scale: float) -> int:
        """Return a table's rows at a scale: at least one where the profile has any."""
        described = self.tables[table]
        if described.fixed or not described.rows:
            return described.rows
        return max(1, round(described.rows * scale)) if scale > 0 else 0
