"""The engines as the conformance suite meets them: their drivers, and their words."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pymysql

from rehearse.engines import _docker
from rehearse.engines.mariadb.flavour import MARIADB
from rehearse.engines.mysql.client import address
from rehearse.engines.mysql.flavour import MYSQL
from rehearse.engines.postgres import container
from rehearse.model import EngineChoice
from rehearse.testing.engine_suite import Codes, Column, Subject, Words
from rehearse.testing.fake import connection as fake

_DAY = datetime.date
_AT = [
    datetime.datetime(1999, 12, 31, 23, 59, 59, 999_999, datetime.UTC),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
]
_DECIMALS = pa.array([Decimal("-12345678.90"), Decimal("0.01")], pa.decimal128(10, 2))
_TEXTS = ["", "tab\tline\nback\\slash", "\\N", "'quoted' \"twice\", 日本語 €😀", " blanks "]

_POSTGRES = Words(
    sleeps="select pg_sleep(100)",
    session="select pg_backend_pid()",
    waiting="select count(*) from pg_stat_activity where wait_event_type = 'Lock'",
    impatient={"lock_timeout": "200ms"},
    codes=Codes(duplicate="23505", deadlock="40P01", timeout="55P03"),
    columns={
        "small": Column("smallint", pa.array([-32768, 32767], pa.int16()), ["-32768", "32767"], "{}::text"),
        "big": Column("bigint", pa.array([-(2**63), 2**63 - 1]), [str(-(2**63)), str(2**63 - 1)], "{}::text"),
        "exact": Column("numeric(10, 2)", _DECIMALS, ["-12345678.90", "0.01"], "{}::text"),
        "float": Column("float8", pa.array([0.1, -1e300]), ["0.1", "-1e+300"], "{}::text"),
        "truth": Column("boolean", pa.array([True, False]), ["true", "false"], "{}::text"),
        "words": Column("text", pa.array(_TEXTS), _TEXTS),
        "padded": Column("char(4)", pa.array(["ab", "abcd"]), ["ab  ", "abcd"]),
        "day": Column("date", pa.array([_DAY(1, 1, 1), _DAY(9999, 12, 31)]), ["0001-01-01", "9999-12-31"], "{}::text"),
        "at": Column(
            "timestamptz",
            pa.array(_AT, pa.timestamp("us", "UTC")),
            ["1999-12-31 23:59:59.999999", "2024-02-29 00:00:00"],
            "({} at time zone 'UTC')::text",
        ),
        "local": Column(
            "timestamp",
            pa.array([one.replace(tzinfo=None) for one in _AT], pa.timestamp("us")),
            ["1999-12-31 23:59:59.999999", "2024-02-29 00:00:00"],
            "{}::text",
        ),
        "hour": Column(
            "time", pa.array([datetime.time(0), datetime.time(23, 59, 59)]), ["00:00:00", "23:59:59"], "{}::text"
        ),
        "bytes": Column("bytea", pa.array([b"", b"\x00\xff\\N\n"]), ["", "00ff5c4e0a"], "encode({}, 'hex')"),
        "whole": Column("jsonb", pa.array(['{"a": [1, null]}', "7"]), ['{"a": [1, null]}', "7"], "{}::text"),
        "number": Column(
            "uuid",
            pa.array([bytes(15) + b"\n"], pa.binary(16)),
            ["00000000-0000-0000-0000-00000000000a"],
            "{}::text",
        ),
    },
    changes={
        "a type": "alter table things alter column amount type bigint",
        "that it may be null": "alter table things alter column amount set not null",
        "a comment": "comment on table things is 'seen'",
    },
)

_MARIADB = Words(
    sleeps="select sleep(100)",
    session="select connection_id()",
    waiting=(
        "select count(*) from information_schema.processlist"
        " where state like 'Waiting for table metadata lock' or state in ('updating', 'statistics') and time_ms > 50"
    ),
    impatient={"innodb_lock_wait_timeout": "1"},
    codes=Codes(duplicate="1062", deadlock="1213", timeout="1205"),
    columns={
        "tiny": Column("tinyint", pa.array([-128, 127], pa.int8()), ["-128", "127"], "cast({} as char)"),
        "big": Column("bigint", pa.array([-(2**63), 2**63 - 1]), [str(-(2**63)), str(2**63 - 1)], "cast({} as char)"),
        "positive": Column(
            "bigint unsigned", pa.array([0, 2**64 - 1], pa.uint64()), ["0", str(2**64 - 1)], "cast({} as char)"
        ),
        "exact": Column("decimal(10, 2)", _DECIMALS, ["-12345678.90", "0.01"], "cast({} as char)"),
        "floating": Column("double", pa.array([0.1, -1e300]), ["0.1", "-1e300"], "cast({} as char)"),
        "truth": Column("boolean", pa.array([True, False]), ["1", "0"], "cast({} as char)"),
        "words": Column("text", pa.array(_TEXTS), _TEXTS),
        "short": Column("varchar(50)", pa.array(_TEXTS), _TEXTS),
        "of_day": Column(
            "date", pa.array([_DAY(1000, 1, 1), _DAY(9999, 12, 31)]), ["1000-01-01", "9999-12-31"], "cast({} as char)"
        ),
        "at": Column(
            "datetime(6)",
            pa.array(_AT, pa.timestamp("us", "UTC")),
            ["1999-12-31 23:59:59.999999", "2024-02-29 00:00:00.000000"],
            "cast({} as char)",
        ),
        "stamp": Column(
            "timestamp",
            pa.array(_AT[1:], pa.timestamp("us", "UTC")),
            ["2024-02-29 00:00:00"],
            "cast(convert_tz({}, @@session.time_zone, '+00:00') as char)",
        ),
        "of_hour": Column(
            "time",
            pa.array([datetime.time(0), datetime.time(23, 59, 59)]),
            ["00:00:00", "23:59:59"],
            "cast({} as char)",
        ),
        "bytes": Column("varbinary(20)", pa.array([b"", b"\x00\xff\\N\n"]), ["", "00FF5C4E0A"], "hex({})"),
        "large": Column("longblob", pa.array([b"", b"\x00\xff\\N\n"]), ["", "00FF5C4E0A"], "hex({})"),
        "one_of": Column("enum('a', 'b c')", pa.array(["b c", "a"]), ["b c", "a"], "cast({} as char)"),
        "whole": Column("json", pa.array(['{"a": [1, null]}', "7"]), ['{"a": [1, null]}', "7"], "cast({} as char)"),
    },
    changes={
        "a type": "alter table things modify amount bigint",
        "a default": "alter table things alter amount set default 7",
        "that it may be null": "alter table things modify amount bigint not null default 7",
        "a comment": "alter table things comment = 'seen'",
    },
)

_MYSQL = replace(
    _MARIADB,
    waiting="""
        select (select count(*) from performance_schema.threads
                where processlist_state = 'Waiting for table metadata lock')
             + (select count(distinct requesting_thread_id) from performance_schema.data_lock_waits)
    """,
)

_FAKE = Words(
    sleeps="with recursive n(i) as (select 1 union all select i + 1 from n limit 2000000000) select count(*) from n",
    session="select 1",
    waiting="select sessions_waiting()",
    impatient={"patience_s": "0.2"},
    codes=Codes(duplicate=str(sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY), deadlock=None, timeout=str(sqlite3.SQLITE_BUSY)),
    columns={
        "big": Column("integer", pa.array([-(2**63), 2**63 - 1]), [str(-(2**63)), str(2**63 - 1)], "cast({} as text)"),
        "floating": Column("real", pa.array([0.5, -1e300]), ["0.5", "-1.0e+300"], "cast({} as text)"),
        "words": Column("text", pa.array(_TEXTS), _TEXTS),
        "day": Column("text", pa.array([_DAY(1, 1, 1), _DAY(9999, 12, 31)]), ["0001-01-01", "9999-12-31"]),
        "bytes": Column(
            "blob", pa.array([b"", b"\x00\xff\\N\n"]), ["", "00FF5C4E0A"], "iif({} is null, null, hex({}))"
        ),
    },
    changes={
        "a type": None,
        "a default": "alter table things add column seven int default 7",
        "that it may be null": "alter table things add column needed int not null default 0",
        "a unique key": "create unique index things_once on things (word, amount)",
        "a foreign key": "alter table things add column kind int references kinds (id)",
        "a check": "alter table things add column positive int check (positive > 0)",
        "a comment": None,
    },
)


def _postgres(url: str) -> Any:
    return psycopg.connect(url, autocommit=True, connect_timeout=10)


def _mysql(url: str) -> Any:
    where = address(url)
    return pymysql.connect(
        host=where.host,
        port=where.port,
        user=where.user,
        password=where.password,
        database=where.database,
        autocommit=True,
        connect_timeout=10,
        charset="utf8mb4",
    )


NEWEST = {"postgres": container.PRODUCT.newest, "mariadb": MARIADB.newest, "mysql": MYSQL.newest}
_DRIVERS: Mapping[str, tuple[Any, Words]] = {
    "postgres": (_postgres, _POSTGRES),
    "mariadb": (_mysql, _MARIADB),
    "mysql": (_mysql, _MYSQL),
    "fake": (fake.connect, _FAKE),
}


def subject(engine: str, via: Any) -> Subject:
    """Return an engine as it is had one way."""
    connect, words = _DRIVERS[engine]
    return Subject(
        choice=EngineChoice(name=engine, via=via),
        connect=connect,
        words=words,
        left=_docker.containers_below if via == "docker" else lambda _: (),
        pid=lambda server: getattr(server, "pid", None),
    )
