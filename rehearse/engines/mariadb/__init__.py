"""MariaDB: a disposable server from installed programs, or databases of our own on the user's."""

from __future__ import annotations

from rehearse.engines.mariadb.flavour import MARIADB
from rehearse.engines.mysql.engine import MysqlEngine

FAMILY = "mysql"  # whose parts are this engine's, too
ENGINE = MysqlEngine(MARIADB)
