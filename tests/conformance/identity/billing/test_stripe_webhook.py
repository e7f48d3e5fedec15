"""Events on every engine with Stripe's API at hand: what they tell of is read anew (P3)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from runtime.errors import Aborted, FailedPrecondition, InvalidArgument, Unavailable
from services.identity.billing.stripe_api import MAX_BYTES, StripeApi
from services.identity.billing.stripe_terms import SubscriptionEvent, Terms
from services.identity.billing.stripe_webhook import ATTEMPTS, StripeWebhook
from services.identity.billing.subscriptions import Subscriptions
from tests.conformance.identity.conftest import Identity
from tests.harness.peers.stripe import API_KEY, NOW, SECRET, checkout, event, invoice, signed, subscription, thin_event

PLANS = {"price_pro": "pro"}
UPDATED = "customer.subscription.updated"
Meanwhile = Callable[[], Awaitable[object]]


@dataclass
class Server:
    """Stripe's API as far as it is asked: one subscription, and what the test wants to happen before the answer."""

    now: dict[str, Any] = field(default_factory=subscription)
    status: int = 200
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)
    meanwhile: list[Meanwhile] = field(default_factory=list)
    hangs: bool = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = json.dumps(self.now).encode() if self.body is None else self.body
        if self.meanwhile:
            await self.meanwhile.pop()()
        if self.hangs:
            await reader.read()
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()


@dataclass
class Stage:
    """A webhook, the API that it asks, and a user whom events may be about."""

    webhook: StripeWebhook
    subscriptions: Subscriptions
    api: Server
    user_id: str

    async def send(self, kind: str, told: dict[str, Any], event_id: str = "evt_1", created: int = NOW) -> bool:
        body = event(kind, told, event_id=event_id, created=created)
        return await self.webhook.apply(body, signed(body))

    async def shown(self) -> tuple[str, str] | None:
        found = await self.subscriptions.find(self.user_id)
        return None if found is None else (found.terms.plan, found.status)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[StripeApi]:
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, StripeApi.open(f"http://127.0.0.1:{port}", API_KEY, seconds=30) as api:
        yield api


@pytest.fixture
async def stage(identity: Identity) -> AsyncIterator[Stage]:
    user, _ = await identity.sign_up()
    server = Server(subscription(metadata={"userId": user.id}))
    store = Subscriptions(identity.database, identity.outbox, now=identity.clock)
    async with serving(server) as api:
        yield Stage(StripeWebhook(store, [SECRET], PLANS, api, now=identity.clock), store, server, user.id)


async def test_what_is_known_is_what_stripe_says_now_whatever_the_event_said(stage: Stage) -> None:
    """P3."""
    assert await stage.send(UPDATED, subscription("incomplete"))
    assert await stage.shown() == ("pro", "active")
    assert "GET /v1/subscriptions/sub_1 " in stage.api.asked[0]
    assert f"authorization: bearer {API_KEY}" in stage.api.asked[0].lower()


async def test_a_checkout_or_an_invoice_alone_brings_the_whole_subscription(stage: Stage) -> None:
    """P3: events that are missing are not missed."""
    stage.api.now["metadata"] = {}
    assert await stage.send("checkout.session.completed", checkout(stage.user_id))
    assert await stage.shown() == ("pro", "active")
    stage.api.now["status"] = "past_due"
    assert await stage.send("invoice.payment_failed", invoice(), "evt_2", NOW + 1)
    assert await stage.shown() == ("pro", "past_due")


async def test_a_thin_event_is_taken_by_what_it_names(stage: Stage) -> None:
    body = thin_event("v1.customer.subscription.updated", "sub_1")
    assert await stage.webhook.apply(body, signed(body))
    assert await stage.shown() == ("pro", "active")
    assert not await stage.webhook.apply(body, signed(body)), "once"
    stage.api.status = 404
    body = thin_event("v1.invoice.paid", "in/../1", id="evt_2")
    assert not await stage.webhook.apply(body, signed(body)), "it is another account's, or gone"
    assert "GET /v1/invoices/in%2F..%2F1 " in stage.api.asked[-1]


async def test_without_a_key_thin_events_are_ignored_and_the_log_says_what_to_do(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = StripeWebhook(stage.subscriptions, [SECRET], PLANS, now=lambda: datetime.fromtimestamp(NOW, UTC))
    for number in range(3):
        body = thin_event("v1.customer.subscription.updated", "sub_1", id=f"evt_{number}")
        assert not await webhook.apply(body, signed(body))
    [said] = [record.getMessage() for record in caplog.records if "thin events" in record.getMessage()]
    assert "TRIVET_STRIPE_API_KEY" in said


async def test_an_older_event_that_comes_late_brings_nothing_old_back(stage: Stage) -> None:
    """P3."""
    await stage.send(UPDATED, subscription(), "evt_2", NOW)
    await stage.send(UPDATED, subscription("incomplete"), "evt_1", NOW - 60)
    assert await stage.shown() == ("pro", "active")


async def test_a_later_look_stays_over_an_earlier_one_that_is_slow(stage: Stage) -> None:
    """P3: the slow look is taken again, not written over what came after it."""

    async def other_event() -> None:
        stage.api.now["status"] = "canceled"
        await stage.send("customer.subscription.deleted", subscription("canceled"), "evt_2", NOW)

    stage.api.meanwhile.append(other_event)  # its answer has been made before
    await stage.send(UPDATED, subscription(), "evt_1", NOW)
    assert await stage.shown() == ("pro", "canceled")
    assert len(stage.api.asked) == 3


async def test_without_the_look_at_who_wrote_meanwhile_an_old_answer_would_win(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    apply = stage.subscriptions.apply
    monkeypatch.setattr(stage.subscriptions, "apply", lambda news, **_: apply(news))
    await test_what_is_known_is_what_stripe_says_now_whatever_the_event_said(stage)

    async def other_event() -> None:
        stage.api.now["status"] = "canceled"
        await stage.send("customer.subscription.deleted", subscription("canceled"), "evt_3", NOW)

    stage.api.meanwhile.append(other_event)
    await stage.send(UPDATED, subscription(), "evt_2", NOW)
    assert await stage.shown() == ("pro", "active")


async def test_a_look_that_is_always_overtaken_ends_and_stripe_is_to_send_again(stage: Stage) -> None:
    """P3: what takes too long is no loop without an end."""

    async def other(number: int) -> None:
        news = SubscriptionEvent(
            f"evt_other_{number}", NOW + number, "sub_1", user_id=stage.user_id, terms=Terms("pro", "unpaid")
        )
        await stage.subscriptions.apply(news)

    stage.api.meanwhile = [partial(other, number) for number in reversed(range(ATTEMPTS))]
    with pytest.raises(Aborted):
        await stage.send(UPDATED, subscription())
    await stage.send(UPDATED, subscription(), created=NOW + ATTEMPTS)
    assert await stage.shown() == ("pro", "active")


async def test_a_repeated_event_asks_nobody(stage: Stage) -> None:
    """P2."""
    assert await stage.send(UPDATED, subscription())
    assert not await stage.send(UPDATED, subscription())
    assert len(stage.api.asked) == 1


async def test_twenty_deliveries_at_once_have_one_effect_with_the_api_too(stage: Stage) -> None:
    """P2."""
    done = await asyncio.gather(*(stage.send(UPDATED, subscription()) for _ in range(20)))
    assert done.count(True) == 1
    assert await stage.shown() == ("pro", "active")


async def test_a_subscription_that_this_account_has_not_is_taken_by_the_events_word(stage: Stage) -> None:
    stage.api.status = 404
    assert await stage.send(UPDATED, subscription("past_due", metadata={"userId": stage.user_id}))
    assert await stage.shown() == ("pro", "past_due")


@pytest.mark.parametrize("status", [401, 403, 429, 500, 302])
async def test_an_event_that_cannot_be_looked_up_now_is_left_to_its_next_delivery(
    stage: Stage, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """P3: and is not lost."""
    stage.api.status = status
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as caught:
        await stage.send(UPDATED, subscription())
    assert caught.value.reason == "STRIPE_UNAVAILABLE"
    assert ("TRIVET_STRIPE_API_KEY" in caplog.text) is (status in (401, 403))
    assert API_KEY not in caplog.text
    stage.api.status = 200
    assert await stage.send(UPDATED, subscription())
    assert await stage.shown() == ("pro", "active")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b" " * (MAX_BYTES + 1), b"\xff"])
async def test_an_answer_that_is_none_is_no_answer(stage: Stage, body: bytes) -> None:
    stage.api.body = body
    with pytest.raises(Unavailable):
        await stage.send(UPDATED, subscription())


async def test_stripe_is_not_waited_for_longer_than_it_waits_for_us(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3: a slow look-up ends before Stripe's own time-out."""
    stage.api.hangs = True
    monkeypatch.setattr(stage.webhook._api, "_seconds", 0.1)
    async with asyncio.timeout(2):
        with pytest.raises(Unavailable):
            await stage.send(UPDATED, subscription())


async def test_what_stripe_did_not_sign_is_not_even_looked_up(stage: Stage) -> None:
    """P1."""
    body = event(UPDATED, subscription())
    with pytest.raises(InvalidArgument):
        await stage.webhook.apply(body, signed(body, "whsec_somebody_elses_0123456789"))
    assert (stage.api.asked, await stage.shown()) == ([], None)


async def test_a_user_whom_we_do_not_have_is_told_of_without_a_name(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """I4: the log names the event alone."""
    stage.api.now = subscription(metadata={"userId": "a_stranger"}, description="stranger@example.com")
    assert not await stage.send(UPDATED, subscription(metadata={"userId": "a_stranger"}))
    assert "evt_1" in caplog.text
    assert "stranger" not in caplog.text


async def test_without_a_secret_nobody_is_believed(identity: Identity) -> None:
    body = event(UPDATED, subscription())
    store = Subscriptions(identity.database, identity.outbox)
    with pytest.raises(FailedPrecondition, match="TRIVET_STRIPE_WEBHOOK_SECRETS"):
        await StripeWebhook(store, [], {}, now=identity.clock).apply(body, signed(body, ""))
