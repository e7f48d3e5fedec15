"""The HTTP client of `ProviderHttp`: one pool, short deadlines, bounded responses, no redirects.

Importing httpx costs 8 MB, so only a process with providers imports this module.
"""

import logging
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from services.identity.oauth.errors import ExchangeError, UnansweredError
from services.identity.oauth.providers.provider_http import TOTAL_SECONDS, ProviderHttp

CONNECT_SECONDS = 2.0
POOL_SECONDS = 1.0
MAX_BYTES = 1_048_576
CONNECTIONS = 100
"""The limit for all providers together. It is high, so that a slow provider leaves connections for the others."""
AGENT = "trivet"  # GitHub refuses requests without one


@asynccontextmanager
async def open_provider_http(*, loopback: bool, seconds: float = TOTAL_SECONDS) -> AsyncIterator[ProviderHttp]:
    """Open the client that all calls share. A decompressed response has at most MAX_BYTES."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs the URL of every call
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS // 2)
    timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=POOL_SECONDS)
    headers = {"accept": "application/json", "user-agent": AGENT, "accept-encoding": "gzip"}
    async with httpx.AsyncClient(limits=limits, timeout=timeout, headers=headers, follow_redirects=False) as client:

        async def fetch(method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> tuple[int, bytes]:
            try:
                async with client.stream(method, url, headers=headers, content=content) as response:
                    return response.status_code, await _body(response)
            except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
                # Its message can contain parts of the request.
                raise UnansweredError(type(error).__name__) from None

        yield ProviderHttp(fetch, loopback=loopback, seconds=seconds)


async def _body(response: httpx.Response) -> bytes:
    """Return a whole body, decompressed. Raises ExchangeError if it is too long before or after."""
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise ExchangeError("a provider's response is too long")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return bytes(raw)
    if encoding != "gzip":
        raise ExchangeError("a provider's response has an unexpected content-encoding")
    try:
        body = zlib.decompressobj(wbits=31).decompress(bytes(raw), MAX_BYTES + 1)
    except zlib.error:
        raise ExchangeError("a provider's response is damaged") from None
    if len(body) > MAX_BYTES:
        raise ExchangeError("a provider's response is too long")
    return body
