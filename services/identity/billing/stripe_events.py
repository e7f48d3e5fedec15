"""What an event of Stripe's means for a subscription, in its older and newer shapes (docs.stripe.com/api/events)."""

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
"""Keys of metadata: whose a subscription is, and who bought it, as Better Auth's plugin writes; and the plain one."""

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThinEvent:
    """An event that only names the object that has changed: `collection` and `object_id` say where it is read."""

    event_id: str
    created: int
    kind: str
    collection: str
    object_id: str


class _MalformedError(Exception):
    """An event has not the shape that Stripe documents."""


WRONG_SHAPE = (ValueError, KeyError, TypeError, IndexError, AttributeError, _MalformedError)


def read_event(text: str, plans: Mapping[str, str]) -> SubscriptionEvent | ThinEvent | None:
    """Return what a signed event says of a subscription, None if it is of no concern.

    A type that we do not know is of no concern whatever its shape: Stripe turns an endpoint off that refuses events.
    Raises InvalidArgument for a known type in another shape.
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
        raise InvalidArgument("INVALID_EVENT", "this is no event as Stripe documents it", field="payload") from None


def read_object(thin: ThinEvent, found: Object, plans: Mapping[str, str]) -> SubscriptionEvent | None:
    """Return what a thin event says of a subscription, by the object that it names. Raises InvalidArgument."""
    try:
        return READERS[thin.kind](thin.event_id, thin.created, found, plans)
    except WRONG_SHAPE:
        raise InvalidArgument("INVALID_EVENT", "this is no object as Stripe documents it") from None


def terms_of(subscription: Object, plans: Mapping[str, str]) -> Terms:
    """Return the terms in a subscription of Stripe's. Raises InvalidArgument."""
    try:
        return _terms(subscription, plans)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, _MalformedError):
        raise InvalidArgument("INVALID_EVENT", "this is no subscription as Stripe documents it") from None


def user_of(subscription: Object) -> str:
    """Return the user that the metadata of an object names, empty if none."""
    metadata = subscription.get("metadata")
    if not isinstance(metadata, Mapping):
        return ""
    return _user(next((metadata[name] for name in NAMES_OF_A_USER if metadata.get(name)), None))


def _user(value: Any) -> str:
    """Return a user's id, empty for none; what cannot be one is an id that nobody has."""
    if not value:
        return ""
    return value if isinstance(value, str) and USER_ID.fullmatch(value) else NO_USER


def _subscription(event_id: str, created: int, told: Object, plans: Mapping[str, str]) -> SubscriptionEvent:
    customer, user_id = _id(told.get("customer")), user_of(told)
    return SubscriptionEvent(event_id, created, _word(told, "id"), customer, user_id, terms=_terms(told, plans))


def _thin(event: Object, kind: str) -> ThinEvent:
    created = int(datetime.fromisoformat(event["created"]).timestamp())
    collection = next(path for beginning, path in COLLECTIONS.items() if kind.startswith(beginning))
    return ThinEvent(_word(event, "id"), _second(created), kind, collection, _word(event["related_object"], "id"))


def _checkout(event_id: str, created: int, told: Object, _: Mapping[str, str]) -> SubscriptionEvent | None:
    subscription_id = _id(told.get("subscription"))
    if not subscription_id:  # a single payment
        return None
    user_id = _user(told.get("client_reference_id")) or user_of(told)
    return SubscriptionEvent(event_id, created, subscription_id, _id(told.get("customer")), user_id)


def _invoice(*, paid: bool) -> Callable[[str, int, Object, Mapping[str, str]], SubscriptionEvent | None]:
    def tell(event_id: str, created: int, told: Object, _: Mapping[str, str]) -> SubscriptionEvent | None:
        # Since 2025-03-31 an invoice names its subscription as one of several kinds of parent.
        parent = _object(told.get("parent") or {})
        details = _object(parent.get("subscription_details") or told.get("subscription_details") or {})
        subscription_id = _id(told.get("subscription") or details.get("subscription"))
        if not subscription_id:
            return None
        return SubscriptionEvent(
            event_id, created, subscription_id, _id(told.get("customer")), user_of(details), paid=paid
        )

    return tell


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
"""By type; any other is of no concern."""

THIN_PREFIX = "v1."
"""What the type of a thin event about an object of API v1 begins with (docs.stripe.com/events/how-events-work)."""

COLLECTIONS = {
    "checkout.session.": "checkout/sessions",
    "customer.subscription.": "subscriptions",
    "invoice.": "invoices",
}
"""Where the objects of an event are read, by what its type begins with."""


def _terms(told: Object, plans: Mapping[str, str]) -> Terms:
    items = told.get("items") or {}
    item = _item(items["data"], plans) if items.get("data") else None
    if item is None:  # a subscription without items has no plan
        return _terms_of_item(told, {}, "")
    return _terms_of_item(told, item, _plan(item, plans))


def _terms_of_item(told: Object, item: Object, plan: str) -> Terms:
    # Since 2025-03-31 the items have periods, of which all are the same but where they are billed apart.
    start, end = (item.get(name) or told.get(name) for name in ("current_period_start", "current_period_end"))
    ends_with_period = bool(told.get("cancel_at_period_end")) or (end is not None and told.get("cancel_at") == end)
    return Terms(
        plan=plan,
        status=_matching(STATUS, told["status"]),
        period_start=_moment(start),
        period_end=_moment(end),
        trial_end=_moment(told.get("trial_end")),
        cancel_at_period_end=ends_with_period,
        seats=_seats(item.get("quantity")),
    )


def _item(items: list[Object], plans: Mapping[str, str]) -> Object:
    """Return the item that has a plan's name, the first one if none has: others may be seats or usage."""
    return next((item for item in items if any(name in plans for name in _names(item))), items[0])


def _names(item: Object) -> list[str]:
    """Return what an item's plan may be known by: product and price by their ids, and the price's own name."""
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
    """Return the id of an object that is named or, as Stripe says, expanded; empty if there is none."""
    if value is None:
        return ""
    return _word(value, "id") if isinstance(value, dict) else _matching(WORD, value)


def _word(value: Any, name: str) -> str:
    return _matching(WORD, value[name])


def _matching(shape: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise _MalformedError
    return value
