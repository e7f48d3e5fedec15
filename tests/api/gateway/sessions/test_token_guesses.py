"""Tokens that open nothing are counted by address, at every route that takes one; other tokens are not."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from gateway.sessions.cookies import CookieSigner
from gateway.sessions.token_guesses import LIMIT
from runtime.errors import InvalidArgument, Unavailable
from runtime.ids import new_id
from tests.api.gateway.conftest import Gateway, running
from tests.api.gateway.stand_ins import TOKENS, USER, StandIns, verify
from tests.harness.processes import SECRET
from tests.harness.waiting import until
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest, VerifySessionResponse
from trivet.identity.v1.subscription_service_pb2 import ApplyStripeEventResponse

ROUTES = ("/v1/users/me", "/v1/me", "/v1/sessions", "/v1/notifications", "/api/auth/get-session")


@pytest.fixture
async def limiting(stand_ins: StandIns) -> AsyncIterator[Gateway]:
    """A gateway that limits, behind a proxy on this machine. No near cache: each token has to be asked for."""
    stand_ins.reset()
    limits = {"TRIVET_RATE_LIMIT": "on", "TRIVET_TRUSTED_PROXIES": "127.0.0.0/8", "TRIVET_NEAR_CACHE_BYTES": "0"}
    async with running(stand_ins, **limits) as gateway:
        yield gateway


def asked(gateway: Gateway) -> int:
    return sum(call.name == "VerifySession" for call in gateway.services.calls)


def seen_from(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


def guess() -> dict[str, str]:
    return {"authorization": f"Bearer {new_id()}"}


async def guessing(gateway: Gateway, count: int, address: str, *, at_once: int) -> Counter[int]:
    """Try made-up tokens at all routes in turn."""
    statuses: Counter[int] = Counter()
    for start in range(0, count, at_once):
        answers = await asyncio.gather(
            *(
                gateway.http.get(ROUTES[number % len(ROUTES)], headers=guess() | seen_from(address))
                for number in range(start, start + at_once)
            )
        )
        statuses.update(answer.status_code for answer in answers)
    return statuses


@pytest.mark.parametrize(("tried", "at_once"), [(LIMIT.requests + 20, 5), (3 * LIMIT.requests, 100)])
async def test_an_address_that_guesses_is_refused_and_costs_no_more_calls(
    limiting: Gateway, tried: int, at_once: int
) -> None:
    statuses = await guessing(limiting, tried, "192.0.2.1", at_once=at_once)
    assert asked(limiting) == LIMIT.requests
    # get-session answers null for a wrong token; the other routes say 401.
    assert statuses[401] + statuses[200] == LIMIT.requests
    assert statuses[429] == tried - LIMIT.requests


async def test_both_families_of_routes_refuse_in_their_own_shape(limiting: Gateway) -> None:
    await guessing(limiting, LIMIT.requests, "192.0.2.2", at_once=50)
    headers = guess() | seen_from("192.0.2.2")
    rest, auth = [await limiting.http.get(path, headers=headers) for path in ("/v1/me", "/api/auth/list-sessions")]
    assert rest.json()["error"]["details"][0]["reason"] == "TOO_MANY_WRONG_TOKENS"
    assert auth.json() == {"message": "Too many requests. Please try again later."}
    for answer in (rest, auth):
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= LIMIT.seconds
    out = await limiting.http.post("/api/auth/sign-out", headers=headers)
    assert out.status_code == 429


async def test_only_failures_count_and_only_for_their_own_address(limiting: Gateway) -> None:
    home, elsewhere = USER | seen_from("192.0.2.3"), USER | seen_from("192.0.2.4")
    for _ in range(3):
        answers = await asyncio.gather(*(limiting.http.get("/v1/users/me", headers=home) for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}
    await guessing(limiting, LIMIT.requests, "192.0.2.3", at_once=100)
    assert (await limiting.http.get("/v1/users/me", headers=elsewhere)).status_code == 200
    assert (await limiting.http.get("/v1/users/me", headers=home)).status_code == 429


async def test_a_signed_token_is_no_guess_and_is_not_kept_out_by_them(limiting: Gateway) -> None:
    signed = CookieSigner(SECRET).sign(next(iter(TOKENS)))
    await guessing(limiting, LIMIT.requests, "192.0.2.5", at_once=100)
    headers = {"authorization": f"Bearer {signed}"} | seen_from("192.0.2.5")
    assert (await limiting.http.get("/v1/users/me", headers=headers)).status_code == 200


async def test_more_at_once_than_may_fail_wait_and_are_all_answered(limiting: Gateway) -> None:
    """More good tokens at once than the limit, of an identity that answers only once they all wait."""
    release = asyncio.Event()

    async def slowly(_: VerifySessionRequest) -> VerifySessionResponse:
        await release.wait()
        return verify(VerifySessionRequest(token=next(iter(TOKENS))))

    limiting.services.answers["VerifySession"] = slowly
    address = seen_from("192.0.2.6")
    pending = [
        asyncio.create_task(limiting.http.get("/v1/users/me", headers=guess() | address))
        for _ in range(LIMIT.requests + 20)  # few more: all of them share the five seconds that a request has
    ]
    await until(lambda: asked(limiting) == LIMIT.requests)
    release.set()
    assert Counter(answer.status_code for answer in await asyncio.gather(*pending)) == {200: len(pending)}


AT_ONCE = 25
WRONG = InvalidArgument("INVALID_SIGNATURE", "the signature is wrong", field="signature")


async def events(gateway: Gateway, count: int, address: str) -> Counter[int]:
    """Send events to the webhook, several at once: few enough for a busy machine to answer in a request's time."""
    headers = {"stripe-signature": "t=1,v1=00", "content-type": "application/json"} | seen_from(address)
    statuses: Counter[int] = Counter()
    for start in range(0, count, AT_ONCE):
        number = min(AT_ONCE, count - start)
        sent = [gateway.http.post("/webhooks/stripe", content=b"{}", headers=headers) for _ in range(number)]
        statuses.update(answer.status_code for answer in await asyncio.gather(*sent))
    return statuses


def told_of_events(gateway: Gateway) -> int:
    return sum(call.name == "ApplyStripeEvent" for call in gateway.services.calls)


async def test_an_address_whose_signatures_are_wrong_is_refused_and_costs_no_more_calls(limiting: Gateway) -> None:
    limiting.services.answers["ApplyStripeEvent"] = WRONG
    tried = 2 * LIMIT.requests
    assert await events(limiting, tried, "192.0.2.8") == {400: LIMIT.requests, 429: tried - LIMIT.requests}
    assert told_of_events(limiting) == LIMIT.requests
    refused = await limiting.http.post(
        "/webhooks/stripe",
        content=b"{}",
        headers={"stripe-signature": "t=1,v1=00", "content-type": "application/json"} | seen_from("192.0.2.8"),
    )
    assert refused.json()["error"]["details"][0]["reason"] == "TOO_MANY_WRONG_SIGNATURES"
    assert 1 <= int(refused.headers["retry-after"]) <= LIMIT.seconds
    assert (await limiting.http.get("/v1/users/me", headers=USER | seen_from("192.0.2.8"))).status_code == 200


async def test_events_that_are_rightly_signed_are_not_counted_nor_those_that_identity_cannot_take(
    limiting: Gateway,
) -> None:
    for answer, status in ((ApplyStripeEventResponse(applied=True), 200), (Unavailable("STORE_BUSY", "busy"), 503)):
        limiting.services.answers["ApplyStripeEvent"] = answer
        for _ in range(2):
            assert await events(limiting, LIMIT.requests, "192.0.2.9") == {status: LIMIT.requests}


async def test_without_the_limit_every_wrong_signature_is_asked_for(stand_ins: StandIns) -> None:
    """What the count protects from."""
    stand_ins.reset()
    stand_ins.answers["ApplyStripeEvent"] = WRONG
    async with running(stand_ins) as gateway:
        assert await events(gateway, 2 * LIMIT.requests, "192.0.2.10") == {400: 2 * LIMIT.requests}
        assert told_of_events(gateway) == 2 * LIMIT.requests


async def test_without_the_limit_every_guess_is_asked_for(stand_ins: StandIns) -> None:
    """What the count protects from."""
    stand_ins.reset()
    async with running(stand_ins, TRIVET_NEAR_CACHE_BYTES="0") as gateway:
        await guessing(gateway, 3 * LIMIT.requests, "192.0.2.7", at_once=100)
        assert asked(gateway) == 3 * LIMIT.requests
