"""Taking an event of Stripe's: checked, read, looked up again where that is possible, applied once."""

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

taken = Counter(
    "trivet_stripe_events_total", "Events of Stripe's that were taken, by what became of them.", ["outcome"]
)


@asynccontextmanager
async def open_webhook(subscriptions: Subscriptions, settings: StripeSettings) -> "AsyncIterator[StripeWebhook]":
    """Open what the settings say, with Stripe's API if there is a key for it."""
    secrets = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]
    if secrets:
        import_module("stripe")  # which takes a while: now, and not as the first event comes
    if not (key := settings.stripe_api_key.get_secret_value()):
        yield StripeWebhook(subscriptions, secrets, settings.stripe_plans)
        return
    from services.identity.billing.stripe_api import StripeApi

    async with StripeApi.open(settings.stripe_api_base, key) as api:
        yield StripeWebhook(subscriptions, secrets, settings.stripe_plans, api)


class StripeWebhook:
    """What Stripe sends. Whatever is not applied by fault of ours is raised, so that Stripe sends it again.

    With an `api`, an event says only that something has changed: the subscription is read anew, outside of any
    transaction. Without one, events add up by their own times.
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

    async def take(self, payload: bytes, signature: str) -> bool:
        """Apply an event; return whether it changed anything.

        Raises InvalidArgument for what Stripe has not signed, FailedPrecondition (STRIPE_NOT_CONFIGURED) without a
        secret, Unavailable if Stripe's API was to be asked and does not answer.
        """
        if not self._secrets:
            raise FailedPrecondition(
                "STRIPE_NOT_CONFIGURED", "set TRIVET_STRIPE_WEBHOOK_SECRETS to take Stripe's events"
            )
        news = stripe_events.read_event(verify(payload, signature, self._secrets, self._now()), self._plans)
        if isinstance(news, ThinEvent):
            news = await self._told(news)
        if news is None:
            taken.labels("of_no_concern").inc()
            return False
        outcome = await (
            self._subscriptions.apply(news) if self._api is None else self._read_and_apply(news, self._api)
        )
        taken.labels(outcome.value).inc()
        if outcome is EventOutcome.UNKNOWN_USER:
            logger.warning("Stripe's event %s is about a user whom we do not have", news.event_id)
        return outcome in (EventOutcome.APPLIED, EventOutcome.UNCLAIMED)

    async def _told(self, thin: ThinEvent) -> SubscriptionEvent | None:
        """Return what a thin event says, by reading its object; None if that is gone, or there is no key to read it."""
        if self._api is None:
            if not self._warned:
                logger.warning(
                    "Stripe sends thin events, which hold no data, and they are ignored: set TRIVET_STRIPE_API_KEY, "
                    "or have the event destination send snapshots"
                )
            self._warned = True
            return None
        found = await self._api.read(thin.collection, thin.object_id)
        return None if found is None else stripe_events.read_object(thin, found, self._plans)

    async def _read_and_apply(self, news: SubscriptionEvent, api: "StripeApi") -> EventOutcome:
        """Apply what the subscription is now. Of two who look at once, the later look is the one that stays."""
        for _ in range(ATTEMPTS):
            seen = await self._subscriptions.row_version(news)
            if seen is None:
                return EventOutcome.REPEATED
            found = await api.subscription(news.subscription_id)
            now = news if found is None else self._read(news, found)
            try:
                return await self._subscriptions.apply(now, seen=seen)
            except RowChangedError:
                continue
        raise events_race()

    def _read(self, news: SubscriptionEvent, found: Mapping[str, object]) -> SubscriptionEvent:
        user_id = news.user_id or stripe_events.user_of(found)
        return replace(news, terms=stripe_events.terms_of(found, self._plans), user_id=user_id, read=True)
