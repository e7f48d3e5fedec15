"""SubscriptionService: who pays for what."""

from runtime.errors import Absent
from services.identity.billing import subscriptions
from services.identity.billing.stripe_webhook import StripeWebhook
from services.identity.billing.subscriptions import Subscriptions
from services.identity.messages import Context, decode_id, optional_timestamp
from trivet.identity.v1 import subscription_service_pb2
from trivet.identity.v1.subscription_service_pb2 import (
    ApplyStripeEventRequest,
    ApplyStripeEventResponse,
    GetSubscriptionRequest,
)
from trivet.identity.v1.subscription_service_pb2_grpc import SubscriptionServiceServicer


class SubscriptionServicer(SubscriptionServiceServicer):
    def __init__(self, store: Subscriptions, webhook: StripeWebhook) -> None:
        self._subscriptions = store
        self._webhook = webhook

    async def GetSubscription(
        self, request: GetSubscriptionRequest, context: Context
    ) -> subscription_service_pb2.Subscription:
        found = await self._subscriptions.find(decode_id(request.user_id))
        if found is None:
            raise Absent("SUBSCRIPTION_NOT_FOUND", "this user has no subscription")
        return _encode(found)

    async def ApplyStripeEvent(self, request: ApplyStripeEventRequest, context: Context) -> ApplyStripeEventResponse:
        return ApplyStripeEventResponse(applied=await self._webhook.take(request.payload, request.signature))


def _encode(found: subscriptions.Subscription) -> subscription_service_pb2.Subscription:
    terms = found.terms
    return subscription_service_pb2.Subscription(
        id=found.id,
        user_id=found.user_id,
        plan=terms.plan,
        status=found.status,
        period_start_time=optional_timestamp(terms.period_start),
        period_end_time=optional_timestamp(terms.period_end),
        trial_end_time=optional_timestamp(terms.trial_end),
        cancel_at_period_end=terms.cancel_at_period_end,
        seats=terms.seats or 0,
    )
