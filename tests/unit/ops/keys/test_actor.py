"""`trivet actor` and `trivet keys`: what they print is what services accept."""

import re
from pathlib import Path

import pytest

from ops.keys.pair_keys import CALLS, SERVICES
from runtime.errors import Unauthenticated
from runtime.rpc.actor import Verifier
from tests.harness.stack import environment, trivet
from trivet.client.actor import Actor, decode_pair_keys

pytestmark = pytest.mark.slow


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path / "data")


def printed(own: dict[str, str], *arguments: str) -> list[str]:
    ran = trivet(*arguments, environment=own)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def accepted(own: dict[str, str], service: str) -> dict[str, bytes]:
    """The keys that a service is given."""
    lines = printed(own, "keys", "--for", service)
    value = next(line for line in lines if line.startswith("TRIVET_ACCEPT_KEYS="))
    return decode_pair_keys(value.removeprefix("TRIVET_ACCEPT_KEYS="))


def test_a_service_accepts_what_trivet_actor_prints(own: dict[str, str]) -> None:
    (line,) = printed(own, "actor", "--as", "user:u1", "--role", "admin", "--to", "identity")
    name, _, value = line.partition(": ")
    assert name == "trivet-actor"
    assert Verifier("identity", accepted(own, "identity"))(value) == Actor("gateway", "u1", "admin")


def test_another_service_refuses_it(own: dict[str, str]) -> None:
    """G3."""
    (value,) = printed(own, "actor", "--as", "service:ops", "--to", "identity", "-q")
    with pytest.raises(Unauthenticated):
        Verifier("cache", accepted(own, "cache"))(value)


def test_without_to_there_is_a_line_for_each_service(own: dict[str, str]) -> None:
    lines = printed(own, "actor", "--as", "service:ops")
    assert [re.match(r"trivet-actor: v1\.ops\.(\w+)\.", line)[1] for line in lines] == list(SERVICES)  # type: ignore[index]  # every line matches


@pytest.mark.parametrize("who", ["ops", "user:", "service:nobody", "group:x", "user:a.b", "user:a\nb", "user:é"])
def test_a_wrong_caller_is_one_line_and_status_2(own: dict[str, str], who: str) -> None:
    refused = trivet("actor", "--as", who, environment=own)
    assert refused.returncode == 2
    assert re.fullmatch(r"trivet: .+\n", refused.stderr)


def test_keys_show_no_process_more_than_it_needs(own: dict[str, str]) -> None:
    """No output holds the secret, and a service accepts only those who call it, and the programs."""
    text = "\n".join(printed(own, "keys"))
    assert own["TRIVET_SECRET"] not in text
    for service in SERVICES:
        callers = {caller for caller, audiences in CALLS.items() if service in audiences}
        assert accepted(own, service).keys() == callers | {"ops"}


def test_a_program_gets_keys_once_it_is_named(own: dict[str, str]) -> None:
    assert trivet("keys", "--for", "billing", environment=own).returncode == 2
    own["TRIVET_PROGRAMS"] = "ops,billing"
    (line,) = printed(own, "keys", "--for", "billing")
    assert decode_pair_keys(line.removeprefix("TRIVET_CALL_KEYS="))["cache"] == accepted(own, "cache")["billing"]
