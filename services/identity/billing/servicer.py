"""SubscriptionService: reads subscriptions and applies Stripe's events."""

from runtime.errors import Absent
from services.identity.billing.messages import encode_subscription
from services.identity.billing.stripe_webhook import StripeWebhook
from services.identity.billing.subscriptions import Subscriptions
from services.identity.messages import Context, decode_id
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
        return encode_subscription(found)

    async def ApplyStripeEvent(self, request: ApplyStripeEventRequest, context: Context) -> ApplyStripeEventResponse:
        return ApplyStripeEventResponse(applied=await self._webhook.apply(request.payload, request.signature))
