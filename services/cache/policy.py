"""Who can call each RPC: services for themselves, administrators for the statistics."""

from runtime.rpc.policy import GATEWAY, IDENTITY, NOTIFICATIONS, OPERATORS, People, Policy, Rule

SERVICE = "trivet.cache.v1.CacheService"
RATE_LIMITS = "trivet.cache.v1.RateLimitService"

# `namespaces.py` decides which entries and tags each service can use.
PROCESSES = Rule(People.NONE, services=GATEWAY | IDENTITY | NOTIFICATIONS)

POLICY: Policy = {
    f"{SERVICE}/Get": PROCESSES,
    f"{SERVICE}/BatchGet": PROCESSES,
    f"{SERVICE}/StreamGet": PROCESSES,
    f"{SERVICE}/Set": PROCESSES,
    f"{SERVICE}/BatchSet": PROCESSES,
    f"{SERVICE}/Delete": PROCESSES,
    f"{SERVICE}/BatchDelete": PROCESSES,
    f"{SERVICE}/Invalidate": PROCESSES,
    f"{SERVICE}/Increment": PROCESSES,
    f"{SERVICE}/GetStats": Rule(People.ADMINS, services=OPERATORS),
    f"{SERVICE}/Watch": PROCESSES,
    f"{RATE_LIMITS}/Acquire": PROCESSES,
}
