"""The site's rules for email: verification, and what a mailed link can do."""

from dataclasses import dataclass
from enum import Enum

from runtime.errors import FailedPrecondition


class DeletionMode(Enum):
    """How users can delete their own account: at once, by a mailed link, or not at all."""

    ON = "on"
    MAIL = "mail"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class EmailRules:
    """The rules, as the settings of `EmailSettings` set them."""

    require_verification: bool = False
    auto_sign_in: bool = True
    verify_on_sign_up: bool = False
    verify_on_sign_in: bool = False
    auto_sign_in_after_verification: bool = False
    change_email: bool = True
    password_reset: bool = True
    deletion: DeletionMode = DeletionMode.ON

    @property
    def signing_up_opens_a_session(self) -> bool:
        """Whether a sign-up opens a session. If not, its response does not reveal whether the email was taken."""
        return self.auto_sign_in and not self.require_verification

    def admit_deletion(self) -> None:
        """Raise FailedPrecondition (DELETE_USER_DISABLED) if users cannot delete their own account."""
        if self.deletion is DeletionMode.OFF:
            raise FailedPrecondition("DELETE_USER_DISABLED", "users cannot delete their own account on this site")

    def admit_deletion_at_once(self) -> None:
        """As `admit_deletion`, and raise FailedPrecondition (DELETE_USER_BY_MAIL) if a deletion needs a mailed link."""
        self.admit_deletion()
        if self.deletion is DeletionMode.MAIL:
            raise FailedPrecondition(
                "DELETE_USER_BY_MAIL", "a deletion needs a mailed link: call VerificationService.RequestUserDeletion"
            )
