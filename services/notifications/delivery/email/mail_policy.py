"""Whether this process sends, keeps or rejects mail."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.notifications.delivery.deliveries import KEPT, QUEUED, email_delivery
from services.notifications.delivery.email.message import Email
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.store.mongo import Document


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """The process either sends mail, or keeps it for the development mailbox, or rejects it (both flags are False).

    `wake` is called after a new mail is stored. `sealed_mail` encrypts mail at rest.
    """

    sealed_mail: SealedMail
    sends_mail: bool = False
    keeps_mail: bool = False
    wake: Callable[[], None] = lambda: None

    def new_delivery(self, email: Email, notification_id: str, now: datetime) -> Document:
        """Return the fields `read` and `delivery` of a new notification with this mail.

        It counts as read, because the product's inbox does not show it.
        """
        state = {"status": QUEUED, "attempts": 0, "nextAttemptAt": now} if self.sends_mail else {"status": KEPT}
        return {"read": True, "delivery": email_delivery(self.sealed_mail.seal(email, notification_id), **state)}
