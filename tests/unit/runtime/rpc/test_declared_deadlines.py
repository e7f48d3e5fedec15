"""The deadlines that .proto files declare, and that no limit below or above them is out of reach."""

import pytest

from gateway.api.me import PART_SECONDS
from gateway.auth.protocol import known_addresses
from gateway.http.rate_limiter import SharedRateLimiter
from gateway.middleware.deadline import REQUEST_SECONDS
from gateway.readiness import PROBE_SECONDS
from runtime.rpc.caching import fills, invalidations
from runtime.rpc.health import STORE_CHECK_SECONDS
from runtime.rpc.interceptors import Deadlines
from runtime.settings import ServiceSettings
from services.cache.invalidation.servicer import CONFIRM_SECONDS
from services.cache.redis import store as cache_store
from services.identity.billing import stripe_api
from services.identity.oauth import token_refresh
from services.identity.oauth.providers import http_client, provider_http, relying_party
from services.identity.outbox import outbox_subscribers
from services.identity.store import leases
from services.identity.store.engine.engine import StoreLimits
from services.notifications.logs import query
from services.notifications.privacy import user_data
from services.notifications.settings import NotificationsSettings
from trivet.client.channel import DEFAULT_TIMEOUT_SECONDS
from trivet.client.methods import declared_deadline, methods
from trivet.client.near import lookup_batcher

ACCOUNTS = "trivet.identity.v1.AccountService"
DECLARED = {
    method.full_name: seconds
    for audience in ("identity", "notifications", "cache")
    for method in methods(audience)
    if (seconds := declared_deadline(method)) is not None
}
ASKING = [name for name in DECLARED if name.startswith(ACCOUNTS)]


def test_the_rpcs_that_wait_for_an_outside_host_are_those_with_a_deadline_of_their_own() -> None:
    assert DECLARED.keys() == {
        f"{ACCOUNTS}.BeginOAuth",
        f"{ACCOUNTS}.CompleteOAuth",
        f"{ACCOUNTS}.SignInWithIdToken",
        f"{ACCOUNTS}.LinkWithIdToken",
        f"{ACCOUNTS}.GetAccessToken",
        f"{ACCOUNTS}.RefreshAccessToken",
        f"{ACCOUNTS}.GetAccountInfo",
        "trivet.identity.v1.SubscriptionService.ApplyStripeEvent",
    }


def test_a_service_ends_a_call_at_the_declared_deadline_and_every_other_at_its_own() -> None:
    interceptor = Deadlines(0.5)
    for method in methods("identity"):
        interceptor.prepare(method.full_name, method)
        assert interceptor._limits[method.full_name] == DECLARED.get(method.full_name, 0.5)


@pytest.mark.parametrize("rpc", ASKING)
def test_each_call_has_time_for_one_whole_answer_of_a_provider_and_for_its_own(rpc: str) -> None:
    assert http_client.CONNECT_SECONDS + http_client.POOL_SECONDS < provider_http.TOTAL_SECONDS
    assert DECLARED[rpc] > provider_http.TOTAL_SECONDS + relying_party.ANSWER_SECONDS


@pytest.mark.parametrize("rpc", ["GetAccessToken", "RefreshAccessToken", "GetAccountInfo"])
def test_a_refresh_ends_before_those_who_wait_for_it_and_before_its_lease(rpc: str) -> None:
    assert token_refresh.LEASE_WAIT_SECONDS + provider_http.TOTAL_SECONDS < token_refresh.REFRESH_SECONDS
    assert DECLARED[f"{ACCOUNTS}.{rpc}"] > token_refresh.REFRESH_SECONDS + 1
    assert leases.LIFETIME.total_seconds() > token_refresh.REFRESH_SECONDS


def test_asking_stripe_ends_before_the_call_that_asks() -> None:
    asked = DECLARED["trivet.identity.v1.SubscriptionService.ApplyStripeEvent"]
    assert asked > stripe_api.TOTAL_SECONDS + relying_party.ANSWER_SECONDS


def test_limits_of_a_service_are_below_the_deadlines_that_its_callers_give() -> None:
    """A limit above its caller's deadline is never reached, and what it protects from happens."""
    limits, notifications = StoreLimits(), NotificationsSettings.model_fields["store_timeout_ms"].default / 1_000
    for below, above in (
        (limits.turn_seconds, DEFAULT_TIMEOUT_SECONDS),
        (limits.attempt_seconds, DEFAULT_TIMEOUT_SECONDS),
        (limits.statement_seconds, limits.attempt_seconds),
        (limits.lock_seconds, limits.statement_seconds),
        (notifications, DEFAULT_TIMEOUT_SECONDS),
        (query.SEARCH_SECONDS, DEFAULT_TIMEOUT_SECONDS),
        (user_data.ERASE_SECONDS, outbox_subscribers.SECONDS),
        (STORE_CHECK_SECONDS, PROBE_SECONDS),
        (PROBE_SECONDS, REQUEST_SECONDS),
        (cache_store.READ_SECONDS, lookup_batcher.LOOKUP_SECONDS),
        (cache_store.READ_SECONDS, SharedRateLimiter.ANSWER_SECONDS),
        (cache_store.READ_SECONDS, known_addresses.READ_SECONDS),
        (cache_store.WRITE_SECONDS, known_addresses.WRITE_SECONDS),
        (cache_store.WRITE_SECONDS, fills.FILL_SECONDS),
        (fills.FILL_WAIT_SECONDS, fills.FILL_SECONDS),
        (CONFIRM_SECONDS, invalidations.INVALIDATE_SECONDS),
        (PART_SECONDS, REQUEST_SECONDS),
        (DEFAULT_TIMEOUT_SECONDS, REQUEST_SECONDS),
        (DEFAULT_TIMEOUT_SECONDS, ServiceSettings.model_fields["call_limit_seconds"].default),
    ):
        assert below < above
