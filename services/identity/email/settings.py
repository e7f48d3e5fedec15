"""The settings of email verification and of what a mailed link can do."""

from typing import Literal

from runtime.settings import Settings, from_env
from services.identity.email.policy import DeletionMode, EmailRules


class EmailSettings(Settings):
    """The site's rules for email."""

    require_email_verification: bool = from_env(
        "TRIVET_REQUIRE_EMAIL_VERIFICATION",
        default=False,
        description="Whether a user must verify the email address before the password opens a session.",
    )
    auto_sign_in: bool = from_env("TRIVET_AUTO_SIGN_IN", default=True, description="Whether a sign-up opens a session.")
    verify_on_sign_up: Literal["on", "off", ""] = from_env(
        "TRIVET_VERIFY_ON_SIGN_UP",
        default="",
        description="on or off: whether a sign-up mails a verification link. Unset, it follows "
        "TRIVET_REQUIRE_EMAIL_VERIFICATION.",
    )
    verify_on_sign_in: bool = from_env(
        "TRIVET_VERIFY_ON_SIGN_IN",
        default=False,
        description="Whether a sign-in that fails because the address is not verified mails the link again.",
    )
    auto_sign_in_after_verification: bool = from_env(
        "TRIVET_AUTO_SIGN_IN_AFTER_VERIFICATION",
        default=False,
        description="Whether a verification link opens a session.",
    )
    change_email: Literal["on", "off"] = from_env(
        "TRIVET_CHANGE_EMAIL", default="on", description="on or off: whether users can change their email address."
    )
    delete_user: Literal["on", "mail", "off"] = from_env(
        "TRIVET_DELETE_USER",
        default="on",
        description="on, mail or off: users can delete their account at once, by a mailed link, or not at all.",
    )
    password_reset: Literal["on", "off"] = from_env(
        "TRIVET_PASSWORD_RESET",
        default="on",
        description="on or off: whether users can reset a forgotten password by a mailed link.",
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
