"""One connection to a Redis server, below redis-py's client and pool: they cost as much again as the command itself."""

import contextlib
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

CONNECT_SECONDS = 0.5


def connection_factory(url: str) -> ConnectionPool:
    """Return what makes connections to a server, each on its own; it holds none."""
    return ConnectionPool.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        # redis-py would start a task per write for this time-out. The callers have time-outs of their own.
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        protocol=2,  # with no name of the library: nothing to say before the first command
        driver_info=None,
    )


async def send(connection: AbstractConnection, *words: str | int | bytes) -> None:
    """Send a command, packed by hiredis: redis-py's asynchronous connections do it in Python, word by word."""
    await connection.send_packed_command(hiredis.pack_command(words), check_health=False)  # type: ignore[arg-type]  # its stubs know tuples of one


async def read_response(connection: AbstractConnection) -> Any:
    """Return what the server answers to the command that was sent. Raises what it refuses it with."""
    answer = await connection.read_response()
    if isinstance(answer, ResponseError):
        raise answer
    return answer


async def close(connection: AbstractConnection) -> None:
    """Close a connection without waiting for the other side."""
    with contextlib.suppress(Exception):  # whatever is wrong with it, it is not used again
        await connection.disconnect(nowait=True)
