"""The policies of all services in one: which RPCs there are."""

from runtime.rpc.policy import Policy
from services.cache.policy import POLICY as CACHE
from services.identity.policy import POLICY as IDENTITY
from services.notifications.policy import POLICY as NOTIFICATIONS

POLICY: Policy = {**IDENTITY, **NOTIFICATIONS, **CACHE}
