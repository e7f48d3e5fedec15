"""A bounded set of connections to one Redis, each looked at before it is used.

It stands below redis-py's client and pool, which cost as much again as the command itself and try ten times.
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
    """The server is a replica: it accepts no writes, and its data can be outdated."""


class ServerChangedError(RedisConnectionError):
    """Another server, or the same one after a restart, answers at the address."""


async def inspect_server(connection: AbstractConnection) -> str:
    """Return the server_id of the server behind a connection: a word that changes when it restarts or is failed over.

    Raises ClusterError, ReplicaError, and redis-py's errors when it does not answer.
    """
    await send(connection, "INFO")
    answer = await read_response(connection)
    try:
        info = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)
    except (AttributeError, UnicodeDecodeError):
        raise InvalidResponse(f"INFO is answered by what is no text: {answer!r:.80}") from None
    if info.get("cluster_enabled") == "1":
        raise ClusterError("this is a Redis Cluster")
    if info.get("role") != "master":
        raise ReplicaError("this is a replica")
    return info.get("master_replid", "")[:16] or "unknown"


async def run(connection: AbstractConnection, script: Script, keys: tuple[str, ...], *args: str | int | bytes) -> Any:
    """Run a script in one round trip, in a second one if the server has not seen it."""
    try:
        await send(connection, "EVALSHA", script.sha, len(keys), *keys, *args)
        return await read_response(connection)
    except NoScriptError:
        await send(connection, "EVAL", script.text, len(keys), *keys, *args)
        return await read_response(connection)


class Connections:
    """Connections to one server's one server_id, opened as they are needed and kept until they are dropped together."""

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
        """Return a new connection, which is the caller's to close, and the server_id of the server behind it.

        Sentinels, if there are any, are asked where that is; while none of them answers it is where it was. Raises
        redis-py's errors.
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
        except BaseException:
            await close(connection)
            raise

    def adopt(self, connection: AbstractConnection, server_id: str) -> None:
        """From now on serve this server_id of the server only, beginning with a connection to it."""
        self._server_id = server_id
        self._idle.append(connection)

    async def drop(self) -> None:
        """Close what is idle now, and what is in use when its answer has come."""
        self._generation += 1
        idle, self._idle = self._idle, []
        for connection in idle:
            await close(connection)

    async def run(self, script: Script, keys: tuple[str, ...], *args: str | int | bytes, again: bool = True) -> Any:
        """Run a script on some connection. Raises redis-py's errors.

        With `again`, a connection that turns out to have been closed while it was idle is replaced, once.
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
            raise ServerChangedError("another server answers")
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
        except BaseException:  # also a cancel: an answer may still be on its way, so nobody may use this one again
            await close(connection)
            raise
        await self._give_back(connection, generation)
        return answer

    async def _give_back(self, connection: AbstractConnection, generation: int) -> None:
        # One that was opened before the drop may lead to a server that is no longer the one to ask.
        if generation == self._generation:
            self._idle.append(connection)
        else:
            await close(connection)
