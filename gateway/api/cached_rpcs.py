"""The RPCs that are read through the cache, as the .proto files declare them."""

from collections.abc import Mapping

from gateway.api.services import SERVICES
from runtime.rpc.caching.cached_rpcs import CachedRpc, declared

CACHED_RPCS: Mapping[str, CachedRpc] = {
    f"{service.full_name}/{rpc.name}": cached
    for services in SERVICES.values()
    for service in services
    for rpc in service.methods
    if (cached := declared(rpc)) is not None
}
"""By full name, for example `trivet.identity.v1.UserService/GetUser`. Every other RPC goes to its service."""

SESSIONS = CACHED_RPCS["trivet.identity.v1.SessionService/VerifySession"]
PROFILES = CACHED_RPCS["trivet.identity.v1.UserService/GetUser"]
SUBSCRIPTIONS = CACHED_RPCS["trivet.identity.v1.SubscriptionService/GetSubscription"]
UNREAD = CACHED_RPCS["trivet.notifications.v1.NotificationService/CountUnread"]
"""The RPCs that the gateway's own code reads."""
