"""Starts the measurements of the database's size and of its replicas."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from sqlalchemy import MetaData

from runtime.background.periodic import periodically
from runtime.telemetry.store_sizes import EVERY_SECONDS, FIRST_SECONDS
from services.identity.store.database import Database
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.replicas import Replicas
from services.identity.store.sizes import StoreSizes

REPLICA_SECONDS = 30.0


async def run_measurements(
    stack: AsyncExitStack, database: Database, metadata: MetaData, replicas: Sequence[StoreUrl]
) -> None:
    """Measure the tables in the metadata and the replicas until the stack ends."""
    sizes = StoreSizes(database, metadata)
    await stack.enter_async_context(periodically("sizes", EVERY_SECONDS, sizes.measure, first=FIRST_SECONDS))
    of_primary = sizes.measure_replicas if database.kind == "postgresql" else None
    measure = Replicas(replicas).measure if replicas else of_primary
    if measure is not None:
        await stack.enter_async_context(periodically("lag of replicas", REPLICA_SECONDS, measure))
