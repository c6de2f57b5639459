"""Sizes at which a server begins to work otherwise: memory and log; and settings as small as the data of a run."""

from __future__ import annotations

import psutil

from rehearse.engines.mysql.client import rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.model import Limits, Setting

_POOL, _SORT = "innodb_buffer_pool_size", "innodb_sort_buffer_size"
_LOGS = ("innodb_redo_log_capacity", "innodb_log_file_size")  # MySQL's since 8.0.30, and MariaDB's
_SETTINGS = "SHOW GLOBAL VARIABLES WHERE variable_name IN (%s, %s, %s, %s)"
_LEAST = {_POOL: 6 << 20, _SORT: 64 << 10, **dict.fromkeys(_LOGS, 8 << 20)}


def limits(database: MysqlDatabase) -> Limits:
    """Return the sizes of a server; its machine is ours."""
    with database.server.connect() as connection:
        found = {str(name): str(value) for name, value in rows(connection, _SETTINGS, (_POOL, _SORT, *_LOGS))}
    log = next((found[name] for name in _LOGS if name in found), None)
    return Limits(
        cache=int(found[_POOL]),
        memory=psutil.virtual_memory().total if database.server.is_ours else None,
        sort=int(found[_SORT]) if _SORT in found else None,
        log=int(log) if log else None,
        settings=found,
    )


def scaled(limits: Limits, x: float) -> dict[str, Setting]:
    """Return settings that are to data of a share of the size what the server's are to the whole."""
    names = [name for name in (_POOL, _SORT, *_LOGS) if name in limits.settings]
    return {name: max(round(int(limits.settings[name]) * x), _LEAST[name]) for name in names}
