"""What is MariaDB's own: its programs, and SQL where it differs from MySQL's."""

from __future__ import annotations

import hashlib
import re

from rehearse.engines.mysql.flavour import Flavour, Programs
from rehearse.units import NS_PER_MS


def identified(password: str) -> str:
    """Return how CREATE USER says a password: as what the server keeps of it, so that no log holds the password."""
    first = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    verifier = hashlib.sha1(first, usedforsecurity=False).hexdigest().upper()
    return f"IDENTIFIED VIA mysql_native_password USING '*{verifier}'"


_PROGRAMS = Programs(
    servers=("mariadbd", "mysqld"),
    installers=("mariadb-install-db", "mysql_install_db"),
    variable="REHEARSE_MARIADB_BIN",
    folders=(
        "/usr/sbin",  # Debian, Ubuntu
        "/usr/libexec",  # Red Hat
        "/usr/local/mysql/bin",
        "/opt/homebrew/opt/mariadb*/bin",
        "/usr/local/opt/mariadb*/bin",
    ),
    version=re.compile(r"Ver (\d+\.\d+\.\d+)-MariaDB"),
    remedy=(
        "install it (Debian: apt install mariadb-server-core, which starts no service), or name the folder of mariadbd "
        "in REHEARSE_MARIADB_BIN"
    ),
    initialize=(
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        "--cross-bootstrap",
        "--character-set-server=utf8mb4",
    ),
    check=("--help", "--verbose"),
    section="mariadbd",
    needed={},
)

MARIADB = Flavour(
    name="mariadb",
    title="MariaDB",
    dump="mariadb-dump",
    programs=_PROGRAMS,
    oldest=(10, 5),  # the first with metadata locks in performance_schema
    newest="11.4",
    reported=re.compile(r"(\d+\.\d+\.\d+)-MariaDB"),
    identified=identified,
    digest="SHA1({})",
    innodb="innodb_sys_",
    settings="""
        SELECT lower(variable_name), global_value
        FROM information_schema.system_variables
        WHERE global_value_origin IN ('CONFIG', 'COMMAND-LINE', 'SQL') AND global_value <> default_value
        ORDER BY variable_name
    """,
    ours="""
        SELECT schema_name FROM information_schema.schemata WHERE schema_comment = concat('rehearse disposable ', %s)
    """,
    changed_instantly=None,
    stops=None,  # an ALTER that copies keeps SHARED_UPGRADABLE while it stops all writes, and then all reads (10.11)
    # TIME_MS counts from the statement's beginning: for a call of one statement that is when it began to wait.
    since="""
        SELECT id, time_ms FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'
    """,
    row_waits="""
        SELECT r.trx_mysql_thread_id, b.trx_mysql_thread_id, l.lock_table, l.lock_mode, l.lock_type,
               (SELECT user FROM information_schema.processlist WHERE id = r.trx_mysql_thread_id),
               (SELECT user FROM information_schema.processlist WHERE id = b.trx_mysql_thread_id)
        FROM information_schema.innodb_lock_waits w
        JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id
        JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id
        JOIN information_schema.innodb_locks l ON l.lock_id = w.requested_lock_id
    """,
    row_waits_every_ns=150 * NS_PER_MS,  # the view is made anew only where nobody has read it for 0.1 s
    redo="SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'INNODB_LSN_CURRENT'",
    binlog="""
        SELECT variable_value FROM information_schema.global_status
        WHERE variable_name = 'BINLOG_BYTES_WRITTEN' AND @@log_bin
    """,
    progress="""
        SELECT id, info, concat(state, if(max_stage > 1, concat(', ', stage, ' of ', max_stage), '')),
               round(progress), 100, 'percent'
        FROM information_schema.processlist
        WHERE user = %s AND max_stage > 0 AND info IS NOT NULL
    """,
)
