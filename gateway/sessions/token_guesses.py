"""How often an address may try secrets that are wrong: one count for all routes that take a session's token."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import HTTPConnection

from gateway.http.client_address import client_address, limit_subject
from gateway.http.errors import Refused
from gateway.http.rate_limiter import Limit, SharedWindows, Windows
from gateway.sessions.cookies import SessionCookies
from gateway.settings import GatewaySettings
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client.deadline import remaining

LIMIT = Limit(100, 10)
BARE, SIGNED, SIGNATURE = "wrong-token", "wrong-signed-token", "wrong-signature"
"""What is tried, each with a count of its own: a token, one that our signature proves, a signature over a body."""
RETRY_SECONDS = 1
WAIT_SECONDS = 2.0
"""As long as identity has for an answer."""

T = TypeVar("T")


class TooManyGuesses(Refused):
    """The address has tried too many tokens that opened nothing, or signatures that were wrong."""

    def __init__(self, seconds: int, rule: str) -> None:
        what, reason = "tokens from this address opened no session", "TOO_MANY_WRONG_TOKENS"
        if rule == SIGNATURE:
            what, reason = "requests from this address were not rightly signed", "TOO_MANY_WRONG_SIGNATURES"
        headers = {"retry-after": str(seconds)}
        super().__init__("RESOURCE_EXHAUSTED", reason, f"too many {what}: try again in {seconds} s", headers=headers)
        self.seconds = seconds


@dataclass(slots=True)
class _Address:
    """The requests of one address: how many are here, how many of these ask, and the end of the next if any waits."""

    here: int = 0
    asking: int = 0
    ended: asyncio.Event | None = None


class Guesses:
    """Counts failures only, in windows that all gateways share.

    Requests that ask at the same time are never more than the failures that are left, so that a burst is counted too;
    further ones wait. Tokens that our signature proves have a count of their own: a stranger behind the same address
    uses up the other one, and does not keep out people whose cookies we signed.
    """

    def __init__(self, settings: GatewaySettings, cookies: SessionCookies, shared: RateLimitServiceStub, own: Windows):
        self._proxies = settings.trusted_proxies
        self._cookies = cookies
        self._windows = SharedWindows(shared, own)
        self._addresses: dict[tuple[str, str], _Address] = {}

    async def counted(self, request: HTTPConnection, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return what `ask` finds by a request's token; None is a failure, and counted. Raises TooManyGuesses."""
        rule = BARE if self._cookies.is_bare(request) else SIGNED
        return await self.counted_of(self._subject(request), ask, rule=rule)

    async def counted_signature(self, request: HTTPConnection, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        """Do as `counted` does for a request that a signature over its body proves."""
        return await self.counted_of(self._subject(request), ask, rule=SIGNATURE)

    def _subject(self, request: HTTPConnection) -> str:
        return limit_subject(client_address(request.scope, self._proxies))

    async def counted_of(self, subject: str, ask: Callable[[], Awaitable[T | None]], *, rule: str) -> T | None:
        """Do as `counted` does for an address, where it is known what is tried."""
        key = rule, subject
        address = self._addresses.setdefault(key, _Address())
        address.here += 1
        try:
            if not self._has_room(rule, subject, address.asking):
                await self._room(rule, subject, address)
            address.asking += 1
            try:
                found = await ask()
                if found is None:
                    await self._windows.take(rule, subject, LIMIT)
                return found
            finally:
                address.asking -= 1
                if address.ended is not None:
                    address.ended.set()
                    address.ended = None
        finally:
            address.here -= 1
            if not address.here:
                del self._addresses[key]

    def _has_room(self, rule: str, subject: str, asking: int) -> bool:
        """Whether one more can ask, so that all who ask could fail. Raises TooManyGuesses if too many have failed."""
        left = self._windows.left(rule, subject, LIMIT)
        if not left:
            raise TooManyGuesses(self._windows.wait(rule, subject, LIMIT), rule)
        return asking < left

    async def _room(self, rule: str, subject: str, address: _Address) -> None:
        """Wait until enough of those who ask have their answers. Raises Refused after WAIT_SECONDS or the deadline."""
        try:
            async with asyncio.timeout(remaining(WAIT_SECONDS)):
                while not self._has_room(rule, subject, address.asking):
                    address.ended = address.ended or asyncio.Event()
                    await address.ended.wait()
        except TimeoutError:
            raise Refused(
                "UNAVAILABLE",
                "TOO_MANY_IN_FLIGHT",
                "too many requests from this address wait to be answered: try again",
                headers={"retry-after": str(RETRY_SECONDS)},
            ) from None
