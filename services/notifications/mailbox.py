"""Mail that development keeps instead of sending, for a person to look at."""

import html
import re
from dataclasses import dataclass
from datetime import datetime

from pymongo import DESCENDING

from runtime.errors import FailedPrecondition
from runtime.sealing import BrokenSealError
from services.notifications.drafts import Email
from services.notifications.letters import Letters
from services.notifications.queue import KEPT
from services.notifications.store import Document, Store

LIMIT = 100
ADDRESS = re.compile(r"https?://[^\s<>\"'\x00-\x1f]+", re.IGNORECASE)
# What ends a sentence, not an address.
TRAILING = ".,;:!?)]}"


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail, and when it would have been sent."""

    email: Email
    created_at: datetime


class Mailbox:
    """The kept mail. It is on in development only: in production mail is somebody's."""

    def __init__(self, store: Store, letters: Letters, *, on: bool) -> None:
        self._store = store
        self._letters = letters
        self._on = on

    async def newest(self) -> list[KeptMail]:
        """Return up to 100 kept mails, newest first. Raises FailedPrecondition when off.

        One whose key is no longer in TRIVET_SEAL_KEYS is shown empty, with its subject saying so.
        """
        if not self._on:
            raise FailedPrecondition("MAILBOX_OFF", "mail is kept in development only")
        found = self._store.notifications.find({"status": KEPT}, {"mail": 1, "createdAt": 1})
        async with self._store.call("notifications.find_kept"):
            rows = await found.sort([("createdAt", DESCENDING), ("_id", DESCENDING)]).limit(LIMIT).to_list()
        return [KeptMail(self._opened(row), row["createdAt"]) for row in rows]

    def _opened(self, row: Document) -> Email:
        try:
            return self._letters.opened(row.get("mail", ""), row["_id"])
        except BrokenSealError:
            return Email("", "[sealed under a key that is not in TRIVET_SEAL_KEYS]", "")


def links(html_body: str, text_body: str) -> list[str]:
    """Return the http and https addresses in both bodies, in order, each once."""
    found = ADDRESS.findall(html.unescape(html_body)) + ADDRESS.findall(text_body)
    return list(dict.fromkeys(address.rstrip(TRAILING) for address in found))
