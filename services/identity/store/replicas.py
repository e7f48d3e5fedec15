"""The lag of replicas of MySQL and MariaDB, which only the replicas themselves know."""

import asyncio
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime.telemetry import store_sizes
from services.identity.store.engine.engine import StoreLimits, open_engine
from services.identity.store.engine.store_url import StoreUrl

SECONDS = 3.0
STATUS = text("SHOW REPLICA STATUS")
LAGS = ("Seconds_Behind_Source", "Seconds_Behind_Master")
"""The column in MySQL, and in MariaDB."""


class Replicas:
    """Asks each replica on a connection that is closed again. The user needs REPLICA MONITOR or REPLICATION CLIENT."""

    def __init__(self, stores: Sequence[StoreUrl]) -> None:
        self._stores = stores

    async def measure(self) -> None:
        """Set the metric of each replica. One that does not answer counts as one that does not replicate."""
        lags = await asyncio.gather(*(_lag(store) for store in self._stores))
        names = [f"{store.url.host}:{store.url.port or 3306}" for store in self._stores]
        store_sizes.show_lags("mysql", dict(zip(names, lags, strict=True)))


async def _lag(store: StoreUrl) -> float:
    engine = open_engine(store, StoreLimits(connections=1))
    try:
        async with asyncio.timeout(SECONDS), engine.connect() as connection:
            return lag_in([dict(row) for row in (await connection.execute(STATUS)).mappings()])
    except (DBAPIError, OSError):  # also a time-out
        return inf
    finally:
        await engine.dispose()


def lag_in(channels: Sequence[Mapping[str, Any]]) -> float:
    """Return the lag of the slowest channel; infinity if there is none, or one of them has stopped."""
    lags = [next((channel[name] for name in LAGS if name in channel), None) for channel in channels]
    return max((inf if lag is None else float(lag) for lag in lags), default=inf)
