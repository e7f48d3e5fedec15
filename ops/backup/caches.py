"""Invalidates every cache after a restore: a new epoch makes all that was cached a miss, also in the gateways."""

import asyncio
import logging

from runtime.errors import Unavailable
from services.cache.redis.store import Store

TRIES = 8
"""Each waits for one probe of Redis, 0.25 seconds."""


def begin_epoch(url: str, prefix: str) -> bool:
    """Begin a new epoch in Redis; return whether Redis answered.

    If it did not, no running cache can serve from it either, and the cache service begins an epoch when it starts.
    """
    return asyncio.run(_begin_epoch(url, prefix))


async def _begin_epoch(url: str, prefix: str) -> bool:
    log = logging.getLogger(Store.__module__)
    log.disabled, before = True, log.disabled  # the command says what came of it
    try:
        async with Store(url, prefix) as store:  # the start of a store begins an epoch
            for _ in range(TRIES):
                try:
                    await store.ping()
                except Unavailable:
                    await asyncio.sleep(0.05)
                else:
                    return True
        return False
    finally:
        log.disabled = before
