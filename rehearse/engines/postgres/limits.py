"""Sizes at which a server begins to work otherwise: memory and log; and settings as small as the data of a run."""

from __future__ import annotations

from collections.abc import Collection

import psutil

from rehearse.engines.postgres.database import PostgresDatabase
from rehearse.model import Limits, Setting

_SETTINGS = """
    SELECT name, current_setting(name), CASE WHEN unit IS NULL THEN setting::bigint
           ELSE pg_size_bytes(setting || CASE unit WHEN '8kB' THEN '' ELSE unit END) *
                CASE unit WHEN '8kB' THEN 8192 ELSE 1 END END
      FROM pg_settings
     WHERE name IN ('shared_buffers', 'maintenance_work_mem', 'work_mem', 'max_wal_size',
                    'min_parallel_table_scan_size', 'max_parallel_maintenance_workers')
     ORDER BY name
"""
# By regime: the setting, and the least that keeps the server's ways. Below 128 MB of shared buffers the ring through
# which tables are written in bulk is less than 16 MB, and rewrites take 1.7 times as long: no larger server does that.
_LITTLE = {
    "cache": ("shared_buffers", 128 << 20),
    "sort": ("maintenance_work_mem", 1 << 20),
    "checkpoints": ("max_wal_size", 48 << 20),
}


def limits(database: PostgresDatabase) -> Limits:
    """Return the sizes of a server; its machine is ours."""
    with database.connect() as connection:
        found = {name: (text, int(value)) for name, text, value in connection.execute(_SETTINGS).fetchall()}
    sizes = {name: value for name, (_, value) in found.items()}
    return Limits(
        cache=sizes["shared_buffers"],
        memory=psutil.virtual_memory().total if database.server.is_ours else None,
        sort=sizes["maintenance_work_mem"],
        log=sizes["max_wal_size"],
        parallel=sizes["min_parallel_table_scan_size"] or None,
        workers=sizes["max_parallel_maintenance_workers"],
        settings={name: text for name, (text, _) in found.items()},
    )


def scaled(limits: Limits, x: float, regimes: Collection[str]) -> dict[str, dict[str, Setting]]:
    """Return by regime the settings that are to data of a share of the size what the server's are to the whole.

    A regime that no such small server would show is left out.
    """
    whole = {"cache": limits.cache, "sort": limits.sort, "checkpoints": limits.log}
    wanted = {name: round((whole[name] or 0) * x) for name in regimes if name in whole}
    return {name: {_LITTLE[name][0]: f"{size // 1024}kB"} for name, size in wanted.items() if size >= _LITTLE[name][1]}
