"""Applies Stripe's webhook events: verifies, parses, reads the current object if possible, and applies it once."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from prometheus_client import Counter

from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition
from services.identity.billing import stripe_events
from services.identity.billing.settings import StripeSettings
from services.identity.billing.stripe_events import ThinEvent
from services.identity.billing.stripe_signature import verify
from services.identity.billing.stripe_terms import SubscriptionEvent
from services.identity.billing.subscriptions import EventOutcome, RowChangedError, Subscriptions, events_race

if TYPE_CHECKING:
    from services.identity.billing.stripe_api import StripeApi

logger = logging.getLogger(__name__)
ATTEMPTS = 5

taken = Counter("trivet_stripe_events_total", "Stripe events by outcome.", ["outcome"])


@asynccontextmanager
async def open_webhook(subscriptions: Subscriptions, settings: StripeSettings) -> "AsyncIterator[StripeWebhook]":
    """Open the webhook, with Stripe's API if an API key is configured."""
    secrets = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]
    if secrets:
        import_module("stripe")  # slow: at the start, not at the first event
    if not (key := settings.stripe_api_key.get_secret_value()):
        yield StripeWebhook(subscriptions, secrets, settings.stripe_plans)
        return
    from services.identity.billing.stripe_api import StripeApi

    async with StripeApi.open(settings.stripe_api_base, key) as api:
        yield StripeWebhook(subscriptions, secrets, settings.stripe_plans, api)


class StripeWebhook:
    """Applies events. A failure of ours raises, so that Stripe sends the event again.

    With an `api`, an event only says that something has changed: the subscription is read from Stripe, outside of a
    transaction. Without an `api`, events are merged by their own times.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        secrets: Sequence[str],
        plans: Mapping[str, str],
        api: "StripeApi | None" = None,
        *,
        now: Clock = utc_now,
    ) -> None:
        self._subscriptions = subscriptions
        self._secrets = secrets
        self._plans = plans
        self._api = api
        self._warned = False
        self._now = now

    async def apply(self, payload: bytes, signature: str) -> bool:
        """Apply an event; return whether it changed anything.

        Raises InvalidArgument if the signature or the payload is invalid, FailedPrecondition (STRIPE_NOT_CONFIGURED)
        without a secret, and Unavailable (STRIPE_UNAVAILABLE) if Stripe's API does not answer.
        """
        if not self._secrets:
            raise FailedPrecondition(
                "STRIPE_NOT_CONFIGURED", "no webhook secret is configured: set TRIVET_STRIPE_WEBHOOK_SECRETS"
            )
        event = stripe_events.read_event(verify(payload, signature, self._secrets, self._now()), self._plans)
        if isinstance(event, ThinEvent):
            event = await self._read_thin_event(event)
        if event is None:
            taken.labels("of_no_concern").inc()
            return False
        outcome = await (
            self._subscriptions.apply(event) if self._api is None else self._read_and_apply(event, self._api)
        )
        taken.labels(outcome.value).inc()
        if outcome is EventOutcome.UNKNOWN_USER:
            logger.warning("Stripe event %s names an unknown user", event.event_id)
        return outcome in (EventOutcome.APPLIED, EventOutcome.UNCLAIMED)

    async def _read_thin_event(self, thin: ThinEvent) -> SubscriptionEvent | None:
        """Read the object of a thin event; None if it does not exist, or without an API key."""
        if self._api is None:
            if not self._warned:
                logger.warning(
                    "Stripe sends thin events, which contain no data, and they are ignored: set TRIVET_STRIPE_API_KEY, "
                    "or configure snapshot events at Stripe"
                )
            self._warned = True
            return None
        found = await self._api.read(thin.collection, thin.object_id)
        return None if found is None else stripe_events.read_object(thin, found, self._plans)

    async def _read_and_apply(self, event: SubscriptionEvent, api: "StripeApi") -> EventOutcome:
        """Read the subscription from Stripe and apply it. Of two concurrent reads, the later one wins."""
        for _ in range(ATTEMPTS):
            seen = await self._subscriptions.row_version(event)
            if seen is None:
                return EventOutcome.REPEATED
            found = await api.subscription(event.subscription_id)
            now = event if found is None else self._read(event, found)
            try:
                return await self._subscriptions.apply(now, seen=seen)
            except RowChangedError:
                continue
        raise events_race()

    def _read(self, event: SubscriptionEvent, found: Mapping[str, object]) -> SubscriptionEvent:
        user_id = event.user_id or stripe_events.user_of(found)
        return replace(event, terms=stripe_events.terms_of(found, self._plans), user_id=user_id, read=True)
