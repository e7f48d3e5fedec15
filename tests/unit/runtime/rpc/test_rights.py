"""What an operator gives the product's own programs."""

import pytest

from runtime.rpc.policy import GATEWAY, NO_SERVICE, People, Policy, Rule
from runtime.rpc.rights import UnknownRpcError, checked, with_rights
from runtime.rpc.server import Server
from tests.harness.rpc import answers, settings

USERS, AUDIT = "trivet.identity.v1.UserService", "trivet.notifications.v1.AuditService"
POLICY: Policy = {
    f"{USERS}/GetUser": Rule(People.THEMSELVES, services=GATEWAY, owner="user_id"),
    f"{USERS}/DeleteUser": Rule(People.THEMSELVES, owner="user_id"),
}


def test_a_right_adds_a_program_to_the_rows_that_it_names() -> None:
    granted = with_rights(POLICY, ["billing=UserService/GetUser", "crm=UserService/*"])
    assert granted[f"{USERS}/GetUser"] == Rule(
        People.THEMSELVES, services=frozenset({"gateway", "billing", "crm"}), owner="user_id"
    )
    assert granted[f"{USERS}/DeleteUser"].services == {"crm"}
    assert POLICY[f"{USERS}/DeleteUser"].services == NO_SERVICE, "the table itself stays"


def test_rights_of_another_process_are_its_own() -> None:
    """All processes are given the same value."""
    assert with_rights(POLICY, ["billing=AuditService/ListAuditEvents", "billing=NoService/*"]) == POLICY


def test_a_right_to_what_a_service_does_not_have_stops_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownRpcError, match="billing=UserService/GetUsr: UserService has no GetUsr"):
        with_rights(POLICY, ["billing=UserService/GetUsr"])
    configured = settings(program_rights="billing=UserService/GetUsr")
    with pytest.raises(SystemExit) as stopped:
        Server("identity", configured, 0, policy=POLICY, ping=answers)
    assert stopped.value.code == 2, "as for any wrong setting: what runs it does not try again"
    assert "TRIVET_PROGRAM_RIGHTS: billing=UserService/GetUsr" in capsys.readouterr().err


@pytest.mark.parametrize(
    "right",
    ["billing", "billing=", "billing=GetUser", "=UserService/*", "billing=*/*", "billing=UserService/Get*", "*=A/B"],
)
def test_a_right_out_of_shape_is_refused(right: str) -> None:
    with pytest.raises(ValueError, match="PROGRAM=SERVICE/METHOD"):
        checked((right,))
