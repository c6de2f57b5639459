"""MySQL, and all that MariaDB shares with it: `flavour` says in what they differ."""

from __future__ import annotations

from rehearse.engines.mysql.engine import MysqlEngine
from rehearse.engines.mysql.flavour import MYSQL

ENGINE = MysqlEngine(MYSQL)
