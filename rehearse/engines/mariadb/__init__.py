"""MariaDB: what it shares with MySQL stands there; here is what is its own."""

from __future__ import annotations

from rehearse.engines.mariadb.flavour import MARIADB
from rehearse.engines.mysql.engine import MysqlEngine

FAMILY = "mysql"  # whose parts are this engine's, too
ENGINE = MysqlEngine(MARIADB)
