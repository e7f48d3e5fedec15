"""Who may call the cache: services for themselves, administrators for the statistics; see also `namespaces.py`."""

from runtime.policy import People, Policy, Rule

SERVICE = "trivet.cache.v1.CacheService"
RATE_LIMITS = "trivet.cache.v1.RateLimitService"

POLICY: Policy = {
    f"{SERVICE}/Get": Rule(People.NONE),
    f"{SERVICE}/BatchGet": Rule(People.NONE),
    f"{SERVICE}/StreamGet": Rule(People.NONE),
    f"{SERVICE}/Set": Rule(People.NONE),
    f"{SERVICE}/BatchSet": Rule(People.NONE),
    f"{SERVICE}/Delete": Rule(People.NONE),
    f"{SERVICE}/BatchDelete": Rule(People.NONE),
    f"{SERVICE}/Invalidate": Rule(People.NONE),
    f"{SERVICE}/Increment": Rule(People.NONE),
    f"{SERVICE}/GetStats": Rule(People.ADMINS),
    f"{SERVICE}/Watch": Rule(People.NONE),
    f"{RATE_LIMITS}/Acquire": Rule(People.NONE),
}
