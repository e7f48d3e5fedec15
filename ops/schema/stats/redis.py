"""The keys of Redis by namespace. Their bytes are measured on a sample of each."""

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from ops.errors import CommandFailed
from ops.schema.stats.sizes import Size
from services.cache.redis.connections import Connections
from services.cache.redis.wire import close, read_response, send

BATCH = 1_000
SAMPLE = 100
"""How many keys of a namespace are measured."""
TIMEOUT_SECONDS = 5.0
KINDS = re.compile(r"(entry|counter):([^:]+):")


@dataclass
class Namespace:
    """What was counted of a namespace so far."""

    keys: int = 0
    measured: int = 0
    bytes: int = 0


async def look(url: str, prefix: str) -> list[Size]:
    """Return the namespaces below a prefix. SCAN walks the keys in steps that stop no one. Raises CommandFailed."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection, _ = await Connections(url).open()
        try:
            found = await _walk(connection, prefix)
        finally:
            await close(connection)
    except (RedisError, OSError, TimeoutError) as error:
        said = str(error) or type(error).__name__
        raise CommandFailed(f"REDIS_URL: Redis fails or does not answer ({said}): check that it is running") from None
    return [
        Size(
            "redis",
            name,
            each.keys,
            each.bytes * each.keys // each.measured if each.measured else None,
            is_estimate=each.keys > each.measured,
        )
        for name, each in sorted(found.items())
    ]


async def _walk(connection: AbstractConnection, prefix: str) -> dict[str, Namespace]:
    found: dict[str, Namespace] = defaultdict(Namespace)
    cursor: bytes | int = 0
    while True:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await send(connection, "SCAN", cursor, "MATCH", f"{_escaped(prefix)}*", "COUNT", BATCH)
            cursor, keys = await read_response(connection)
            await _count(connection, prefix, keys, found)
        if int(cursor) == 0:
            return found


async def _count(connection: AbstractConnection, prefix: str, keys: list[bytes], found: dict[str, Namespace]) -> None:
    for key in keys:
        each = found[namespace_of(key.decode(errors="replace").removeprefix(prefix))]
        each.keys += 1
        if each.measured >= SAMPLE:
            continue
        await send(connection, "MEMORY", "USAGE", key)
        if (size := await read_response(connection)) is not None:  # it has not expired since
            each.measured += 1
            each.bytes += size


def namespace_of(key: str) -> str:
    """Return the namespace of a key: `entry sessions`, `tag`, `stream`, or the rule of a rate limit."""
    if match := KINDS.match(key):
        return f"{match[1]} {match[2]}"
    return key.partition(":")[0]


def _escaped(prefix: str) -> str:
    """Return a prefix for SCAN's pattern."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", prefix)
