"""The RPCs that are read through the cache are those that declare it, and they declare what their owners say."""

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.api.cached_rpcs import CACHED_RPCS, PROFILES, SESSIONS, SUBSCRIPTIONS, UNREAD
from gateway.api.services import SERVICES
from runtime.rpc.caching.cached_rpcs import CachedRpc
from runtime.rpc.policy import People, Policy
from services.cache.namespaces import SHARED, SHARED_TAGS
from services.identity.policy import POLICY as IDENTITY
from services.notifications.policy import POLICY as NOTIFICATIONS
from trivet.identity.v1.subscription_service_pb2 import GetSubscriptionRequest
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.notifications.v1.notification_service_pb2 import CountUnreadRequest

POLICY: Policy = {**IDENTITY, **NOTIFICATIONS}
OWNED = {name: cached for name, cached in CACHED_RPCS.items() if cached.owner}
PROCESS_OF = {service.full_name: process for process, services in SERVICES.items() for service in services}


def method(name: str) -> MethodDescriptor:
    services = {service.full_name: service for group in SERVICES.values() for service in group}
    service, _, rpc = name.partition("/")
    return services[service].methods_by_name[rpc]


def test_what_is_read_far_more_than_written_is_declared() -> None:
    namespaces = {cached.namespace for cached in CACHED_RPCS.values()}
    assert namespaces == {"sessions", "profiles", "subscriptions", "preferences", "unread"}


@pytest.mark.parametrize(("name", "cached"), OWNED.items())
def test_a_hit_is_shown_to_whom_the_owners_policy_would_let_ask(name: str, cached: CachedRpc) -> None:
    """G3: the row of the service's own table."""
    rule = POLICY[name]
    assert (rule.people, rule.owner) == (People.THEMSELVES, cached.owner)


@pytest.mark.parametrize(("name", "cached"), CACHED_RPCS.items())
def test_the_service_of_the_rpc_alone_may_fill_for_as_long_as_is_declared(name: str, cached: CachedRpc) -> None:
    namespace, owner = SHARED[cached.namespace], frozenset({PROCESS_OF[name.partition("/")[0]]})
    assert namespace.fillers == owner
    assert namespace.lease_required
    assert "gateway" in namespace.readers
    assert namespace.max_ttl_ms == cached.ttl.total_seconds() * 1_000
    tags = cached.tags_of("k", GetMessageClass(method(name).output_type)())
    assert {SHARED_TAGS[tag.partition(":")[0] + ":"] for tag in tags} == {owner}


@pytest.mark.parametrize(
    ("user_id", "is_admin", "shown"), [("me", False, True), ("other", False, False), ("other", True, True)]
)
def test_a_hit_is_for_the_person_themselves_and_for_administrators(user_id: str, is_admin: bool, shown: bool) -> None:
    assert PROFILES.may_be_shown(GetUserRequest(user_id="me"), user_id, is_admin=is_admin) is shown


def test_who_names_nobody_means_themselves_where_that_may_be_left_out() -> None:
    assert UNREAD.key_of(CountUnreadRequest(), "me") == "me"
    assert UNREAD.may_be_shown(CountUnreadRequest(), "me", is_admin=False)
    assert UNREAD.key_of(CountUnreadRequest(user_id="you"), "me") == "you"
    assert not UNREAD.may_be_shown(CountUnreadRequest(user_id="you"), "me", is_admin=False)


def test_where_it_is_required_nobody_is_nobody() -> None:
    assert PROFILES.key_of(GetUserRequest(), "me") == ""
    assert not SUBSCRIPTIONS.may_be_shown(GetSubscriptionRequest(), "me", is_admin=False)


def test_a_session_is_shown_by_no_route() -> None:
    """Whoever knows the token is who it is for, and the gateway alone looks."""
    assert not SESSIONS.may_be_shown(GetUserRequest(), "", is_admin=True)
