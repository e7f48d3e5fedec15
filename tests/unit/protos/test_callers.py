"""Each RPC's comment says who can call it, as the policy table does."""

import json
import re

import pytest

from ops.policy import POLICY
from runtime.rpc.policy import People, Rule
from tests.harness.processes import ROOT

COMMENTS: dict[str, str] = json.loads((ROOT / "protos" / "comments.json").read_text())
CALLERS = re.compile(r"Callers: ([^.]+)\.")
NAMES = {"gateway": "the gateway", "ops": "the trivet command"}
NEVER_FOR_ANOTHER = {
    f"trivet.identity.v1.AccountService/{method}"
    for method in ("LinkWithIdToken", "GetAccessToken", "RefreshAccessToken", "GetAccountInfo")
}
"""RPCs that give an administrator no access to another user's tokens: AccountService checks it, not the policy."""


def callers_of(method: str, rule: Rule) -> set[str]:
    """Return the callers in the words of a comment."""
    people = {
        People.NONE: set[str](),
        People.ADMINS: {"administrators"},
        People.THEMSELVES: {"the user", "administrators"},
    }[rule.people]
    if method in NEVER_FOR_ANOTHER:
        people = {"the user"}
    return people | {NAMES.get(service, service) for service in rule.services}


@pytest.mark.parametrize("method", sorted(POLICY))
def test_a_comment_names_the_callers_that_the_policy_allows(method: str) -> None:
    found = CALLERS.findall(COMMENTS[method.replace("/", ".")])
    assert len(found) == 1, "the RPC's comment in the .proto needs one line `Callers: ...`"
    named = found[0].split(", ")
    assert len(named) == len(set(named))
    assert set(named) == callers_of(method, POLICY[method])


def test_only_an_rpc_that_is_implemented_names_callers() -> None:
    named = {name for name, comment in COMMENTS.items() if CALLERS.search(comment)}
    assert named == {method.replace("/", ".") for method in POLICY}, "a row of policy.py, or a line `Callers: ...`"
