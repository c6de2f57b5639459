"""The snapshot is complete by construction: each column of the system catalogs is read, or stands here with the reason.

A column counts as read where the server, asked to make a view of one of our queries, says that the query selects it; or
where a function that the query calls tells it. A new version's new column fails here until it is read or left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import pytest
from psycopg import Connection

from rehearse.engines.postgres import schema
from rehearse.engines.postgres.catalog import sequences
from rehearse.engines.postgres.server import PostgresServer

pytestmark = pytest.mark.slow

# What the server's functions tell, by catalog; only those that our queries call count.
TOLD_BY: Mapping[str, Mapping[str, str]] = {
    "pg_get_constraintdef": {
        "pg_constraint": "condeferrable condeferred confrelid confupdtype confdeltype confmatchtype conperiod confkey "
        "confdelsetcols conexclop conbin connoinherit",
    },
    "pg_get_indexdef": {
        "pg_index": "indkey indnkeyatts indnatts indnullsnotdistinct indcollation indclass indoption indexprs indpred",
    },
    "pg_get_triggerdef": {
        "pg_trigger": "tgfoid tgtype tgconstrrelid tgdeferrable tginitdeferred tgnargs tgattr tgargs tgqual tgoldtable "
        "tgnewtable",
    },
    "pg_get_viewdef": {"pg_rewrite": "ev_action"},
    "pg_get_ruledef": {"pg_rewrite": "ev_type is_instead ev_qual ev_action"},
    "pg_get_partkeydef": {
        "pg_partitioned_table": "partrelid partstrat partnatts partattrs partclass partcollation partexprs",
    },
    "pg_get_function_arguments": {
        "pg_proc": "proallargtypes proargmodes proargnames proargdefaults provariadic pronargs pronargdefaults",
    },
    "pg_get_function_result": {"pg_proc": "prorettype proretset"},
    "pg_get_function_sqlbody": {"pg_proc": "prosqlbody"},
    "pg_get_statisticsobjdef_columns": {"pg_statistic_ext": "stxkeys stxexprs"},
    "obj_description": {"pg_description": "objoid classoid objsubid description"},
    "shobj_description": {"pg_shdescription": "objoid classoid description"},
    "pg_seclabels": {
        "pg_seclabel": "objoid classoid objsubid provider label", "pg_shseclabel": "objoid classoid provider label"
    },
    "pg_user_mappings": {"pg_user_mapping": "oid umuser umserver umoptions"},
    "pg_roles": {
        "pg_authid": "oid rolname rolsuper rolinherit rolcreaterole rolcreatedb rolcanlogin rolreplication "
        "rolbypassrls rolconnlimit rolvaliduntil",
    },
    "pg_tablespace_location": {"pg_tablespace": "oid"},
}  # fmt: skip

OID = "an OID, which another database gives otherwise"
DERIVED = "follows from what is read"
ESTIMATE = "the planner's estimate, which vacuum and analyze change"
AGE = "the age of rows, which vacuum changes"
COPIED = "copied from the type, which is read"
STATE = "where replication stands, not what was asked of it"
CONTENT = "data, not schema"
INSIDE = "an extension's script sets it; its version is read"
LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    DERIVED: {
        "pg_attribute": "atthasdef attndims",
        "pg_class": "reltype relhasindex relisshared relnatts relchecks relhasrules relhastriggers relhassubclass "
        "relispartition",
        "pg_constraint": "connamespace conpfeqop conppeqop conffeqop",
        "pg_database": "dathasloginevt",
        "pg_index": "indisprimary indisexclusion indimmediate",
        "pg_operator": "oprkind",
        "pg_partitioned_table": "partdefid",
        "pg_trigger": "tgparentid tgconstrindid",
        "pg_type": "typndims typdefaultbin",
        "pg_amop": "amopmethod",
        "pg_depend": "objsubid",
    },
    COPIED: {"pg_attribute": "attlen attbyval attalign"},
    OID: dict.fromkeys(
        (
            "pg_amop", "pg_amproc", "pg_attrdef", "pg_default_acl", "pg_enum", "pg_publication_namespace",
            "pg_publication_rel", "pg_auth_members", "pg_parameter_acl",
        ), "oid",
    ),
    "where a table is on the disk and how a rewrite goes on, which no statement can restore": {
        "pg_class": "relfilenode relrewrite",
        "pg_attribute": "attcacheoff",
        "pg_index": "indcheckxmin",
    },
    "how a default is stored that came with a column: the values that it stands for are data": {
        "pg_attribute": "atthasmissing attmissingval",
    },
    ESTIMATE: {"pg_class": "relpages reltuples relallvisible relallfrozen"},
    AGE: {"pg_class": "relfrozenxid relminmxid", "pg_database": "datfrozenxid datminmxid"},
    "of statistics only that there are any is read; their figures are the data's": {
        "pg_statistic": "stanullfrac stawidth stadistinct stakind1 stakind2 stakind3 stakind4 stakind5 staop1 staop2 "
        "staop3 staop4 staop5 stacoll1 stacoll2 stacoll3 stacoll4 stacoll5 stanumbers1 stanumbers2 stanumbers3 "
        "stanumbers4 stanumbers5 stavalues1 stavalues2 stavalues3 stavalues4 stavalues5",
        "pg_statistic_ext_data": "stxdinherit stxdndistinct stxddependencies stxdmcv stxdexpr",
    },
    CONTENT: {"pg_largeobject": "loid pageno data"},
    INSIDE: {
        "pg_extension": "extrelocatable extconfig extcondition",
        "pg_init_privs": "privtype",
    },
    "the version of the operating system's collation, which no schema brings": {
        "pg_collation": "collversion", "pg_database": "datcollversion"
    },
    STATE: {
        "pg_subscription": "subskiplsn",
        "pg_subscription_rel": "srsubid srrelid srsubstate srsublsn",
        "pg_replication_origin": "roident roname",
    },
    "who must not be dropped because something is theirs: owners and rights are read where they belong": {
        "pg_shdepend": "dbid classid objid objsubid refclassid refobjid deptype",
    },
    "who granted it: the right is the same": {"pg_auth_members": "grantor"},
    "a secret, and a superuser's to see": {"pg_authid": "rolpassword"},
}  # fmt: skip

COLUMNS = """
    SELECT c.oid, c.relname, a.attnum, a.attname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
ACTION = "SELECT ev_action::text FROM pg_rewrite WHERE ev_class = 'our_query'::regclass"
_SELECTED = re.compile(r":relid (\d+) (?:(?!:relid ).)*?:selectedCols \(b ?([\d ]*)\)", re.DOTALL)
_FIRST = 7  # the server counts the columns of a tree from -7: 7 is the whole row
_OF_ROW = re.compile(r"to_jsonb\(\w+\) ->> '(\w+)'")
_LESS = re.compile(r"to_jsonb\(\w+\) - array\[([^]]*)\]")

Column = tuple[str, str]


class _All:
    """The catalogs of a database that has something in each."""

    def __contains__(self, catalog: object) -> bool:
        return True


ALL = _All()


def texts(connection: Connection) -> list[str]:
    """Return all of our queries, with those of a role that sees all."""
    version, sight = (
        connection.info.server_version,
        schema.Sight(connections=True, statistics=True, labels=True, held=ALL),
    )
    asked = (
        *schema.readings(version, sight), *schema.cluster_readings(version, sight), *schema.physical_readings(sight)
    )  # fmt: skip
    return [*(text for text, _ in asked), sequences.SEQUENCES]


def read_by(connection: Connection, text: str, catalogs: Mapping[int, Mapping[int, Column]]) -> Iterator[Column]:
    """Yield the columns of the catalogs that a query selects, whole rows by what it takes out of them."""
    with connection.transaction(force_rollback=True):
        width = len(connection.execute(text).description or ())
        names = ", ".join(f"c{place}" for place in range(width))
        connection.execute(f"CREATE TEMPORARY VIEW our_query ({names}) AS {text}")
        (tree,) = connection.execute(ACTION).fetchall()[0]
    for found in _SELECTED.finditer(tree):
        columns = catalogs.get(int(found[1]), {})
        numbers = {int(number) - _FIRST for number in found[2].split()}
        yield from (columns[number] for number in numbers if number in columns)
        if 0 in numbers:
            yield from _of_whole_row(text, columns.values())


def _of_whole_row(text: str, columns: Iterable[Column]) -> Iterator[Column]:
    named, less = set(_OF_ROW.findall(text)), _LESS.search(text)
    left_out = set(re.findall(r"'(\w+)'", less[1])) if less else set()
    for one in columns:
        if one[1] in named or (less and one[1] not in left_out):
            yield one


def told_by(asked: str) -> Iterator[Column]:
    for function, catalogs in TOLD_BY.items():
        if re.search(rf"\b{function}\b", asked):
            for catalog, names in catalogs.items():
                yield from ((catalog, name) for name in names.split())


def left_out() -> dict[Column, str]:
    return {
        (catalog, name): reason
        for reason, catalogs in LEFT_OUT.items()
        for catalog, names in catalogs.items()
        for name in names.split()
    }


@pytest.fixture(scope="module")
def known(either: PostgresServer) -> tuple[set[Column], set[Column]]:
    """The columns of the server's catalogs, and those that are read."""
    with either.connect() as connection:
        catalogs: dict[int, dict[int, Column]] = {}
        for oid, catalog, number, name in connection.execute(COLUMNS):
            catalogs.setdefault(oid, {})[number] = (catalog, name)
        asked = texts(connection)
        found = {column for text in asked for column in read_by(connection, text, catalogs)}
    everything = {column for columns in catalogs.values() for column in columns.values()}
    return everything, found | set(told_by(" ".join(asked)))


def test_each_column_of_the_catalogs_is_read_or_left_out_for_a_reason(known: tuple[set[Column], set[Column]]) -> None:
    everything, found = known
    assert len(everything) > 500
    assert sorted(everything - found - left_out().keys()) == []


def test_no_column_is_both_read_and_left_out(known: tuple[set[Column], set[Column]]) -> None:
    _, found = known
    assert sorted(found & left_out().keys()) == []


def test_a_column_that_no_query_reads_would_be_seen(server: PostgresServer) -> None:
    with server.connect() as connection:
        rows = connection.execute(COLUMNS).fetchall()
        catalogs = {oid: {number: (catalog, name)} for oid, catalog, number, name in rows if name == "relname"}
        assert list(read_by(connection, "SELECT oid FROM pg_class", catalogs)) == []
        assert list(read_by(connection, "SELECT relname FROM pg_class", catalogs)) == [("pg_class", "relname")]
        assert list(read_by(connection, "SELECT to_jsonb(c) ->> 'relkind' FROM pg_class c", catalogs)) == []
