"""Each row of a policy table, read for each kind of caller."""

import grpc
import pytest

from runtime.errors import PermissionDenied
from runtime.rpc.interceptors import Authorization
from runtime.rpc.policy import GATEWAY, NO_SERVICE, People, Rule, authorize
from runtime.rpc.server import Server
from tests.harness.rpc import POLICY, SERVICE, Users, answers, served, settings
from trivet.client import Actor
from trivet.identity.v1.user_service_pb2 import DESCRIPTOR, DeleteUserRequest, GetUserRequest, UpdateUserRequest
from trivet.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server

PERSON = Actor("gateway", "user1", "user")
ADMIN = Actor("gateway", "root", "admin")
GATEWAY_ITSELF, BILLING = Actor("gateway"), Actor("billing")
OWN = Rule(People.THEMSELVES, GATEWAY, owner="user_id")


@pytest.mark.parametrize(
    ("rule", "actor"),
    [
        (OWN, PERSON),
        (OWN, ADMIN),
        (OWN, GATEWAY_ITSELF),
        (Rule(People.ADMINS), ADMIN),
        (Rule(People.NONE, frozenset({"billing"})), BILLING),
        (Rule(People.NONE, GATEWAY), GATEWAY_ITSELF),
    ],
)
def test_a_rule_lets_in_whom_it_names(rule: Rule, actor: Actor) -> None:
    authorize(rule, actor, GetUserRequest(user_id="user1"))


@pytest.mark.parametrize(
    ("rule", "actor", "reason"),
    [
        (OWN, Actor("gateway", "user2", "user"), "NOT_YOURS"),
        (OWN, BILLING, "CALLER_NOT_ALLOWED"),
        (Rule(People.THEMSELVES, NO_SERVICE), GATEWAY_ITSELF, "CALLER_NOT_ALLOWED"),
        (Rule(People.ADMINS), GATEWAY_ITSELF, "CALLER_NOT_ALLOWED"),
        (Rule(People.NONE), BILLING, "CALLER_NOT_ALLOWED"),
        (Rule(People.ADMINS), PERSON, "ADMIN_REQUIRED"),
        (Rule(People.NONE), PERSON, "SERVICES_ONLY"),
        (Rule(People.NONE), ADMIN, "SERVICES_ONLY"),
    ],
)
def test_and_nobody_else(rule: Rule, actor: Actor, reason: str) -> None:
    """G2."""
    with pytest.raises(PermissionDenied) as denied:
        authorize(rule, actor, GetUserRequest(user_id="user1"))
    assert denied.value.reason == reason


def test_without_an_owner_in_the_row_one_user_reads_another() -> None:
    """What the owner column protects from."""
    authorize(Rule(People.THEMSELVES), Actor("gateway", "user2", "user"), GetUserRequest(user_id="user1"))


def test_the_owner_may_stand_inside_the_resource() -> None:
    rule, request = Rule(People.THEMSELVES, owner="user.id"), UpdateUserRequest()
    authorize(rule, PERSON, request)
    request.user.id = "user2"
    with pytest.raises(PermissionDenied, match=r"user\.id names another user"):
        authorize(rule, PERSON, request)


def test_a_role_that_only_resembles_admin_is_none() -> None:
    with pytest.raises(PermissionDenied):
        authorize(Rule(People.ADMINS), Actor("gateway", "user1", "Admin"), DeleteUserRequest(user_id="user1"))


async def test_a_service_with_an_rpc_that_has_no_row_is_not_served() -> None:
    """G2: default deny, found at start-up."""
    for left_out in DESCRIPTOR.services_by_name["UserService"].methods:
        policy = {method: rule for method, rule in POLICY.items() if not method.endswith(left_out.name)}
        server = Server("identity", settings(), 0, policy=policy, ping=answers)
        with pytest.raises(LookupError, match=f"{left_out.name} has no row"):
            server.add(SERVICE, add_UserServiceServicer_to_server, Users())


async def test_a_method_that_slipped_past_the_table_is_refused_when_called() -> None:
    """G2: even a row that disappears after start-up is no way in."""
    async with served() as running:
        chain_policy = dict(POLICY)
        del chain_policy[f"{SERVICE}/GetUser"]
        allowed = next(each for each in running.server._interceptors if isinstance(each, Authorization))
        allowed._policy = chain_policy  # the table is read-only from outside
        with pytest.raises(grpc.aio.AioRpcError) as denied:
            await running.stub.GetUser(GetUserRequest(user_id="user1"))
        assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert running.users.calls == 0
