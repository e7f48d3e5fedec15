"""Starts the relays and the metrics of the outbox."""

from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from runtime.background.periodic import periodically
from services.identity.outbox.backlog import Backlog
from services.identity.outbox.outbox import Outbox
from services.identity.store.database import Database

RELAY_AFTER = timedelta(seconds=1)
MEASURE_SECONDS = 10.0
RELAY_PAUSE_SECONDS = 1.0
"""The longest pause of a relay, also while the cache is unreachable: a late invalidation serves a revoked session."""


async def run_outbox(stack: AsyncExitStack, outbox: Outbox, database: Database, *, relay_seconds: float) -> None:
    """Relay messages and measure the backlog until the stack ends. Each topic has its own task."""
    for topic in outbox.topics:
        relay = partial(outbox.relay, topic, older_than=RELAY_AFTER)
        name = f"relay of {topic}"
        await stack.enter_async_context(periodically(name, relay_seconds, relay, longest=RELAY_PAUSE_SECONDS))
    measure = partial(Backlog(database).measure, outbox.topics)
    await stack.enter_async_context(periodically("count of waiting messages", MEASURE_SECONDS, measure))
