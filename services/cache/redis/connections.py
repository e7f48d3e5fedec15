"""A bounded set of connections to one Redis server. Each new connection checks which server answers.

It replaces redis-py's client and pool, which cost as much time as the command itself and retry ten times.
"""

import asyncio
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError, RedisError, ResponseError

from services.cache.redis.scripts import Script
from services.cache.redis.sentinels import NoPrimaryError, Sentinels
from services.cache.redis.wire import close, connection_factory, read_response, send

MAX_CONNECTIONS = 16


class ClusterError(RedisError):
    """The server is a node of a Redis Cluster, where one script cannot reach an entry, its tags and the stream."""


class ReplicaError(RedisConnectionError):
    """The server is a replica, which accepts no writes and can have outdated data."""


class ServerChangedError(RedisConnectionError):
    """Another server, or the same one after a restart, answers at this address."""


async def inspect_server(connection: AbstractConnection) -> str:
    """Return the id of the server behind a connection: 16 characters of its replication id.

    The id changes with a restart or a fail-over. Raises ClusterError, ReplicaError, and redis-py's errors if the server
    does not answer.
    """
    await send(connection, "INFO")
    answer = await read_response(connection)
    try:
        info = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)
    except (AttributeError, UnicodeDecodeError):
        raise InvalidResponse(f"the response to INFO is not text: {answer!r:.80}") from None
    if info.get("cluster_enabled") == "1":
        raise ClusterError("this is a Redis Cluster")
    if info.get("role") != "master":
        raise ReplicaError("this is a replica")
    return info.get("master_replid", "")[:16] or "unknown"


async def run(connection: AbstractConnection, script: Script, keys: tuple[str, ...], *args: str | int | bytes) -> Any:
    """Run a script in one round trip, or in two if the server has not loaded it yet. Raises redis-py's errors."""
    try:
        await send(connection, "EVALSHA", script.sha, len(keys), *keys, *args)
        return await read_response(connection)
    except NoScriptError:
        await send(connection, "EVAL", script.text, len(keys), *keys, *args)
        return await read_response(connection)


class Connections:
    """At most `limit` connections to the server with one id. They are opened on demand and dropped together."""

    def __init__(self, url: str, *, limit: int = MAX_CONNECTIONS) -> None:
        self._sentinels = Sentinels.of(url)
        self._factory = connection_factory(self._sentinels.redis_url if self._sentinels else url)
        self._limit = limit
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[AbstractConnection] = []
        self._generation = 0
        self._server_id = ""
        self._address: tuple[str, int] | None = None

    async def open(self) -> tuple[AbstractConnection, str]:
        """Return a new connection, which the caller closes, and the id of the server behind it.

        Sentinels, if configured, are asked for the primary. If none of them answers, the last known primary is used.
        Raises redis-py's errors.
        """
        if self._sentinels is not None:
            try:
                self._address = await self._sentinels.primary()
            except NoPrimaryError:
                if self._address is None:
                    raise
        return await self._connect()

    async def _connect(self) -> tuple[AbstractConnection, str]:
        connection = self._factory.make_connection()  # type: ignore[no-untyped-call]  # redis-py left it untyped
        if self._address is not None:
            connection.host, connection.port = self._address
        try:
            await connection.connect()
            return connection, await inspect_server(connection)
        except BaseException:  # also after a cancellation
            await close(connection)
            raise

    def adopt(self, connection: AbstractConnection, server_id: str) -> None:
        """Use only the server with this id from now on. `connection` is the first connection to it."""
        self._server_id = server_id
        self._idle.append(connection)

    async def drop(self) -> None:
        """Close the idle connections now, and each busy connection when its response has arrived."""
        self._generation += 1
        idle, self._idle = self._idle, []
        for connection in idle:
            await close(connection)

    async def run(self, script: Script, keys: tuple[str, ...], *args: str | int | bytes, again: bool = True) -> Any:
        """Run a script on any connection. Raises redis-py's errors.

        With `again`, a script that failed on an idle connection is sent once more on a new one: the server can have
        closed the idle one.
        """
        async with self._slots:
            connection = self._idle.pop() if self._idle else None
            if connection is not None:
                try:
                    return await self._run_on(connection, script, keys, args)
                except RedisConnectionError:
                    if not again:
                        raise
            return await self._run_on(await self._open_known(), script, keys, args)

    async def _open_known(self) -> AbstractConnection:
        connection, server_id = await self._connect()
        if server_id != self._server_id:
            await close(connection)
            raise ServerChangedError("another server answers at this address")
        return connection

    async def _run_on(
        self,
        connection: AbstractConnection,
        script: Script,
        keys: tuple[str, ...],
        args: tuple[str | int | bytes, ...],
    ) -> Any:
        generation = self._generation
        try:
            answer = await run(connection, script, keys, *args)
        except ResponseError:
            await self._give_back(connection, generation)
            raise
        except BaseException:  # also after a cancellation: the response can still arrive on this connection
            await close(connection)
            raise
        await self._give_back(connection, generation)
        return answer

    async def _give_back(self, connection: AbstractConnection, generation: int) -> None:
        # A connection from before a drop can lead to the former primary.
        if generation == self._generation:
            self._idle.append(connection)
        else:
            await close(connection)
