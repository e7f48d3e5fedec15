"""Everything that is said to providers: one client, short deadlines, small answers, no redirects, https."""

import asyncio
import json
import logging
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from prometheus_client import Counter

from services.identity.oauth.errors import ExchangeError
from trivet.client.deadline import remaining

TOTAL_SECONDS = 5.0
CONNECT_SECONDS = 2.0
POOL_SECONDS = 1.0
MAX_BYTES = 1_048_576
CONNECTIONS = 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")
AGENT = "trivet"  # GitHub answers nobody without a name

exchanged = Counter("trivet_oauth_exchanges_total", "What was asked of providers, by what became of it.", ["outcome"])


class Exchanges:
    """HTTP to providers. Every method raises ExchangeError, whatever it was that failed.

    An answer has TOTAL_SECONDS or what the caller has left, and MAX_BYTES once inflated. `loopback` lets http through
    to this machine, which development and tests need.
    """

    def __init__(self, client: httpx.AsyncClient, *, loopback: bool, seconds: float = TOTAL_SECONDS) -> None:
        self._client = client
        self._loopback = loopback
        self._seconds = seconds

    @classmethod
    @asynccontextmanager
    async def open(cls, *, loopback: bool, seconds: float = TOTAL_SECONDS) -> AsyncIterator[Self]:
        """Open the one client that all calls share."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each call, with its address
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS // 2)
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=POOL_SECONDS)
        headers = {"accept": "application/json", "user-agent": AGENT, "accept-encoding": "gzip"}
        async with httpx.AsyncClient(limits=limits, timeout=timeout, headers=headers, follow_redirects=False) as client:
            yield cls(client, loopback=loopback, seconds=seconds)

    def is_allowed(self, url: object) -> bool:
        """Whether an address may be asked, or a browser be sent there."""
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
            if parts is None or not parts.hostname or parts.username is not None or parts.fragment:
                return False
        except ValueError:
            return False
        return parts.scheme == "https" or (self._loopback and parts.scheme == "http" and parts.hostname in LOOPBACK)

    async def get(self, url: str, *, bearer: str = "") -> Any:
        """Return the JSON at an address, asked for with an access token if one is given."""
        return await self._exchange("GET", url, headers={"authorization": f"Bearer {bearer}"} if bearer else {})

    async def post(
        self, url: str, form: str, *, more: Mapping[str, str] | None = None, basic: tuple[str, str] | None = None
    ) -> Any:
        """Return the JSON that a form, with `more` fields, is answered with.

        `basic` is a client's name and secret, each encoded as a form's value (RFC 6749, 2.3.1).
        """
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if basic is not None:
            pair = ":".join(map(quote_plus, basic))
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        content = "&".join(filter(None, (form, urlencode(more or {}))))
        return await self._exchange("POST", url, headers=headers, content=content.encode())

    async def _exchange(self, method: str, url: str, **parts: Any) -> Any:
        if not self.is_allowed(url):
            raise ExchangeError("a provider's address is not https")
        try:
            async with asyncio.timeout(remaining(self._seconds)):
                answer = await self._answer(method, url, **parts)
        except ExchangeError:
            exchanged.labels("refused").inc()
            raise
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, UnicodeError) as error:
            exchanged.labels("failed").inc()
            # Its text may hold what was sent.
            raise ExchangeError(f"a provider does not answer ({type(error).__name__})") from None
        exchanged.labels("answered").inc()
        return answer

    async def _answer(self, method: str, url: str, **parts: Any) -> Any:
        async with self._client.stream(method, url, **parts) as response:
            body = await _body(response)
            try:
                value = json.loads(body)
            except (ValueError, RecursionError):
                raise ExchangeError(f"a provider's answer with status {response.status_code} is no JSON") from None
            if response.status_code != httpx.codes.OK:
                raise ExchangeError(f"a provider refuses with status {response.status_code}", refused=_is_no(response))
            return value


def _is_no(response: httpx.Response) -> bool:
    return 400 <= response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS


async def _body(response: httpx.Response) -> bytes:
    """Return a whole body. Raises ExchangeError for one that is too long, before and after inflating."""
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise ExchangeError("a provider's answer is too long")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return bytes(raw)
    if encoding != "gzip":
        raise ExchangeError("a provider's answer is compressed in a way that was not asked for")
    try:
        body = zlib.decompressobj(wbits=31).decompress(bytes(raw), MAX_BYTES + 1)
    except zlib.error:
        raise ExchangeError("a provider's answer is damaged") from None
    if len(body) > MAX_BYTES:
        raise ExchangeError("a provider's answer is too long")
    return body
