"""The count of wrong tokens, where no request is answered in time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc import aio
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from gateway.http.errors import ApiError
from gateway.http.rate_limiter import RateLimiter
from gateway.sessions.cookies import SessionCookies
from gateway.sessions.token_guesses import LIMIT, TokenGuesses, TooManyGuesses
from gateway.settings import GatewaySettings
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client import within

SETTINGS = GatewaySettings(secret=SecretStr("a secret that signs nothing here"))


@pytest.fixture
async def guesses() -> AsyncIterator[TokenGuesses]:
    """A count of this process's own: no cache answers."""
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        yield TokenGuesses(SETTINGS, SessionCookies.of(SETTINGS), RateLimitServiceStub(channel), RateLimiter())


def request() -> HTTPConnection:
    headers = [(b"authorization", b"Bearer " + b"a" * 32)]
    return HTTPConnection({"type": "http", "client": ("192.0.2.1", 1), "headers": headers})


async def nothing() -> str | None:
    """Find no session."""
    return None


async def test_who_waits_for_a_turn_is_answered_at_its_deadline_and_not_blamed(guesses: TokenGuesses) -> None:
    """Identity hangs: the stack is too slow, and nobody has guessed."""
    release = asyncio.Event()

    async def hang() -> str:
        await release.wait()
        return "a session"

    asking = [asyncio.create_task(guesses.counted(request(), hang)) for _ in range(LIMIT.requests)]
    await asyncio.sleep(0)
    with within(0.1), pytest.raises(ApiError) as late:
        await guesses.counted(request(), hang)
    assert (late.value.status, late.value.reason) == (503, "TOO_MANY_IN_FLIGHT")
    release.set()
    assert await asyncio.gather(*asking) == ["a session"] * LIMIT.requests
    assert guesses._addresses == {}, "nothing is kept of an address that asks no more"


async def test_those_who_wait_learn_that_those_before_them_used_up_the_failures(guesses: TokenGuesses) -> None:
    outcomes = await asyncio.gather(
        *(guesses.counted(request(), nothing) for _ in range(2 * LIMIT.requests)), return_exceptions=True
    )
    assert outcomes.count(None) == LIMIT.requests
    assert sum(isinstance(outcome, TooManyGuesses) for outcome in outcomes) == LIMIT.requests
    assert guesses._addresses == {}


async def test_an_ask_that_fails_by_itself_counts_nothing(guesses: TokenGuesses) -> None:
    async def away() -> None:
        raise ConnectionError

    for _ in range(LIMIT.requests + 1):
        with pytest.raises(ConnectionError):
            await guesses.counted(request(), away)
    assert await guesses.counted(request(), nothing) is None
