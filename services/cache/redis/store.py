"""Redis with short time-outs and a circuit breaker, so that an unreachable Redis does not slow callers down."""

import asyncio
import logging
from typing import Any, Self

from prometheus_client import Counter, Gauge
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from runtime.background.tasks import end
from runtime.errors import Unavailable
from runtime.telemetry.tracing import store_call
from services.cache.redis.connections import ClusterError, Connections, ReplicaError, ServerChangedError, run
from services.cache.redis.scripts import ENSURE_EPOCH, Script
from services.cache.redis.wire import close

logger = logging.getLogger(__name__)

READ_SECONDS = 0.08
WRITE_SECONDS = 0.3
PROBE_SECONDS = 0.25
PROBE_PAUSE_SECONDS = 0.2
FAILURES_TO_OPEN = 3
FAIL_OVER_ERRORS = (ReadOnlyError, ReplicaError, ServerChangedError)
"""Errors that indicate a fail-over. One of them opens the circuit breaker."""

errors = Counter("trivet_cache_store_errors_total", "Commands that failed in Redis.", ["error"])
up = Gauge("trivet_cache_store_up", "1 while Redis is used, 0 while it is only probed.")

Argument = str | int | bytes


class Store:
    """One Redis behind a circuit breaker.

    Three failures in a row open the breaker. Then only probes are sent, one at a time, until Redis answers. A failed
    invalidation can be lost. So nothing is read after it until a new epoch has begun, which makes every older entry a
    miss. The start begins a new epoch too, because invalidations from before it are unknown.

    `async with` starts the probes, and Redis can be down at that time. `found_cluster` is set if Redis is a cluster.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self.prefix = prefix
        self.stream = f"{prefix}stream"
        self.watchers = f"{prefix}watchers"
        self.tag_prefix = f"{prefix}tag:"
        self.found_cluster = asyncio.Event()
        self._connections = Connections(url)
        self._failures = 0
        self._rejection = ""
        self._needs_epoch = True
        self._server_id = ""
        self._probing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._open("starting")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._probing is not None:
            await end(self._probing)
        await self._connections.drop()

    @property
    def is_up(self) -> bool:
        return self._probing is None and self._server_id != ""

    async def read(self, script: Script, keys: tuple[str, ...], *args: Argument) -> Any:
        """Run a script that reads. Its ARGV[1] is the server's id. Returns None if Redis fails, within 80 ms."""
        if not self.is_up:
            return None
        try:
            return await self._run(script, keys, args, READ_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            return None

    async def write(
        self,
        script: Script,
        keys: tuple[str, ...],
        *args: Argument,
        again: bool = True,
        seconds: float = WRITE_SECONDS,
    ) -> Any:
        """Run a script that writes. Its ARGV[1] is the server's id. Raises Unavailable, within `seconds`.

        With `again`, a script that failed on an idle connection is sent once more.
        """
        if not self.is_up:
            raise _unavailable()
        try:
            return await self._run(script, keys, args, seconds, again=again)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            raise _unavailable() from error

    async def invalidate(self, script: Script, keys: tuple[str, ...], *args: Argument) -> Any:
        """Run a script that invalidates. Raises Unavailable. Then a new epoch makes all present entries misses."""
        try:
            return await self.write(script, keys, *args)
        except Unavailable:
            self._needs_epoch = True
            self._open("an invalidation failed")
            raise

    async def connect(self) -> AbstractConnection:
        """Return a new connection to the server in use, which the caller closes. Raises redis-py's errors."""
        connection, server_id = await self._connections.open()
        if server_id != self._server_id:
            await close(connection)
            raise ServerChangedError("another server answers at this address")
        return connection

    async def ping(self) -> None:
        """Raise Unavailable unless Redis accepts reads and writes now."""
        if self._probing is not None:
            await asyncio.wait((self._probing,), timeout=PROBE_SECONDS)
        if not self.is_up:
            raise _unavailable()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connection, server_id = await self._connections.open()
                await close(connection)
            if server_id != self._server_id:
                raise ServerChangedError("another server answers at this address")
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            raise _unavailable() from error

    async def _run(
        self, script: Script, keys: tuple[str, ...], args: tuple[Argument, ...], seconds: float, *, again: bool = True
    ) -> Any:
        with store_call("redis", script.name):
            async with asyncio.timeout(seconds):
                answer = await self._connections.run(script, keys, self._server_id, *args, again=again)
        self._failures = 0
        return answer

    def _failed(self, error: Exception) -> None:
        """Count a failure, and open the breaker if Redis is unreachable. A rejected command does not open it."""
        errors.labels(type(error).__name__).inc()
        if isinstance(error, ResponseError) and not isinstance(error, FAIL_OVER_ERRORS):
            if self._rejection != (rejection := str(error)):
                self._rejection = rejection
                logger.warning("Redis rejected a command: %s", rejection)
            return
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN or isinstance(error, FAIL_OVER_ERRORS):
            self._open(f"{type(error).__name__}: {error}")

    def _open(self, reason: str) -> None:
        """Open the breaker. From now on, only probes are sent to Redis."""
        if self._probing is None:
            if self._server_id:
                logger.warning("continuing without the cache until Redis answers: %s", reason)
            up.set(0)
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        await self._connections.drop()
        reason = ""
        while True:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._reconnect()
            except ClusterError:
                self.found_cluster.set()
                return
            except Exception as error:  # the next probe can succeed
                errors.labels(type(error).__name__).inc()
                if reason != (reason := f"{type(error).__name__}: {error}"):
                    expected = isinstance(error, RedisError | OSError | TimeoutError)
                    logger.warning("Redis cannot be used; retrying: %s", reason, exc_info=None if expected else error)
                await asyncio.sleep(PROBE_PAUSE_SECONDS)
            else:
                if not self._needs_epoch:
                    break
        logger.info("Redis answers")
        self._failures = 0
        self._probing = None
        up.set(1)

    async def _reconnect(self) -> None:
        """Connect. Begin a new epoch if the server has restarted or an invalidation can be lost."""
        connection, server_id = await self._connections.open()
        # An invalidation that fails from here on needs another epoch.
        needed, self._needs_epoch = self._needs_epoch, False
        try:
            await run(connection, ENSURE_EPOCH, (self.stream, self.watchers), server_id, int(needed))
        except BaseException:  # also after a cancellation
            self._needs_epoch |= needed
            await close(connection)
            raise
        self._server_id = server_id
        self._connections.adopt(connection, server_id)


def _unavailable() -> Unavailable:
    return Unavailable("STORE_UNAVAILABLE", "Redis is unreachable: retry later")
