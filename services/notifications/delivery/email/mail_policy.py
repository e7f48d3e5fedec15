"""What becomes of mail here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.notifications.delivery.deliveries import KEPT, QUEUED, email_delivery
from services.notifications.delivery.email.message import Email
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.store.mongo import Document


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """What becomes of mail: it is `sent`, or else `kept` to be looked at, or else refused.

    `wake` is called when there is one more to send.
    """

    sealed_mail: SealedMail
    sent: bool = False
    kept: bool = False
    wake: Callable[[], None] = lambda: None

    def new_delivery(self, email: Email, notification_id: str, now: datetime) -> Document:
        """Return what a new document holds of its mail. It is read: there is nothing of it to read in the product."""
        state = {"status": QUEUED, "attempts": 0, "nextAttemptAt": now} if self.sent else {"status": KEPT}
        return {"read": True, "delivery": email_delivery(self.sealed_mail.seal(email, notification_id), **state)}
