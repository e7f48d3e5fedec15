"""Starts the measurements of collections and of the replica set."""

from collections.abc import Iterable
from contextlib import AsyncExitStack

from runtime.background.periodic import periodically
from runtime.telemetry.store_sizes import EVERY_SECONDS, FIRST_SECONDS
from services.notifications.store.indexes import Collection
from services.notifications.store.mongo import Store
from services.notifications.store.sizes import StoreSizes

MEMBERS_SECONDS = 30.0


async def run_measurements(stack: AsyncExitStack, store: Store, collections: Iterable[Collection]) -> None:
    """Measure until the stack ends."""
    sizes = StoreSizes(store, collections)
    await stack.enter_async_context(periodically("sizes", EVERY_SECONDS, sizes.measure, first=FIRST_SECONDS))
    await stack.enter_async_context(periodically("lag of members", MEMBERS_SECONDS, sizes.measure_members))
