"""Asks Redis Sentinel which server is the primary."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from services.cache.redis.wire import close, connection_factory, read_response, send

QUERY_SECONDS = 0.1
SENTINEL_PORT = 26379
SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}

Address = tuple[str, int]


class NoPrimaryError(RedisConnectionError):
    """No sentinel answered with an address of the primary."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The sentinels of one service. `redis_url` is the URL of its primary, and `url` that of a sentinel.

    Both URLs have a placeholder for the host.
    """

    addresses: Sequence[Address]
    service: str
    redis_url: str = field(repr=False)
    url: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> "Sentinels | None":
        """Parse `redis+sentinel://[user:password@]host:port[,host:port...]/service[/db]`. None for another scheme.

        `rediss+sentinel` uses TLS to servers and sentinels. User and password are those of the servers. The options
        `sentinel_username` and `sentinel_password` after a question mark are those of the sentinels. Other options go
        to redis-py. Raises ValueError for another form.
        """
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            return None
        credentials, at, hosts = parts.netloc.rpartition("@")
        service, _, database = parts.path.strip("/").partition("/")
        if not service or not (database or "0").isdecimal():
            raise ValueError("the sentinels must be followed by /SERVICE, and optionally by /DATABASE, a number")
        given = parse_qsl(parts.query, keep_blank_values=True)
        query = urlencode(
            [(name, value) for name, value in given if name not in SENTINEL_OPTIONS], quote_via=quote, safe="/"
        )
        user, password = (quote(dict(given).get(name, ""), safe="") for name in SENTINEL_OPTIONS)
        own = f"{user}:{password}@" if password else ""

        def url_of(netloc: str, path: str) -> str:
            return SplitResult(SCHEMES[parts.scheme], netloc, path, query, "").geturl()

        return cls(
            tuple(_address(host) for host in hosts.split(",")),
            service,
            url_of(f"{credentials}{at}primary", f"/{database or 0}"),
            url_of(f"{own}sentinel", ""),
        )

    async def primary(self) -> Address:
        """Return the address that most sentinels name, within 100 ms. Raises NoPrimaryError if none names one."""
        queries = [asyncio.create_task(self._query(address)) for address in self.addresses]
        votes = Counter(address for address in await asyncio.gather(*queries) if address is not None)
        if not votes:
            raise NoPrimaryError("no sentinel names a primary: check the sentinels and the service of REDIS_URL")
        return votes.most_common(1)[0][0]

    async def _query(self, address: Address) -> Address | None:
        connection = connection_factory(self.url).make_connection()  # type: ignore[no-untyped-call]  # redis-py left it untyped
        connection.host, connection.port = address
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                await connection.connect()
                await send(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
                found = await read_response(connection)
        except (RedisError, OSError, TimeoutError):
            return None
        finally:
            await close(connection)
        return _parse_answer(found)


def _parse_answer(answer: Any) -> Address | None:
    """Return the address in a sentinel's response, None for any other response."""
    try:
        host, port = answer
        address = host.decode(), int(port)
    except (TypeError, ValueError, AttributeError):
        return None
    return address if address[0] and 0 < address[1] < 2**16 else None


def _address(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("each sentinel must be HOST:PORT")
    return parts.hostname, parts.port or SENTINEL_PORT
