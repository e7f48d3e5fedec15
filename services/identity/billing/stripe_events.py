"""Parses Stripe's events about subscriptions, in older and newer shapes (docs.stripe.com/api/events)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runtime import json_text
from runtime.errors import InvalidArgument
from services.identity.billing.settings import PLAN_LENGTH
from services.identity.billing.stripe_terms import SubscriptionEvent, Terms

WORD = re.compile(r"[!-~]{1,255}")
STATUS = re.compile(r"[a-z_]{1,32}")
USER_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
NO_USER = "-"
LAST_SECOND = 253_402_300_799
MAX_SEATS = 2**31 - 1
NAMES_OF_A_USER = ("referenceId", "userId", "user_id")
"""Keys of metadata that name the user: the owner and the buyer, as Better Auth's plugin writes them, and `user_id`."""

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThinEvent:
    """An event that only names the changed object. `collection` and `object_id` say where to read it."""

    event_id: str
    created: int
    kind: str
    collection: str
    object_id: str


class _MalformedError(Exception):
    """An event does not have the shape that Stripe documents."""


WRONG_SHAPE = (ValueError, KeyError, TypeError, IndexError, AttributeError, _MalformedError)


def read_event(text: str, plans: Mapping[str, str]) -> SubscriptionEvent | ThinEvent | None:
    """Parse a signed event; None if its type is ignored.

    An unknown type is ignored in every shape, because Stripe switches off an endpoint that rejects events. Raises
    InvalidArgument (INVALID_EVENT) for a known type in another shape.
    """
    try:
        event = json_text.parse(text)
        kind = _word(event, "type")
        if kind.startswith(THIN_PREFIX) and (known := kind.removeprefix(THIN_PREFIX)) in READERS:
            return _thin(event, known)
        if kind not in READERS:
            return None
        return READERS[kind](_word(event, "id"), _second(event["created"]), _object(event["data"]["object"]), plans)
    except WRONG_SHAPE:
        raise InvalidArgument(
            "INVALID_EVENT", "the event does not have the shape that Stripe documents", field="payload"
        ) from None


def read_object(thin: ThinEvent, found: Object, plans: Mapping[str, str]) -> SubscriptionEvent | None:
    """Parse the object that a thin event names. Raises InvalidArgument (INVALID_EVENT)."""
    try:
        return READERS[thin.kind](thin.event_id, thin.created, found, plans)
    except WRONG_SHAPE:
        raise InvalidArgument("INVALID_EVENT", "the object does not have the shape that Stripe documents") from None


def terms_of(subscription: Object, plans: Mapping[str, str]) -> Terms:
    """Return the terms of a subscription object. Raises InvalidArgument (INVALID_EVENT)."""
    try:
        return _terms(subscription, plans)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, _MalformedError):
        raise InvalidArgument(
            "INVALID_EVENT", "the subscription does not have the shape that Stripe documents"
        ) from None


def user_of(subscription: Object) -> str:
    """Return the user id in the metadata of an object, empty if there is none."""
    metadata = subscription.get("metadata")
    if not isinstance(metadata, Mapping):
        return ""
    return _user(next((metadata[name] for name in NAMES_OF_A_USER if metadata.get(name)), None))


def _user(value: Any) -> str:
    """Return a user id, empty if there is none. An invalid id becomes NO_USER, which matches no user."""
    if not value:
        return ""
    return value if isinstance(value, str) and USER_ID.fullmatch(value) else NO_USER


def _subscription(event_id: str, created: int, data: Object, plans: Mapping[str, str]) -> SubscriptionEvent:
    customer, user_id = _id(data.get("customer")), user_of(data)
    return SubscriptionEvent(event_id, created, _word(data, "id"), customer, user_id, terms=_terms(data, plans))


def _thin(event: Object, kind: str) -> ThinEvent:
    created = int(datetime.fromisoformat(event["created"]).timestamp())
    collection = next(path for beginning, path in COLLECTIONS.items() if kind.startswith(beginning))
    return ThinEvent(_word(event, "id"), _second(created), kind, collection, _word(event["related_object"], "id"))


def _checkout(event_id: str, created: int, data: Object, _: Mapping[str, str]) -> SubscriptionEvent | None:
    subscription_id = _id(data.get("subscription"))
    if not subscription_id:  # a single payment
        return None
    user_id = _user(data.get("client_reference_id")) or user_of(data)
    return SubscriptionEvent(event_id, created, subscription_id, _id(data.get("customer")), user_id)


def _invoice(*, paid: bool) -> Callable[[str, int, Object, Mapping[str, str]], SubscriptionEvent | None]:
    def read(event_id: str, created: int, data: Object, _: Mapping[str, str]) -> SubscriptionEvent | None:
        # Since 2025-03-31 the subscription of an invoice is one of several kinds of parent.
        parent = _object(data.get("parent") or {})
        details = _object(parent.get("subscription_details") or data.get("subscription_details") or {})
        subscription_id = _id(data.get("subscription") or details.get("subscription"))
        if not subscription_id:
            return None
        return SubscriptionEvent(
            event_id, created, subscription_id, _id(data.get("customer")), user_of(details), paid=paid
        )

    return read


READERS: Mapping[str, Callable[[str, int, Object, Mapping[str, str]], SubscriptionEvent | None]] = {
    "checkout.session.completed": _checkout,
    "customer.subscription.created": _subscription,
    "customer.subscription.updated": _subscription,
    "customer.subscription.deleted": _subscription,
    "customer.subscription.paused": _subscription,
    "customer.subscription.resumed": _subscription,
    "customer.subscription.trial_will_end": _subscription,
    "invoice.paid": _invoice(paid=True),
    "invoice.payment_succeeded": _invoice(paid=True),
    "invoice.payment_failed": _invoice(paid=False),
}
"""The parsers by type of event. Other types are ignored."""

THIN_PREFIX = "v1."
"""The prefix of a thin event's type, about an object of API v1 (docs.stripe.com/events/how-events-work)."""

COLLECTIONS = {
    "checkout.session.": "checkout/sessions",
    "customer.subscription.": "subscriptions",
    "invoice.": "invoices",
}
"""The collections of the API by the prefix of an event's type."""


def _terms(data: Object, plans: Mapping[str, str]) -> Terms:
    items = data.get("items") or {}
    item = _item(items["data"], plans) if items.get("data") else None
    if item is None:  # a subscription without items has no plan
        return _terms_of_item(data, {}, "")
    return _terms_of_item(data, item, _plan(item, plans))


def _terms_of_item(data: Object, item: Object, plan: str) -> Terms:
    # Since 2025-03-31 the items have the periods. They are equal unless the items are billed separately.
    start, end = (item.get(name) or data.get(name) for name in ("current_period_start", "current_period_end"))
    ends_with_period = bool(data.get("cancel_at_period_end")) or (end is not None and data.get("cancel_at") == end)
    return Terms(
        plan=plan,
        status=_matching(STATUS, data["status"]),
        period_start=_moment(start),
        period_end=_moment(end),
        trial_end=_moment(data.get("trial_end")),
        cancel_at_period_end=ends_with_period,
        seats=_seats(item.get("quantity")),
    )


def _item(items: list[Object], plans: Mapping[str, str]) -> Object:
    """Return the first item with a configured plan, or else the first item. Other items can be seats or usage."""
    return next((item for item in items if any(name in plans for name in _names(item))), items[0])


def _names(item: Object) -> list[str]:
    """Return the names of an item's plan: the ids of product and price, and the price's lookup_key."""
    price = _object(item.get("price") or item["plan"])
    own = price.get("lookup_key")
    names = [_id(price.get("product")), _word(price, "id")]
    return [*filter(None, names), *([own] if isinstance(own, str) and own and own.isprintable() else [])]


def _plan(item: Object, plans: Mapping[str, str]) -> str:
    names = _names(item)
    return next((plans[name] for name in names if name in plans), names[-1])[:PLAN_LENGTH]


def _seats(quantity: Any) -> int | None:
    return quantity if isinstance(quantity, int) and 0 <= quantity <= MAX_SEATS else None


def _moment(seconds: Any) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(_second(seconds), UTC)


def _second(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LAST_SECOND:
        raise _MalformedError
    return value


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise _MalformedError
    return value


def _id(value: Any) -> str:
    """Return the id of an object, given as an id or expanded; empty if there is none."""
    if value is None:
        return ""
    return _word(value, "id") if isinstance(value, dict) else _matching(WORD, value)


def _word(value: Any, name: str) -> str:
    return _matching(WORD, value[name])


def _matching(shape: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise _MalformedError
    return value
