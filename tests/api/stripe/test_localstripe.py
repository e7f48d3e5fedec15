"""A server that is not ours sends: localstripe makes subscriptions and tells of them, signed as Stripe signs."""

from collections.abc import Iterator

import pytest

from tests.api.stripe.conftest import WEBHOOK, person
from tests.harness.peers.stripe import API_KEY, SECRET, Stripe, localstripe
from tests.harness.people import FAST_HASHING
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole


@pytest.fixture(scope="module")
def provider() -> Iterator[Stripe]:
    with localstripe() as found:
        found.create("plans", id="pro-plan", amount="0", currency="eur", interval="month", name="Pro")
        yield found


@pytest.fixture(scope="module", params=["events alone", "the API"])
def billed(request: pytest.FixtureRequest, stores: Stores, provider: Stripe) -> Iterator[Whole]:
    """A stack that localstripe sends to, and that asks it if it has a key."""
    settings = {"TRIVET_STRIPE_WEBHOOK_SECRETS": SECRET, "TRIVET_STRIPE_PLANS": "pro-plan=pro"}
    if request.param == "the API":
        settings |= {"TRIVET_STRIPE_API_KEY": API_KEY, "TRIVET_STRIPE_API_BASE": provider.url}
    with whole(stores, "cache", "identity", "gateway", **settings, **FAST_HASHING) as processes:
        provider.send_to(f"{processes.url}{WEBHOOK}")
        yield processes
        assert API_KEY not in processes["identity"].output()


async def test_a_subscription_made_and_ended_at_localstripe_is_shown_and_ends(billed: Whole, provider: Stripe) -> None:
    """P1, P3: a server that is not ours signs and sends."""
    async with person(billed) as ann:
        assert await ann.shown() is None
        customer = provider.create("customers", email="ann@example.com")["id"]
        made = provider.create(
            "subscriptions",
            **{
                "customer": customer,
                "items[0][plan]": "pro-plan",
                "items[0][quantity]": "4",
                "metadata[userId]": ann.user_id,
            },
        )
        await until(lambda: ann.is_shown("pro", "active"), 15)
        shown = await ann.shown()
        assert shown is not None
        assert shown["seats"] == 4
        provider.end(made["id"])
        await until(lambda: ann.is_shown("pro", "canceled"), 15)
