"""Opens billing, and serves SubscriptionService."""

from contextlib import AsyncExitStack

from runtime.background.periodic import periodically
from runtime.rpc.server import Server
from services.identity.billing.servicer import SubscriptionServicer
from services.identity.billing.settings import StripeSettings
from services.identity.billing.stripe_webhook import open_webhook
from services.identity.billing.subscriptions import Subscriptions
from services.identity.stores import Stores
from trivet.identity.v1.subscription_service_pb2_grpc import add_SubscriptionServiceServicer_to_server


async def open_billing(
    stack: AsyncExitStack, stores: Stores, settings: StripeSettings, *, sweep_seconds: float
) -> SubscriptionServicer:
    """Open the webhook and start the sweeper, until the stack ends; return the servicer."""
    subscriptions = Subscriptions(stores.database, stores.outbox)
    webhook = await stack.enter_async_context(open_webhook(subscriptions, settings))
    await stack.enter_async_context(periodically("sweeper of subscriptions", sweep_seconds, subscriptions.sweep))
    return SubscriptionServicer(subscriptions, webhook)


def add_billing(server: Server, servicer: SubscriptionServicer) -> None:
    server.add("trivet.identity.v1.SubscriptionService", add_SubscriptionServiceServicer_to_server, servicer)
