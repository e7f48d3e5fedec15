"""gRPC for people: the real grpcurl and `buf curl` against a running stack, with metadata from `trivet actor`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.keys.pair_keys import SERVICES
from tests.e2e.accounts import sign_up
from tests.harness.stack import Stack

BIN = Path(sys.executable).parent
USERS = "trivet.identity.v1.UserService"
SERVED = {
    "identity": USERS,
    "notifications": "trivet.notifications.v1.NotificationService",
    "cache": "trivet.cache.v1.CacheService",
}


def grpcurl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([BIN / "grpcurl", "-plaintext", *arguments], capture_output=True, text=True, timeout=20)


def buf_curl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BIN / "buf"), "curl", "--http2-prior-knowledge", "--protocol", "grpc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def actor(stack: Stack, who: str, *, role: str = "user", to: str = "identity") -> str:
    """What `trivet actor` prints, as a person pastes it."""
    return stack.run("actor", "--as", who, "--role", role, "--to", to).stdout.strip()


@pytest.mark.parametrize("name", SERVICES)
def test_grpcurl_lists_what_each_service_serves(stack: Stack, name: str) -> None:
    listed = grpcurl(stack.addresses[name], "list").stdout.split()
    assert {SERVED[name], "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= set(listed)


@pytest.mark.parametrize("name", SERVICES)
def test_grpcurl_describes_a_service_and_a_message(stack: Stack, name: str) -> None:
    assert (
        f"service {SERVED[name].rpartition('.')[2]}" in grpcurl(stack.addresses[name], "describe", SERVED[name]).stdout
    )
    if name == "identity":
        described = grpcurl(stack.addresses[name], "describe", "trivet.identity.v1.GetUserRequest").stdout
        assert "string user_id = 1" in described


@pytest.mark.parametrize("name", SERVICES)
def test_health_needs_no_actor(stack: Stack, name: str) -> None:
    assert json.loads(grpcurl(stack.addresses[name], "grpc.health.v1.Health/Check").stdout) == {"status": "SERVING"}


def test_grpcurl_calls_as_a_user_and_as_a_program(stack: Stack) -> None:
    user_id = sign_up(stack.url, "grpcurl@example.com")
    body = json.dumps({"user_id": user_id})
    for who in (f"user:{user_id}", "service:ops"):
        called = grpcurl("-H", actor(stack, who), "-d", body, stack.addresses["identity"], f"{USERS}/GetUser")
        assert json.loads(called.stdout)["email"] == "grpcurl@example.com", called.stderr


def test_grpcurl_shows_an_error_with_its_details(stack: Stack) -> None:
    metadata = actor(stack, "service:ops")
    refused = grpcurl("-H", metadata, "-d", '{"user_id": "x"}', stack.addresses["identity"], f"{USERS}/GetUser")
    assert refused.returncode != 0
    assert "Code: NotFound" in refused.stderr
    assert '"reason":"USER_NOT_FOUND"' in refused.stderr


def test_a_call_without_an_actor_is_told_where_to_get_one(stack: Stack) -> None:
    refused = grpcurl("-d", '{"user_id": "x"}', stack.addresses["identity"], f"{USERS}/GetUser")
    assert "Code: Unauthenticated" in refused.stderr
    assert "see `trivet actor`" in refused.stderr


def test_metadata_meant_for_one_service_is_refused_by_another(stack: Stack) -> None:
    """G3."""
    metadata = actor(stack, "user:somebody", role="admin", to="cache")
    refused = grpcurl("-H", metadata, "-d", '{"user_id": "x"}', stack.addresses["identity"], f"{USERS}/GetUser")
    assert "Code: Unauthenticated" in refused.stderr


def test_buf_curl_lists_calls_and_shows_an_error(stack: Stack) -> None:
    address = f"http://{stack.addresses['identity']}"
    assert f"{USERS}/GetUser" in buf_curl("--list-methods", address).stdout
    metadata = actor(stack, "user:somebody", role="admin")
    listed = buf_curl("-H", metadata, "-d", "{}", f"{address}/{USERS}/ListUsers")
    assert listed.returncode == 0, listed.stderr
    refused = buf_curl("-H", metadata, "-d", '{"user_id": "x"}', f"{address}/{USERS}/GetUser")
    error = json.loads(refused.stderr or refused.stdout)
    assert error["code"] == "not_found"
    assert error["details"][0]["type"] == "google.rpc.ErrorInfo"
