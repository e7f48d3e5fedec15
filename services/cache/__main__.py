"""The cache service: settings and wiring."""

import asyncio
import contextlib
import sys

import uvloop

from runtime.ids import new_id
from runtime.logs import logging_to_stderr
from runtime.server import Server
from runtime.settings import read
from runtime.telemetry import start_tracing
from services.cache.alerts import alerted
from services.cache.counters import Counters
from services.cache.entries import Entries
from services.cache.policy import POLICY, RATE_LIMITS, SERVICE
from services.cache.servicers import CacheServicer, RateLimitServicer
from services.cache.settings import CacheSettings
from services.cache.stats import Stats
from services.cache.store import Store
from services.cache.stream import Stream
from services.cache.watchers import Watchers
from services.cache.windows import Rates, Windows
from trivet.cache.v1.cache_pb2_grpc import (
    add_CacheServiceServicer_to_server,
    add_RateLimitServiceServicer_to_server,
)

WRONG_SETTINGS = 2


async def main(settings: CacheSettings) -> int:
    """Serve until told to stop, or until Redis turns out to be one that cannot serve. Return the exit status."""
    async with Store(settings.redis_url.get_secret_value(), settings.prefix) as store:
        server = Server("cache", settings, settings.port, policy=POLICY, ping=store.ping)
        watchers = Watchers(Stream(store, new_id()))
        servicer = CacheServicer(Entries(store), Counters(store), watchers, Stats())
        server.add(SERVICE, add_CacheServiceServicer_to_server, servicer)
        server.add(RATE_LIMITS, add_RateLimitServiceServicer_to_server, RateLimitServicer(Windows(store), Rates(store)))
        server.at_drain(servicer.drain)
        serving = asyncio.create_task(server.run())
        refused = asyncio.create_task(store.refused.wait())
        async with alerted(store, watchers.hear):
            await asyncio.wait((serving, refused), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            refused.cancel()
            await serving
            return 0
        print("trivet: REDIS_URL is a Redis Cluster: give one node, Sentinel's or a managed one", file=sys.stderr)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        return WRONG_SETTINGS


if __name__ == "__main__":
    found = read(CacheSettings)
    with logging_to_stderr("cache", json_lines=found.json_logs, level=found.log_level):
        start_tracing("cache")
        sys.exit(uvloop.run(main(found)))
