"""What tells MariaDB from MySQL: their programs, and SQL where theirs differs.

Where a clause alone differs, SQL says both in the servers' own comments: `/*M! … */` is MariaDB's, `/*!80000 … */` is
MySQL's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rehearse.engines.mysql.closures import READS, WRITES
from rehearse.units import NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A server's programs: where they are found, and what they are called with."""

    servers: tuple[str, ...]  # names of the server's program, the better one first
    installers: tuple[str, ...]  # names of the script that makes a data folder; empty: the server does it itself
    variable: str  # of the environment; names folders to look into first
    folders: tuple[str, ...]  # the usual ones, as patterns
    version: re.Pattern[str]  # what --version says
    remedy: str
    initialize: tuple[str, ...]  # options that make a data folder
    check: tuple[str, ...]  # options that have the server only read its configuration
    section: str  # of the configuration file
    needed: Mapping[str, str]  # lines of it that only this server knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One of the family's servers."""

    name: str  # as engine.name has it
    title: str
    dump: str  # the program that writes dumps
    programs: Programs
    oldest: tuple[int, ...]  # the oldest version that will do
    newest: str  # the version of the official image where none is named
    reported: re.Pattern[str]  # what SELECT version() says, and no other server does
    identified: Callable[[str], str]  # how CREATE USER says a password
    digest: str  # SQL for a hash of {} as hexadecimal digits, the quickest in which no collision is to be had by chance
    innodb: str  # how the names of InnoDB's views begin
    settings: str  # SQL for the settings that differ from the defaults: name, value
    ours: str  # SQL for the databases that bear the mark of a token
    stops: Mapping[str, tuple[str, ...]] | None  # by type of metadata lock; None: the server does not tell the type
    since: str  # SQL for who waits for a metadata lock, and for how many ms its statement runs
    row_waits: str  # SQL for who waits for whose rows
    row_waits_every_ns: int
    changed_instantly: str | None  # SQL for tables whose rows are of several forms, by "database/%"; None: pages tell
    redo: str  # SQL for how much InnoDB has ever written to its log, in bytes
    binlog: str  # SQL for how much was ever written to the binary log, in bytes; no row where it is off
    progress: str  # SQL for what an account's statements are at: session, text, part, done, total, unit

    def is_new_enough(self, version: str) -> bool:
        """Say whether a version will do."""
        return tuple(map(int, version.split("."))) >= self.oldest

    @property
    def oldest_told(self) -> str:
        """The oldest version that will do, as text."""
        return ".".join(map(str, self.oldest))


def _identified(password: str) -> str:
    """Return how CREATE USER says a password; the server itself leaves it out of its logs and lists of statements."""
    return f"IDENTIFIED WITH caching_sha2_password BY '{password}'"


_PROGRAMS = Programs(
    servers=("mysqld",),
    installers=(),
    variable="REHEARSE_MYSQL_BIN",
    folders=(
        "/usr/sbin",  # Debian, Ubuntu
        "/usr/libexec",  # Red Hat
        "/usr/local/mysql/bin",
        "/opt/homebrew/opt/mysql*/bin",
        "/usr/local/opt/mysql*/bin",
    ),
    version=re.compile(r"Ver (\d+\.\d+\.\d+)(?!.*MariaDB)"),
    remedy=(  # in CI, what "install" stands in must be there
        "unpack it anywhere and name the folder of mysqld in REHEARSE_MYSQL_BIN (Ubuntu has it as mysql-server-core, "
        "which starts no service)"
    ),
    initialize=("--initialize-insecure", "--secure-file-priv=NULL", "--character-set-server=utf8mb4"),
    check=("--validate-config", "--log-error=stderr"),
    section="mysqld",
    needed={"mysqlx": "OFF", "secure_file_priv": "NULL", "innodb_monitor_enable": "log_lsn_current"},
)

MYSQL = Flavour(
    name="mysql",
    title="MySQL",
    dump="mysqldump",
    programs=_PROGRAMS,
    oldest=(8, 0, 17),  # the first that casts to DOUBLE; checks are one minor release older
    newest="9",
    reported=re.compile(r"(\d+\.\d+\.\d+)(?!.*(MariaDB|TiDB))"),
    identified=_identified,
    digest="SHA2({}, 256)",  # SHA1 and MD5 are no more (9.7)
    innodb="innodb_",
    settings="""
        SELECT lower(variable_name), variable_value
        FROM performance_schema.variables_info JOIN performance_schema.global_variables USING (variable_name)
        WHERE variable_source <> 'COMPILED'
          AND NOT (variable_source = 'DYNAMIC' AND COALESCE(set_user, '') IN ('', substring_index(user(), '@', 1)))
        ORDER BY variable_name
    """,
    # A database has no comment: the accounts of a rehearsal have their rights in its own databases only.
    ours=r"""
        SELECT replace(replace(db, '\_', '_'), '\%%', '%%') FROM mysql.db
        WHERE user = concat('rehearse_migration_', %s)
    """,
    changed_instantly="""
        SELECT substring_index(name, '/', -1) FROM information_schema.innodb_tables
        WHERE name LIKE %s AND (instant_cols > 0 /*!80029 OR total_row_versions > 0 */)
    """,
    # A lock that was upgraded is told with its new type (9.7).
    stops={
        "EXCLUSIVE": (READS, WRITES),
        "SHARED_NO_READ_WRITE": (READS, WRITES),
        "SHARED_NO_WRITE": (WRITES,),
        "SHARED_READ_ONLY": (WRITES,),
    },
    since="""
        SELECT t.processlist_id, s.timer_wait / 1e9
        FROM performance_schema.threads t JOIN performance_schema.events_statements_current s USING (thread_id)
        WHERE t.processlist_state = 'Waiting for table metadata lock'
          AND COALESCE(s.nesting_event_type, 'TRANSACTION') = 'TRANSACTION'
    """,
    row_waits="""
        SELECT r.processlist_id, b.processlist_id, l.object_name, l.lock_mode, l.lock_type,
               r.processlist_user, b.processlist_user
        FROM performance_schema.data_lock_waits w
        JOIN performance_schema.data_locks l ON l.engine_lock_id = w.requesting_engine_lock_id
        JOIN performance_schema.threads r ON r.thread_id = w.requesting_thread_id
        JOIN performance_schema.threads b ON b.thread_id = w.blocking_thread_id
    """,
    row_waits_every_ns=20 * NS_PER_MS,
    # The status of the same name is seconds old; the metric is counted where somebody asked for it, as on ours.
    redo="""
        SELECT count FROM information_schema.innodb_metrics WHERE name = 'log_lsn_current' AND status = 'enabled'
    """,
    binlog="""
        SELECT sum_number_of_bytes_write FROM performance_schema.file_summary_by_event_name
        WHERE event_name = 'wait/io/file/sql/binlog' AND @@log_bin
    """,
    progress="""
        SELECT t.processlist_id, t.processlist_info, substring_index(s.event_name, '/', -1),
               s.work_completed, s.work_estimated, NULL
        FROM performance_schema.threads t JOIN performance_schema.events_stages_current s USING (thread_id)
        WHERE t.processlist_user = %s AND t.processlist_info IS NOT NULL AND s.work_estimated > 0
    """,
)
