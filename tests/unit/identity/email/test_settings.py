"""What a site's settings decide about addresses."""

import pytest
from pydantic import ValidationError

from services.identity.email.policy import DeletionMode, EmailRules
from services.identity.email.settings import EmailSettings


def rules(monkeypatch: pytest.MonkeyPatch, **environment: str) -> EmailRules:
    for name, value in environment.items():
        monkeypatch.setenv(f"TRIVET_{name}", value)
    return EmailSettings().email_rules


def test_the_usual_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules(monkeypatch) == EmailRules()
    assert EmailRules().signing_up_opens_a_session


@pytest.mark.parametrize(
    ("required", "on_sign_up", "mails"),
    [("true", "", True), ("true", "off", False), ("false", "", False), ("false", "on", True)],
)
def test_signing_up_mails_a_link_where_it_is_required_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, required: str, on_sign_up: str, mails: bool
) -> None:
    found = rules(monkeypatch, REQUIRE_EMAIL_VERIFICATION=required, VERIFY_ON_SIGN_UP=on_sign_up)
    assert found.verify_on_sign_up is mails
    assert found.signing_up_opens_a_session is (required == "false")


def test_all_of_it_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rules(
        monkeypatch,
        AUTO_SIGN_IN="false",
        VERIFY_ON_SIGN_IN="true",
        AUTO_SIGN_IN_AFTER_VERIFICATION="true",
        CHANGE_EMAIL="off",
        DELETE_USER="mail",
        PASSWORD_RESET="off",
    )
    assert found == EmailRules(
        auto_sign_in=False,
        verify_on_sign_in=True,
        auto_sign_in_after_verification=True,
        change_email=False,
        deletion=DeletionMode.MAIL,
        password_reset=False,
    )


@pytest.mark.parametrize("name", ["VERIFY_ON_SIGN_UP", "CHANGE_EMAIL", "DELETE_USER", "PASSWORD_RESET"])
def test_a_word_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValidationError):
        rules(monkeypatch, **{name: "perhaps"})
