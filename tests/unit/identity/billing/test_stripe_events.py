"""What Stripe's events mean, in the shapes of older and newer API versions."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.errors import InvalidArgument
from services.identity.billing.stripe_events import READERS, ThinEvent, read_event, read_object
from services.identity.billing.stripe_terms import SubscriptionEvent, Terms
from tests.harness.peers.stripe import NOW, checkout, event, invoice, old_subscription, subscription, thin_event

PLANS = {"price_pro": "pro", "prod_team": "team"}
START, END = datetime.fromtimestamp(NOW, UTC), datetime.fromtimestamp(NOW + 2_592_000, UTC)
PERIOD = {"current_period_start": NOW, "current_period_end": NOW + 2_592_000}


def news(kind: str, told: dict[str, Any]) -> SubscriptionEvent:
    found = read_event(event(kind, told).decode(), PLANS)
    assert isinstance(found, SubscriptionEvent)
    return found


def terms(told: dict[str, Any]) -> Terms:
    found = news("customer.subscription.updated", told).terms
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind.startswith("customer.subscription.")])
def test_every_event_of_a_subscription_tells_all_of_it(kind: str) -> None:
    assert news(kind, subscription(metadata={"userId": "u1"})) == SubscriptionEvent(
        "evt_1", NOW, "sub_1", "cus_1", "u1", Terms("pro", "active", START, END, None, seats=3)
    )


def test_the_period_is_found_beside_the_items_too() -> None:
    found = terms(old_subscription("past_due", trial_end=NOW + 9))
    assert (found.period_start, found.period_end, found.plan) == (START, END, "plan_old")
    assert found.trial_end == datetime.fromtimestamp(NOW + 9, UTC)


def test_a_plan_is_known_by_price_or_product_and_else_by_the_prices_own_name() -> None:
    def plan(*prices: dict[str, Any]) -> tuple[str, int | None]:
        items = [PERIOD | {"price": price, "quantity": number} for number, price in enumerate(prices, 1)]
        found = terms(subscription(items={"data": items}))
        return found.plan, found.seats

    assert plan({"id": "price_1", "product": "prod_team"}) == ("team", 1)
    assert plan({"id": "price_1", "product": {"id": "prod_team", "object": "product"}}) == ("team", 1)
    assert plan({"id": "price_1", "product": "prod_1"}) == ("price_1", 1)
    assert plan({"id": "price_1", "product": "prod_1", "lookup_key": "gold"}) == ("gold", 1)
    assert plan({"id": "price_usage", "product": "prod_1"}, {"id": "price_pro", "product": "prod_1"}) == ("pro", 2)
    assert plan({"id": "price_1", "lookup_key": "x" * 200}) == ("x" * 64, 1)


def test_a_cancel_at_the_periods_end_is_told_in_either_way() -> None:
    assert terms(subscription(cancel_at_period_end=True)).cancel_at_period_end
    assert terms(subscription(cancel_at=NOW + 2_592_000)).cancel_at_period_end
    assert not terms(subscription(cancel_at=NOW + 1)).cancel_at_period_end


@pytest.mark.parametrize(
    ("metadata", "user_id"),
    [
        ({"referenceId": "r", "userId": "u"}, "r"),  # whose it is, before who bought it
        ({"userId": "u"}, "u"),
        ({"user_id": "u"}, "u"),
        ({"user_id": ""}, ""),
        ({"user_id": "' OR 1=1"}, "-"),
        ({"user_id": "x" * 37}, "-"),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_user_is_the_one_that_the_metadata_names(metadata: dict[str, str] | None, user_id: str) -> None:
    """As Better Auth's plugin writes it, or plainly; what cannot be an id is nobody's."""
    assert news("customer.subscription.created", subscription(metadata=metadata)).user_id == user_id


def test_a_checkout_says_whose_a_subscription_is() -> None:
    kind = "checkout.session.completed"
    assert news(kind, checkout("u1")) == SubscriptionEvent("evt_1", NOW, "sub_1", "cus_1", "u1")
    assert news(kind, checkout(None, metadata={"user_id": "u2"})).user_id == "u2"
    assert news(kind, checkout("u1", subscription=subscription(), customer={"id": "cus_9"})).customer_id == "cus_9"
    assert read_event(event(kind, checkout("u1", subscription=None)).decode(), PLANS) is None


@pytest.mark.parametrize(
    ("kind", "paid"), [("invoice.paid", True), ("invoice.payment_succeeded", True), ("invoice.payment_failed", False)]
)
def test_an_invoice_says_of_its_subscription_whether_it_was_paid(kind: str, paid: bool) -> None:
    expected = SubscriptionEvent("evt_1", NOW, "sub_1", "cus_1", paid=paid)
    assert news(kind, invoice()) == expected
    assert news(kind, {"customer": "cus_1", "subscription": "sub_1"}) == expected
    assert read_event(event(kind, {"customer": "cus_1", "parent": None}).decode(), PLANS) is None


@pytest.mark.parametrize("kind", ["customer.created", "customer.subscription.pending_update_applied", "v2.core.event"])
def test_any_other_type_is_of_no_concern(kind: str) -> None:
    """P3: whatever it holds."""
    assert read_event(event(kind, {"items": 7}).decode(), PLANS) is None


@pytest.mark.parametrize(
    "kind",
    [
        "v2.core.event_destination.ping",
        "v1.billing.meter.error_report_triggered",
        "v1.customer.created",
        "v1.customer.subscription.pending_update_applied",
    ],
)
@pytest.mark.parametrize("changes", [{}, {"related_object": None}, {"created": 7, "id": None}])
def test_a_thin_event_of_any_other_type_is_of_no_concern(kind: str, changes: dict[str, Any]) -> None:
    assert read_event(thin_event(kind, "x_1", **changes).decode(), PLANS) is None


@pytest.mark.parametrize("kind", READERS)
def test_a_thin_event_names_the_object_to_read(kind: str) -> None:
    found = read_event(thin_event(f"v1.{kind}", "x_1").decode(), PLANS)
    assert isinstance(found, ThinEvent)
    assert (found.event_id, found.created, found.kind, found.object_id) == ("evt_1", NOW, kind, "x_1")
    whole = {"checkout/sessions": checkout("u1"), "invoices": invoice(), "subscriptions": subscription()}
    assert read_object(found, whole[found.collection], PLANS) == news(kind, whole[found.collection])
    with pytest.raises(InvalidArgument):
        read_object(found, {"subscription": 7}, PLANS)


@pytest.mark.parametrize("changes", [{"related_object": None}, {"related_object": {}}, {"created": "noon"}, {"id": 7}])
def test_a_thin_event_in_another_shape_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        read_event(thin_event("v1.customer.subscription.updated", "sub_1", **changes).decode(), PLANS)


@pytest.mark.parametrize("items", [{"data": []}, {"object": "list", "data": []}, {}, None])
def test_a_subscription_without_items_has_no_plan(items: dict[str, Any] | None) -> None:
    """All that is left of it may be its end: it is told like any other."""
    told = subscription("canceled", items=items) | PERIOD
    assert terms(told) == Terms("", "canceled", START, END, None)
    assert terms(without("items")).plan == ""


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in subscription().items() if key != name}


@pytest.mark.parametrize(
    "told",
    [
        *(without(name) for name in ("id", "status")),
        subscription() | {"status": 7},
        subscription(status="x" * 33),
        subscription(items={"data": [{}]}),
        subscription(customer=[]),
        subscription(customer="cus\0"),
        subscription(trial_end=-1),
        subscription(trial_end=10**15),
        subscription(trial_end=True),
        subscription(trial_end=1.5),
    ],
)
def test_an_event_in_no_shape_of_stripes_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_event(event("customer.subscription.updated", told).decode(), PLANS)
    assert caught.value.reason == "INVALID_EVENT"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", "{}", '"x"', "[" * 100_000, json.dumps({"id": "evt_1", "type": 7, "created": 7})],
)
def test_what_is_no_event_is_refused(text: str) -> None:
    """P4."""
    with pytest.raises(InvalidArgument, match="does not have the shape that Stripe documents"):
        read_event(text, PLANS)
