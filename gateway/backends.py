"""The services behind the gateway: a channel for each, and the stubs that the gateway calls."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.own_calls import OwnChannel
from gateway.settings import GatewaySettings
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client import Channel, Signer
from trivet.identity.v1.account_service_pb2_grpc import AccountServiceStub
from trivet.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceStub
from trivet.identity.v1.subscription_service_pb2_grpc import SubscriptionServiceStub
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub
from trivet.identity.v1.verification_service_pb2_grpc import VerificationServiceStub
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceStub
from trivet.notifications.v1.mailbox_service_pb2_grpc import MailboxServiceStub
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub


@dataclass(frozen=True, kw_only=True)
class Backends:
    """A channel by the name of each service, and the stubs of identity, notifications and cache."""

    channels: Mapping[str, Channel]
    accounts: AccountServiceStub
    auth: AuthServiceStub
    sessions: SessionServiceStub
    subscriptions: SubscriptionServiceStub
    users: UserServiceStub
    verification: VerificationServiceStub
    logs: LogServiceStub
    mailbox: MailboxServiceStub
    notifications: NotificationServiceStub
    cache: CacheServiceStub
    limits: RateLimitServiceStub

    async def connected(self, seconds: float) -> None:
        """Wait until the channels of all services are connected, `seconds` at most."""
        waiting = [asyncio.ensure_future(channel.channel_ready()) for channel in self.channels.values()]
        _, late = await asyncio.wait(waiting, timeout=seconds)
        for each in late:
            each.cancel()


@asynccontextmanager
async def open_backends(settings: GatewaySettings) -> AsyncIterator[Backends]:
    """Open the channels. The services do not have to run yet."""
    signer = Signer("gateway", settings.call_keys)
    addresses = {
        "identity": settings.identity_address,
        "notifications": settings.notifications_address,
        "cache": settings.cache_address,
    }
    async with AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(OwnChannel.open(address, name, signer, lengthens=True))
            for name, address in addresses.items()
        }
        identity, notifications, cache = channels["identity"], channels["notifications"], channels["cache"]
        yield Backends(
            channels=channels,
            accounts=AccountServiceStub(identity),
            auth=AuthServiceStub(identity),
            sessions=SessionServiceStub(identity),
            subscriptions=SubscriptionServiceStub(identity),
            users=UserServiceStub(identity),
            verification=VerificationServiceStub(identity),
            logs=LogServiceStub(notifications),
            mailbox=MailboxServiceStub(notifications),
            notifications=NotificationServiceStub(notifications),
            cache=CacheServiceStub(cache),
            limits=RateLimitServiceStub(cache),
        )
