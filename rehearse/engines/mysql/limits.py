"""Sizes at which a server begins to work otherwise: memory and log; and settings as small as the data of a run."""

from __future__ import annotations

from collections.abc import Collection

import psutil

from rehearse.engines.mysql.client import rows
from rehearse.engines.mysql.database import MysqlDatabase
from rehearse.model import Limits, Setting

_POOL, _SORT = "innodb_buffer_pool_size", "innodb_sort_buffer_size"
_LOGS = ("innodb_redo_log_capacity", "innodb_log_file_size")  # MySQL's since 8.0.30, and MariaDB's
_SETTINGS = "SHOW GLOBAL VARIABLES WHERE variable_name IN (%s, %s, %s, %s)"
_LITTLE = {"cache": ((_POOL,), 24 << 20), "sort": ((_SORT,), 64 << 10), "checkpoints": (_LOGS, 8 << 20)}


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


def scaled(limits: Limits, x: float, regimes: Collection[str]) -> dict[str, dict[str, Setting]]:
    """Return by regime the settings that are to data of a share of the size what the server's are to the whole.

    A regime that no such small server would show is left out.
    """
    found: dict[str, dict[str, Setting]] = {}
    for regime in (one for one in regimes if one in _LITTLE):
        names, least = _LITTLE[regime]
        sizes = {name: round(int(limits.settings[name]) * x) for name in names if name in limits.settings}
        if sizes and min(sizes.values()) >= least:
            found[regime] = dict(sizes)
    return found
