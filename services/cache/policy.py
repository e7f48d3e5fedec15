"""Who may call the cache: services for themselves, administrators for the statistics; see also `namespaces.py`.

What none of Trivet's processes calls is there for the product's own programs.
"""

from runtime.policy import GATEWAY, IDENTITY, NOTIFICATIONS, OPERATORS, People, Policy, Rule

SERVICE = "trivet.cache.v1.CacheService"
RATE_LIMITS = "trivet.cache.v1.RateLimitService"

FRONT_DOOR = Rule(People.NONE, services=GATEWAY)
OWNERS = Rule(People.NONE, services=IDENTITY | NOTIFICATIONS)
NO_PROCESS = Rule(People.NONE)

POLICY: Policy = {
    f"{SERVICE}/Get": FRONT_DOOR,
    f"{SERVICE}/BatchGet": FRONT_DOOR,
    f"{SERVICE}/StreamGet": FRONT_DOOR,
    f"{SERVICE}/Set": OWNERS,
    f"{SERVICE}/BatchSet": FRONT_DOOR,
    f"{SERVICE}/Delete": NO_PROCESS,
    f"{SERVICE}/BatchDelete": NO_PROCESS,
    f"{SERVICE}/Invalidate": OWNERS,
    f"{SERVICE}/Increment": NO_PROCESS,
    f"{SERVICE}/GetStats": Rule(People.ADMINS, services=OPERATORS),
    f"{SERVICE}/Watch": FRONT_DOOR,
    f"{RATE_LIMITS}/Acquire": FRONT_DOOR,
}
