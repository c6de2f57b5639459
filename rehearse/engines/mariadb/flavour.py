"""What is MariaDB's own: its programs, and SQL where it differs from MySQL's."""

from __future__ import annotations

import hashlib
import re

from rehearse.engines.mysql.flavour import Flavour, Programs


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
    reported=re.compile(r"(\d+\.\d+\.\d+)-MariaDB"),
    identified=identified,
    settings="""
        SELECT lower(variable_name), global_value
        FROM information_schema.system_variables
        WHERE global_value_origin IN ('CONFIG', 'COMMAND-LINE', 'SQL') AND global_value <> default_value
        ORDER BY variable_name
    """,
)
