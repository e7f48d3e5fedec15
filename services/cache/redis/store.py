"""Redis as the cache uses it: short time-outs, and a circuit breaker that makes an absent Redis cost nothing."""

import asyncio
import logging
from typing import Any, Self

from prometheus_client import Counter, Gauge
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from runtime.errors import Unavailable
from runtime.tasks import end
from runtime.telemetry.tracing import store_call
from services.cache.redis.connections import ClusterError, Connections, LifeChangedError, ReplicaError, run
from services.cache.redis.scripts import SETTLE, Script
from services.cache.redis.wire import close

logger = logging.getLogger(__name__)

READ_SECONDS = 0.08
WRITE_SECONDS = 0.3
PROBE_SECONDS = 0.25
PROBE_PAUSE_SECONDS = 0.2
FAILURES_TO_OPEN = 3
ANOTHER_SERVER = (ReadOnlyError, ReplicaError, LifeChangedError)
"""What shows after a fail-over: no second failure is waited for."""

errors = Counter("trivet_cache_store_errors_total", "Commands that Redis did not carry out.", ["error"])
up = Gauge("trivet_cache_store_up", "1 while Redis is used, 0 while it is only probed.")

Argument = str | int | bytes


class Store:
    """One Redis, and whether it can be used now.

    After three failures in a row nothing is sent but a probe, one at a time, until Redis answers. An invalidation that
    failed may be lost: then nothing is read until the epoch has moved, which makes every older entry a miss. So it is
    at the start as well: what was invalidated while no process was here to hear of it is not known.
    Inside `async with` it looks for Redis, which may come up later. `refused` is set once Redis turns out to be a
    cluster.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self.prefix = prefix
        self.stream = f"{prefix}stream"
        self.watchers = f"{prefix}watchers"
        self.tag_prefix = f"{prefix}tag:"
        self.refused = asyncio.Event()
        self._connections = Connections(url)
        self._failures = 0
        self._refusal = ""
        self._owes_epoch = True
        self._life = ""
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
        return self._probing is None and self._life != ""

    async def read(self, script: Script, keys: tuple[str, ...], *args: Argument) -> Any:
        """Run a script that reads; its ARGV[1] is the server's life. None when Redis cannot tell, within 80 ms."""
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
        """Run a script that writes; its ARGV[1] is the server's life. Raises Unavailable within `seconds`.

        `again` says that doing it twice does no harm.
        """
        if not self.is_up:
            raise _unavailable()
        try:
            return await self._run(script, keys, args, seconds, again=again)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            raise _unavailable() from error

    async def move(self, script: Script, keys: tuple[str, ...], *args: Argument) -> Any:
        """Write what must not be missed by any reader: if it fails, what is in Redis now is not read again."""
        try:
            return await self.write(script, keys, *args)
        except Unavailable:
            self._owes_epoch = True
            self._open("an invalidation failed")
            raise

    async def connect(self) -> AbstractConnection:
        """Return a connection of the caller's own to the server that is used now. Raises redis-py's errors."""
        connection, life = await self._connections.open()
        if life != self._life:
            await close(connection)
            raise LifeChangedError("another server answers")
        return connection

    async def ping(self) -> None:
        """Raise Unavailable unless Redis takes reads and writes now."""
        if self._probing is not None:
            await asyncio.wait((self._probing,), timeout=PROBE_SECONDS)
        if not self.is_up:
            raise _unavailable()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connection, life = await self._connections.open()
                await close(connection)
            if life != self._life:
                raise LifeChangedError("another server answers")
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            raise _unavailable() from error

    async def _run(
        self, script: Script, keys: tuple[str, ...], args: tuple[Argument, ...], seconds: float, *, again: bool = True
    ) -> Any:
        with store_call("redis", script.name):
            async with asyncio.timeout(seconds):
                answer = await self._connections.run(script, keys, self._life, *args, again=again)
        self._failures = 0
        return answer

    def _failed(self, error: Exception) -> None:
        """Count a failure; open the breaker where Redis is away, not where it refuses one command."""
        errors.labels(type(error).__name__).inc()
        if isinstance(error, ResponseError) and not isinstance(error, ANOTHER_SERVER):
            if self._refusal != (refusal := str(error)):
                self._refusal = refusal
                logger.warning("redis refused a command: %s", refusal)
            return
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN or isinstance(error, ANOTHER_SERVER):
            self._open(f"{type(error).__name__}: {error}")

    def _open(self, reason: str) -> None:
        """Open the breaker: from now on only the probe speaks to Redis."""
        if self._probing is None:
            if self._life:
                logger.warning("redis is not used until it answers: %s", reason)
            up.set(0)
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        await self._connections.drop()
        reason = ""
        while True:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._settle()
            except ClusterError:
                self.refused.set()
                return
            except Exception as error:  # whatever it was, the server may be right the next time
                errors.labels(type(error).__name__).inc()
                if reason != (reason := f"{type(error).__name__}: {error}"):
                    expected = isinstance(error, RedisError | OSError | TimeoutError)
                    logger.warning("redis cannot be used: %s", reason, exc_info=None if expected else error)
                await asyncio.sleep(PROBE_PAUSE_SECONDS)
            else:
                if not self._owes_epoch:
                    break
        logger.info("redis answers")
        self._failures = 0
        self._probing = None
        up.set(1)

    async def _settle(self) -> None:
        """Connect, and begin a new epoch if this is another life of the server or an invalidation was lost."""
        connection, life = await self._connections.open()
        # One that fails from here on is not in this epoch's beginning: it asks for the next.
        owed, self._owes_epoch = self._owes_epoch, False
        try:
            await run(connection, SETTLE, (self.stream, self.watchers), life, int(owed))
        except BaseException:
            self._owes_epoch |= owed
            await close(connection)
            raise
        self._life = life
        self._connections.adopt(connection, life)


def _unavailable() -> Unavailable:
    return Unavailable("STORE_UNAVAILABLE", "the cache's store cannot be reached now")
