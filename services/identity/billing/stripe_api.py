"""Reads objects from Stripe's API, with a short deadline and a limit on the response size."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

import httpx

from runtime import json_text
from runtime.errors import Unavailable
from trivet.client.deadline import remaining

logger = logging.getLogger(__name__)
TOTAL_SECONDS = 5.0
CONNECTIONS = 10
MAX_BYTES = 1024 * 1024


class StripeApi:
    """A client of Stripe's API with one API key. `seconds` is the time limit of a call."""

    def __init__(self, client: httpx.AsyncClient, *, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    @classmethod
    @asynccontextmanager
    async def open(cls, base: str, key: str, *, seconds: float = TOTAL_SECONDS) -> AsyncIterator[Self]:
        """Open the client. It connects at its first call."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs the URL of every call
        limits = httpx.Limits(max_connections=CONNECTIONS)
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=base, headers=headers, limits=limits, timeout=seconds) as client:
            yield cls(client, seconds=seconds)

    async def subscription(self, subscription_id: str) -> Mapping[str, Any] | None:
        """Return the current state of a subscription, None if the account does not have it. Raises as `read`."""
        return await self.read("subscriptions", subscription_id)

    async def read(self, collection: str, object_id: str) -> Mapping[str, Any] | None:
        """Return the current state of an object, None if the account of this key does not have it.

        Raises Unavailable (STRIPE_UNAVAILABLE), after which Stripe sends the event again.
        """
        try:
            async with asyncio.timeout(remaining(self._seconds)):
                return await self._get(f"/v1/{collection}/{quote(object_id, safe='')}")
        except (httpx.HTTPError, TimeoutError, OSError, ValueError) as error:
            logger.warning("Stripe's API does not answer: %s", type(error).__name__)
            raise _unavailable() from None

    async def _get(self, path: str) -> Mapping[str, Any] | None:
        async with self._client.stream("GET", path) as response:
            status = response.status_code
            if status == httpx.codes.NOT_FOUND:
                return None
            if status != httpx.codes.OK:
                advice = ": check TRIVET_STRIPE_API_KEY" if status in (401, 403) else ""
                logger.warning("Stripe's API returned status %d%s", status, advice)
                raise _unavailable()
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("too long")
        found = json_text.parse(bytes(body))
        if not isinstance(found, dict):
            raise ValueError("no object")
        return found


def _unavailable() -> Unavailable:
    return Unavailable("STRIPE_UNAVAILABLE", "Stripe's API does not answer: send the event again later")
