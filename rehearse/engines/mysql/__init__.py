"""MySQL: a disposable server from installed programs, or databases of our own on the user's.

All that MariaDB shares with it stands here; `flavour` says in what they differ.
"""

from __future__ import annotations

from rehearse.engines.mysql.engine import MysqlEngine
from rehearse.engines.mysql.flavour import MYSQL

ENGINE = MysqlEngine(MYSQL)
