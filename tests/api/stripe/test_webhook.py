"""Stripe's webhooks over HTTP: what is taken, what is refused, and what a person is shown of it."""

from collections.abc import AsyncIterator, Iterator
from time import time
from typing import Any

import httpx
import pytest

from runtime.ids import new_id
from tests.api.stripe.conftest import WEBHOOK, Person, person
from tests.harness.peers.stripe import (
    OLD_SECRET,
    SECRET,
    checkout,
    event,
    signed,
    subscription,
    thin_event,
)
from tests.harness.people import FAST_HASHING
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole

UPDATED = "customer.subscription.updated"
JSON = {"content-type": "application/json; charset=utf-8"}


@pytest.fixture(scope="module")
def running(stores: Stores) -> Iterator[Whole]:
    plans = {"TRIVET_STRIPE_PLANS": "price_pro=pro", "TRIVET_STRIPE_WEBHOOK_SECRETS": f"{SECRET},{OLD_SECRET}"}
    with whole(stores, "cache", "identity", "gateway", **plans, **FAST_HASHING) as processes:
        yield processes


@pytest.fixture
async def ann(running: Whole) -> AsyncIterator[Person]:
    async with person(running) as found:
        yield found


async def send(
    running: Whole, body: bytes, *, secret: str = SECRET, at: int | None = None, **headers: str
) -> httpx.Response:
    """Deliver a body as Stripe does; a header of the caller's own replaces ours."""
    own = {**JSON, "stripe-signature": signed(body, secret, at or int(time()))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with httpx.AsyncClient(base_url=running.url, timeout=15) as stripe:
        return await stripe.post(WEBHOOK, content=body, headers=own)


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["details"][0]["reason"])


def told(of: Person, status: str = "active", created: int = 0, kind: str = UPDATED, **changes: Any) -> bytes:
    about = {"event_id": f"evt_{new_id()}", "created": created or int(time())}
    return event(kind, of.subscription(status, **changes), **about)  # type: ignore[arg-type]  # its two


async def test_an_event_is_read_as_javascript_reads_it(running: Whole, ann: Person) -> None:
    """The bytes that were signed, with a byte order mark, half a surrogate pair and a number beyond all in them."""
    body = told(ann).rstrip().removesuffix(b"}") + b', "x": "\\ud800", "y": [1e999, ' + b"9" * 5_000 + b"]}"
    answer = await send(running, b"\xef\xbb\xbf" + body)
    assert (answer.status_code, answer.json()) == (200, {"applied": True})


async def test_what_stripe_tells_is_shown_at_once_though_it_was_cached_that_there_is_none(
    running: Whole, ann: Person
) -> None:
    """P2: and again after each event; nothing old is shown once Stripe has been answered."""
    for _ in range(3):
        assert await ann.shown() is None
    now = int(time())
    for place, status in enumerate(("trialing", "active", "past_due", "canceled")):
        answer = await send(running, told(ann, status, now + place))
        assert (answer.status_code, answer.json()) == (200, {"applied": True})
        assert await ann.is_shown("pro", status)
        shown = await ann.shown()
    assert shown is not None
    assert (shown["userId"], shown["seats"], shown["cancelAtPeriodEnd"]) == (ann.user_id, 3, False)
    assert shown["periodStartTime"] == "2026-03-01T12:00:00.000Z"


async def test_a_checkout_after_the_subscription_says_whose_it_was(running: Whole, ann: Person) -> None:
    """P3: in the order in which Stripe often sends them."""
    assert (await send(running, told(ann, metadata={}))).json() == {"applied": True}
    assert await ann.shown() is None
    done = checkout(ann.user_id, subscription=f"sub_{ann.user_id}", customer=f"cus_{ann.user_id}")
    await send(running, event("checkout.session.completed", done, event_id=f"evt_{new_id()}", created=int(time())))
    assert await ann.is_shown("pro", "active")


async def test_a_replay_is_answered_and_changes_nothing(running: Whole, ann: Person) -> None:
    """P2."""
    body = told(ann)
    assert [(await send(running, body)).json()["applied"] for _ in range(3)] == [True, False, False]


async def test_what_is_of_no_concern_or_about_nobody_is_answered_2xx(running: Whole, ann: Person) -> None:
    """P3."""
    for body in (event("charge.succeeded", {"id": "ch_1"}), told(ann, metadata={"userId": "x" * 32}, id="sub_x")):
        answer = await send(running, body)
        assert (answer.status_code, answer.json()) == (200, {"applied": False})


@pytest.mark.parametrize(
    "kind", ["v2.core.event_destination.ping", "v1.customer.subscription.updated", "v1.customer.created"]
)
async def test_thin_events_are_answered_2xx(running: Whole, kind: str) -> None:
    """Stripe turns an endpoint off that refuses them."""
    answer = await send(running, thin_event(kind, "x_1", id=f"evt_{new_id()}"))
    assert (answer.status_code, answer.json()) == (200, {"applied": False})


async def test_a_subscription_without_items_is_taken(running: Whole, ann: Person) -> None:
    assert (await send(running, told(ann, created=int(time()) - 9))).json() == {"applied": True}
    assert await ann.is_shown("pro", "active")
    answer = await send(running, told(ann, "canceled", items={"object": "list", "data": []}))
    assert (answer.status_code, answer.json()) == (200, {"applied": True})
    assert await ann.is_shown("", "canceled")


async def test_both_secrets_are_taken(running: Whole, ann: Person) -> None:
    """P4."""
    for secret in (SECRET, OLD_SECRET):
        assert (await send(running, told(ann), secret=secret)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"secret": "whsec_of_nobody_0123456789abcdef"}, "INVALID_SIGNATURE"),
        ({"at": int(time()) - 3_600}, "STALE_SIGNATURE"),
        ({"at": int(time()) + 3_600}, "STALE_SIGNATURE"),
        ({"stripe_signature": "t=1,v1=00"}, "INVALID_SIGNATURE"),
        ({"stripe_signature": ""}, "REQUIRED_FIELD_MISSING"),
        ({"content_type": "application/x-www-form-urlencoded"}, "UNSUPPORTED_MEDIA_TYPE"),
        ({"content_type": ""}, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
async def test_what_stripe_did_not_sign_just_now_is_refused(
    running: Whole, ann: Person, changes: dict[str, Any], expected: str
) -> None:
    """P1, P4: with 400 and a reason, in the shape of every other error."""
    answer = await send(running, told(ann), **changes)
    assert (answer.status_code, reason(answer)) == (400, expected)
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert await ann.shown() is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "INVALID_BODY"),
        (b" " * (256 * 1024 + 1), "INVALID_BODY"),
        (b"{", "INVALID_EVENT"),
        (b"[" * 10_000, "INVALID_EVENT"),
        (event(UPDATED, {"id": 7}), "INVALID_EVENT"),
    ],
)
async def test_a_body_that_is_no_event_is_refused(running: Whole, body: bytes, expected: str) -> None:
    """P4."""
    answer = await send(running, body)
    assert (answer.status_code, reason(answer)) == (400, expected)


async def test_a_body_that_is_no_utf8_is_refused_unread(running: Whole) -> None:
    """P4."""
    answer = await send(running, b"{}", stripe_signature=f"t={int(time())},v1={'0' * 64}")
    assert reason(answer) == "INVALID_SIGNATURE"
    async with httpx.AsyncClient(base_url=running.url) as client:
        headers = {**JSON, "stripe-signature": f"t={int(time())},v1={'0' * 64}"}
        answer = await client.post(WEBHOOK, content=b'{"id": "\xff"}', headers=headers)
        assert (answer.status_code, reason(answer)) == (400, "INVALID_PAYLOAD")


async def test_it_asks_for_no_origin_sets_no_cookie_and_opens_nothing_to_scripts(running: Whole, ann: Person) -> None:
    """P1: the signature alone counts; a page of another site is told nothing."""
    cookies = "; ".join(f"{name}={value}" for name, value in ann.browser.cookies.items())
    answer = await send(running, told(ann), origin="https://elsewhere.example", cookie=cookies)
    assert answer.status_code == 200
    assert not {"set-cookie", "access-control-allow-origin"} & set(answer.headers)
    async with httpx.AsyncClient(base_url=running.url) as client:
        assert (await client.get(WEBHOOK)).status_code == 405


async def test_the_route_is_described_like_the_others(running: Whole) -> None:
    async with httpx.AsyncClient(base_url=running.url) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert "signed" in paths[WEBHOOK]["post"]["summary"]
    assert "get" in paths["/v1/users/{userId}/subscription"]


async def test_anothers_subscription_is_not_shown_though_it_is_cached(running: Whole, ann: Person) -> None:
    """I6."""
    await send(running, told(ann))
    await ann.shown()
    async with person(running) as bob:
        assert (await bob.browser.get(f"/v1/users/{ann.user_id}/subscription")).status_code == 403
        assert await bob.shown() is None


async def test_a_late_event_of_a_deleted_user_is_answered_and_brings_nothing_back(running: Whole, ann: Person) -> None:
    await send(running, told(ann))
    await ann.shown()
    (await ann.browser.post("/api/auth/delete-user", json={})).raise_for_status()
    answer = await send(running, told(ann, "canceled"))
    assert (answer.status_code, answer.json()) == (200, {"applied": False})


async def test_while_identity_is_away_stripe_is_told_to_send_again(running: Whole, ann: Person) -> None:
    """P3: nothing is lost; the next delivery of the same event is applied."""
    body = told(ann)
    running["identity"].kill()
    try:
        answer = await send(running, body)
        assert (answer.status_code, reason(answer)) == (503, "TRY_AGAIN")
        assert int(answer.headers["retry-after"]) > 0
    finally:
        running["identity"].restore()

    async def is_applied() -> bool:
        return (await send(running, body)).status_code == 200

    await until(is_applied, 15)
    await until(lambda: ann.is_shown("pro", "active"), 15)


async def test_no_secret_and_nothing_of_a_body_is_in_any_log(running: Whole, ann: Person) -> None:
    """I4, K1: canaries in an event that is taken, one that is refused, and one of a user whom we do not have."""
    canary = f"canary{new_id()}"
    await send(running, told(ann, description=canary, customer=f"cus_{canary}"))
    await send(running, told(ann, description=canary), secret=f"whsec_{canary}{canary}")
    await send(running, told(ann, metadata={"userId": "nobody", "email": canary}, id="sub_y"))
    await send(running, event(UPDATED, {"id": canary}))
    for process in ("identity", "gateway", "cache"):
        output = running[process].output()
        assert not any(secret in output for secret in (SECRET, OLD_SECRET, canary)), process
    assert "names an unknown user" in running["identity"].output()


async def test_without_a_secret_set_the_route_names_the_setting(stores: Stores) -> None:
    with whole(stores, "cache", "identity", "gateway", **FAST_HASHING) as processes:
        answer = await send(processes, event(UPDATED, subscription()))
    assert (answer.status_code, reason(answer)) == (400, "STRIPE_NOT_CONFIGURED")
    assert "TRIVET_STRIPE_WEBHOOK_SECRETS" in answer.json()["error"]["message"]
