"""Connects to Redis or Valkey for a backup."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from ops.errors import CommandFailed, WrongSettings

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RedisServer:
    """An open connection; `client` answers bytes. redis-py types its commands for both of its clients at once."""

    client: Any
    engine: str
    version: str


@contextmanager
def opened(url: str) -> Iterator[RedisServer]:
    """Connect. Raises WrongSettings without an address, and CommandFailed if the server fails or does not answer."""
    if not url:
        raise WrongSettings("set REDIS_URL: the address of Redis is not known")
    if "+sentinel" in url:
        raise WrongSettings("REDIS_URL leads to sentinels: give the address of the primary itself")
    try:
        with redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
            found: Any = client.info("server")
            is_valkey = "valkey_version" in found
            version = str(found["valkey_version" if is_valkey else "redis_version"])
            yield RedisServer(client, "valkey" if is_valkey else "redis", version)
    except (redis.RedisError, ValueError) as error:
        raise CommandFailed(f"REDIS_URL: Redis fails or does not answer: {str(error)[:200]}") from None
