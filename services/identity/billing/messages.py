"""Converts subscriptions to protobuf messages."""

from services.identity.billing.subscriptions import Subscription
from services.identity.messages import optional_timestamp
from trivet.identity.v1 import subscription_service_pb2


def encode_subscription(found: Subscription) -> subscription_service_pb2.Subscription:
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
