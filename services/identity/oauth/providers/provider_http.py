"""HTTP requests to providers: https only, forms and JSON, within the caller's deadline."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote_plus, urlencode, urlsplit

from prometheus_client import Counter

from runtime import json_text
from services.identity.oauth.errors import ExchangeError, UnansweredError
from trivet.client.deadline import remaining

TOTAL_SECONDS = 5.0
"""The time limit of one request. The RPCs that call providers have deadlines for several requests."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Fetch = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[tuple[int, bytes]]]
"""Sends a method, URL, headers and body; returns the status and the body. Raises UnansweredError."""

exchanged = Counter("trivet_oauth_exchanges_total", "Requests to providers, by outcome.", ["outcome"])


class ProviderHttp:
    """HTTP requests to providers. Every method raises ExchangeError if the request fails.

    A call takes at most `seconds`, or what is left of the caller's deadline. `loopback` permits plain http to this
    machine, which development and tests need.
    """

    def __init__(self, fetch: Fetch, *, loopback: bool, seconds: float = TOTAL_SECONDS) -> None:
        self._fetch = fetch
        self._loopback = loopback
        self._seconds = seconds

    @classmethod
    def disabled(cls) -> Self:
        """Return a client that fails every call, for a site without providers."""
        return cls(_send_nothing, loopback=False)

    def is_allowed(self, url: object) -> bool:
        """Whether a URL is safe to request or to redirect a browser to: https, without credentials and fragment."""
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
            if parts is None or not parts.hostname or parts.username is not None or parts.fragment:
                return False
        except ValueError:
            return False
        return parts.scheme == "https" or (self._loopback and parts.scheme == "http" and parts.hostname in LOOPBACK)

    async def get(self, url: str, *, bearer: str = "") -> Any:
        """Return the JSON at a URL, requested with an access token if one is given."""
        return await self._exchange("GET", url, {"authorization": f"Bearer {bearer}"} if bearer else {})

    async def post(self, url: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None) -> Any:
        """Post a form and return the JSON of the response.

        `basic` is a client id and secret. Each is form-encoded before it goes into the header (RFC 6749, 2.3.1).
        """
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if basic is not None:
            pair = ":".join(map(quote_plus, basic))
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return await self._exchange("POST", url, headers, urlencode(form).encode())

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> Any:
        if not self.is_allowed(url):
            raise ExchangeError("a provider's URL is not https")
        try:
            async with asyncio.timeout(remaining(self._seconds)):
                answer = _value(*await self._fetch(method, url, headers, content))
        except ExchangeError:
            exchanged.labels("refused").inc()
            raise
        except (UnansweredError, TimeoutError) as error:
            exchanged.labels("failed").inc()
            raise ExchangeError(f"a provider does not answer ({error or type(error).__name__})") from None
        exchanged.labels("answered").inc()
        return answer


def _value(status: int, body: bytes) -> Any:
    """Return the JSON of a response. Raises ExchangeError for an error status or a body that is not JSON."""
    try:
        value = json_text.parse(body)
    except ValueError:
        raise ExchangeError(f"a provider's response with status {status} is not JSON") from None
    if status != HTTPStatus.OK:
        is_no = 400 <= status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS
        raise ExchangeError(f"a provider responded with status {status}", refused=is_no)
    return value


async def _send_nothing(*_: object) -> tuple[int, bytes]:
    raise UnansweredError("no provider is configured")
