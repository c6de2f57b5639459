"""Sizes at which a server begins to work otherwise: memory and log; and settings as small as the data of a run."""

from __future__ import annotations

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
_LEAST = {
    "shared_buffers": 2 << 20,
    "maintenance_work_mem": 1 << 20,
    "work_mem": 64 << 10,
    "max_wal_size": 32 << 20,
    "min_parallel_table_scan_size": 8 << 10,
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


def scaled(limits: Limits, x: float) -> dict[str, Setting]:
    """Return settings that are to data of a share of the size what the server's are to the whole."""
    wanted = {
        "shared_buffers": limits.cache,
        "maintenance_work_mem": limits.sort,
        "max_wal_size": limits.log,
        "min_parallel_table_scan_size": limits.parallel,
    }
    return {
        name: f"{max(round(value * x), _LEAST[name]) // 1024}kB" for name, value in wanted.items() if value is not None
    }
