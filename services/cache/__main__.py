"""The cache process: settings and wiring."""

import asyncio
import sys
from contextlib import AsyncExitStack

import uvloop

from known_variables import KNOWN_VARIABLES
from runtime.background.tasks import end
from runtime.ids import new_id
from runtime.rpc.server import Server
from runtime.settings import read
from runtime.telemetry.logs import logging_to_stderr
from runtime.telemetry.tracing import start_tracing
from services.cache.counters.counters import Counters
from services.cache.entries.entries import Entries
from services.cache.invalidation.stream import Stream
from services.cache.invalidation.stream_tail import following_stream_tail
from services.cache.invalidation.watchers import Watchers
from services.cache.policy import POLICY, RATE_LIMITS, SERVICE
from services.cache.rate_limits.rate_limits import GcraLimits, WindowLimits
from services.cache.rate_limits.servicer import RateLimitServicer
from services.cache.redis.store import Store
from services.cache.servicer import CacheServicer
from services.cache.settings import CacheSettings
from services.cache.stats.stats import Stats
from trivet.cache.v1.cache_pb2_grpc import add_CacheServiceServicer_to_server
from trivet.cache.v1.rate_limit_service_pb2_grpc import add_RateLimitServiceServicer_to_server

INVALID_SETTINGS_STATUS = 2


async def main(settings: CacheSettings) -> int:
    """Serve until SIGTERM or SIGINT, or until Redis turns out to be a cluster. Return the exit status."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(settings.redis_url.get_secret_value(), settings.prefix))
        entries, watchers = Entries(store), Watchers(Stream(store, new_id()))
        stack.push_async_callback(entries.drain)
        stack.push_async_callback(watchers.drain)
        await stack.enter_async_context(following_stream_tail(store, watchers.notify_event))
        server = Server("cache", settings, settings.port, policy=POLICY, ping=store.ping)
        servicer = CacheServicer(entries, Counters(store), watchers, Stats())
        server.add(SERVICE, add_CacheServiceServicer_to_server, servicer)
        server.add(
            RATE_LIMITS,
            add_RateLimitServiceServicer_to_server,
            RateLimitServicer(WindowLimits(store), GcraLimits(store)),
        )
        server.at_drain(servicer.drain)
        if await _serve_unless(store.found_cluster, server):
            return 0
    print(
        "trivet: REDIS_URL is a Redis Cluster, which is not supported: use a single node, Sentinel or a managed Redis",
        file=sys.stderr,
    )
    return INVALID_SETTINGS_STATUS


async def _serve_unless(found_cluster: asyncio.Event, server: Server) -> bool:
    """Serve until SIGTERM or SIGINT. Return False if `found_cluster` is set before that."""
    serving, waiting = asyncio.create_task(server.run()), asyncio.create_task(found_cluster.wait())
    try:
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        return serving.done()
    finally:
        await end(waiting)
        await end(serving)


if __name__ == "__main__":
    found = read(CacheSettings, KNOWN_VARIABLES)
    with logging_to_stderr("cache", json_lines=found.json_logs, level=found.log_level):
        start_tracing("cache")
        sys.exit(uvloop.run(main(found)))
