"""What identity is told about the verification of addresses, and about what mail may do."""

from typing import Literal

from runtime.settings import Settings, from_env
from services.identity.email.policy import DeletionMode, EmailRules


class EmailSettings(Settings):
    """What a site has decided about email."""

    require_email_verification: bool = from_env(
        "TRIVET_REQUIRE_EMAIL_VERIFICATION",
        default=False,
        description="Whether an address must be verified before its password signs in.",
    )
    auto_sign_in: bool = from_env(
        "TRIVET_AUTO_SIGN_IN", default=True, description="Whether signing up opens a session."
    )
    verify_on_sign_up: Literal["on", "off", ""] = from_env(
        "TRIVET_VERIFY_ON_SIGN_UP",
        default="",
        description="on or off: whether signing up mails a verification link; as verification is required if unset.",
    )
    verify_on_sign_in: bool = from_env(
        "TRIVET_VERIFY_ON_SIGN_IN",
        default=False,
        description="Whether a sign-in that is refused for an unverified address mails the link again.",
    )
    auto_sign_in_after_verification: bool = from_env(
        "TRIVET_AUTO_SIGN_IN_AFTER_VERIFICATION",
        default=False,
        description="Whether following a verification link opens a session.",
    )
    change_email: Literal["on", "off"] = from_env(
        "TRIVET_CHANGE_EMAIL", default="on", description="on or off: people change their address."
    )
    delete_user: Literal["on", "mail", "off"] = from_env(
        "TRIVET_DELETE_USER",
        default="on",
        description="on, mail or off: people delete their account at once, by a link in a mail, or not at all.",
    )
    password_reset: Literal["on", "off"] = from_env(
        "TRIVET_PASSWORD_RESET", default="on", description="on or off: who has forgotten a password is mailed a link."
    )

    @property
    def email_rules(self) -> EmailRules:
        sign_up = self.verify_on_sign_up == "on" or (not self.verify_on_sign_up and self.require_email_verification)
        return EmailRules(
            require_verification=self.require_email_verification,
            auto_sign_in=self.auto_sign_in,
            verify_on_sign_up=sign_up,
            verify_on_sign_in=self.verify_on_sign_in,
            auto_sign_in_after_verification=self.auto_sign_in_after_verification,
            change_email=self.change_email == "on",
            password_reset=self.password_reset == "on",  # noqa: S105  # no password
            deletion=DeletionMode(self.delete_user),
        )
