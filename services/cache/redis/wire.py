"""Commands on one connection to a Redis server, without the cost of redis-py's client and pool."""

import contextlib
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

CONNECT_SECONDS = 0.5


def connection_factory(url: str) -> ConnectionPool:
    """Return an object that makes connections to the server of the URL. It keeps none of them."""
    return ConnectionPool.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        # redis-py would start a task per write for this time-out. The callers have time-outs of their own.
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        protocol=2,  # without `driver_info`, a new connection sends no command of its own
        driver_info=None,
    )


async def send(connection: AbstractConnection, *words: str | int | bytes) -> None:
    """Send a command. hiredis packs it faster than redis-py, which packs word by word in Python."""
    await connection.send_packed_command(hiredis.pack_command(words), check_health=False)  # type: ignore[arg-type]  # its stubs accept only tuples of one element


async def read_response(connection: AbstractConnection) -> Any:
    """Return the response to the command that was sent. Raises ResponseError if the server rejected the command."""
    answer = await connection.read_response()
    if isinstance(answer, ResponseError):
        raise answer
    return answer


async def close(connection: AbstractConnection) -> None:
    """Close a connection without waiting for the other side."""
    with contextlib.suppress(Exception):  # the connection is not used again, so no error matters
        await connection.disconnect(nowait=True)
