"""Mails in the outbox: stored in the transaction of a change, and sealed until they are delivered."""

import json
from dataclasses import asdict, dataclass

from runtime.errors import DeliveryRejectedError
from runtime.ids import new_id
from runtime.sealing import BrokenSealError, Sealer
from services.identity.outbox.delivery import OutboxMessage
from services.identity.outbox.outbox import Outbox
from services.identity.store.database import Transaction

TOPIC = "mail.send"
PURPOSE = "mail"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one user. `about` is its topic, for example `account.reset-password`. `title` holds no secret."""

    user_id: str
    to: str
    about: str
    title: str
    subject: str
    text: str
    html: str = ""


class MailOutbox:
    """Hands mails to the notifications service, which sends them."""

    def __init__(self, outbox: Outbox, sealer: Sealer) -> None:
        self._outbox = outbox
        self._sealer = sealer

    async def put(self, transaction: Transaction, mail: Mail) -> None:
        """Send a mail if the transaction commits."""
        payload = json.dumps(asdict(mail) | {"id": new_id()})
        await self._outbox.put(transaction, TOPIC, mail.user_id, self._sealer.seal(payload, PURPOSE))


def unseal(message: OutboxMessage, sealer: Sealer) -> tuple[str, Mail]:
    """Return a mail's id, which makes its delivery idempotent, and the mail. Raises DeliveryRejectedError."""
    try:
        values = json.loads(sealer.open(message.payload, PURPOSE))
        return values.pop("id"), Mail(**values)
    except BrokenSealError:
        raise DeliveryRejectedError(
            "the mail was sealed under a key that is not in TRIVET_SEAL_KEYS: add the key"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise DeliveryRejectedError("its payload cannot be read") from None
