"""The rate limit of wrong tokens and signatures by client address, over all routes that accept them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import HTTPConnection

from gateway.http.client_address import client_address, limit_subject
from gateway.http.errors import TOO_MANY_IN_FLIGHT, ApiError, Cause
from gateway.http.rate_limiter import Limit, RateLimiter, SharedRateLimiter
from gateway.sessions.cookies import SessionCookies
from gateway.settings import GatewaySettings
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client.deadline import remaining

LIMIT = Limit(100, 10)
BARE, SIGNED, SIGNATURE = "wrong-token", "wrong-signed-token", "wrong-signature"
"""What can be wrong, each with its own count: a bare token, a token with our signature, the signature of a body."""
RETRY_SECONDS = 1
TOO_MANY_WRONG_TOKENS = Cause("RESOURCE_EXHAUSTED", "TOO_MANY_WRONG_TOKENS")
TOO_MANY_WRONG_SIGNATURES = Cause("RESOURCE_EXHAUSTED", "TOO_MANY_WRONG_SIGNATURES")
WAIT_SECONDS = 2.0
"""As long as a call of identity can take."""

T = TypeVar("T")


class TooManyGuesses(ApiError):
    """The address sent too many tokens that opened no session, or too many wrong signatures."""

    def __init__(self, seconds: int, rule: str) -> None:
        what, cause = "tokens from this address opened no session", TOO_MANY_WRONG_TOKENS
        if rule == SIGNATURE:
            what, cause = "requests from this address had a wrong signature", TOO_MANY_WRONG_SIGNATURES
        headers = {"retry-after": str(seconds)}
        super().__init__(cause, f"too many {what}: try again in {seconds} s", headers=headers)
        self.seconds = seconds


@dataclass(slots=True)
class _Address:
    """The requests of one address: all, those that ask, and an event for the next end if any waits."""

    present: int = 0
    asking: int = 0
    ended: asyncio.Event | None = None


class TokenGuesses:
    """Counts failures only, over all gateways.

    At most as many requests of an address ask at a time as failures remain, so that a burst is counted too. Further
    ones wait. Tokens with our signature have a separate count, so that a stranger behind the same address does not
    lock out users with signed cookies.
    """

    def __init__(
        self, settings: GatewaySettings, cookies: SessionCookies, shared: RateLimitServiceStub, own: RateLimiter
    ):
        self._proxies = settings.trusted_proxies
        self._cookies = cookies
        self._rate_limiter = SharedRateLimiter(shared, own)
        self._addresses: dict[tuple[str, str], _Address] = {}

    async def counted(self, request: HTTPConnection, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return what `ask` finds by a request's token. None counts as a failure. Raises TooManyGuesses."""
        rule = BARE if self._cookies.is_bare(request) else SIGNED
        return await self.counted_of(self._subject(request), ask, rule=rule)

    async def counted_signature(self, request: HTTPConnection, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        """Do as `counted` for a request with a signature over its body."""
        return await self.counted_of(self._subject(request), ask, rule=SIGNATURE)

    def _subject(self, request: HTTPConnection) -> str:
        return limit_subject(client_address(request.scope, self._proxies))

    async def counted_of(self, subject: str, ask: Callable[[], Awaitable[T | None]], *, rule: str) -> T | None:
        """Do as `counted` for a client address and a rule."""
        key = rule, subject
        address = self._addresses.setdefault(key, _Address())
        address.present += 1
        try:
            if not self._has_room(rule, subject, address.asking):
                await self._wait_for_room(rule, subject, address)
            address.asking += 1
            try:
                found = await ask()
                if found is None:
                    await self._rate_limiter.acquire(rule, subject, LIMIT)
                return found
            finally:
                self._end(address)
        finally:
            self._leave(key, address)

    def begin(self, subject: str, *, rule: str) -> bool:
        """Whether a request of a client address can be read at once. If so, call `end` after its answer."""
        key = rule, subject
        address = self._addresses.get(key)
        if self._rate_limiter.remaining(rule, subject, LIMIT) <= (address.asking if address else 0):
            return False
        address = address or self._addresses.setdefault(key, _Address())
        address.present += 1
        address.asking += 1
        return True

    def end(self, subject: str, *, rule: str) -> None:
        """End what `begin` began. A failure is counted by `counted_of`, which reads again."""
        key = rule, subject
        address = self._addresses[key]
        self._end(address)
        self._leave(key, address)

    def _end(self, address: _Address) -> None:
        address.asking -= 1
        if address.ended is not None:
            address.ended.set()
            address.ended = None

    def _leave(self, key: tuple[str, str], address: _Address) -> None:
        address.present -= 1
        if not address.present:
            del self._addresses[key]

    def _has_room(self, rule: str, subject: str, asking: int) -> bool:
        """Whether one more can ask even if all that ask fail. Raises TooManyGuesses if no failure remains."""
        failures_left = self._rate_limiter.remaining(rule, subject, LIMIT)
        if not failures_left:
            raise TooManyGuesses(self._rate_limiter.retry_after(rule, subject, LIMIT), rule)
        return asking < failures_left

    async def _wait_for_room(self, rule: str, subject: str, address: _Address) -> None:
        """Wait until one more can ask. Raises ApiError after WAIT_SECONDS, or at the deadline."""
        try:
            async with asyncio.timeout(remaining(WAIT_SECONDS)):
                while not self._has_room(rule, subject, address.asking):
                    address.ended = address.ended or asyncio.Event()
                    await address.ended.wait()
        except TimeoutError:
            raise ApiError(
                TOO_MANY_IN_FLIGHT,
                "too many requests from this address wait to be answered: try again",
                headers={"retry-after": str(RETRY_SECONDS)},
            ) from None
