"""The table of RPCs that are read through the cache says what their owners say."""

import pytest
from google.protobuf.descriptor import MethodDescriptor

from gateway.cached import CACHED_RPCS, PROFILES, SUBSCRIPTIONS, CachedRpc, reader
from gateway.services import SERVICES
from runtime.policy import People, Rule
from services.identity.policy import POLICY
from services.identity.servicers import subscriptions, users
from trivet.identity.v1.subscription_service_pb2 import Subscription
from trivet.identity.v1.user_service_pb2 import GetUserRequest


def method(name: str) -> MethodDescriptor:
    services = {service.full_name: service for group in SERVICES.values() for service in group}
    service, _, rpc = name.partition("/")
    return services[service].methods_by_name[rpc]


@pytest.mark.parametrize(("name", "cached"), CACHED_RPCS.items())
def test_a_hit_is_shown_to_whom_the_owners_policy_would_let_ask(name: str, cached: CachedRpc) -> None:
    """G3: the row of identity's own table."""
    assert POLICY[name] == Rule(People.THEMSELVES, owner=cached.owner)


@pytest.mark.parametrize(("name", "cached"), CACHED_RPCS.items())
def test_the_fields_are_fields_of_the_rpcs_request(name: str, cached: CachedRpc) -> None:
    assert {cached.key, cached.owner} <= set(method(name).input_type.fields_by_name)


def test_the_namespace_is_the_one_that_identity_fills() -> None:
    assert PROFILES.namespace == users.NAMESPACE
    assert SUBSCRIPTIONS.namespace == subscriptions.NAMESPACE


def test_an_empty_entry_is_left_to_its_owner_where_it_says_that_there_is_none() -> None:
    """A person without a subscription is 404 of its owner's, not an empty one."""
    assert reader(Subscription, may_be_none=SUBSCRIPTIONS.may_be_none)(b"") is None
    assert reader(Subscription)(b"") == Subscription()


@pytest.mark.parametrize(
    ("user_id", "is_admin", "shown"), [("me", False, True), ("other", False, False), ("other", True, True)]
)
def test_a_hit_is_for_the_person_themselves_and_for_administrators(user_id: str, is_admin: bool, shown: bool) -> None:
    assert PROFILES.may_be_shown(GetUserRequest(user_id="me"), user_id, is_admin=is_admin) is shown
