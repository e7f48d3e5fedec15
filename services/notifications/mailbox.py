"""Mail that development keeps instead of sending, for a person to look at."""

import html
import re

from pymongo import DESCENDING

from runtime.errors import FailedPrecondition
from services.notifications.store import Document, Store

KEPT = "kept"
LIMIT = 100
ADDRESS = re.compile(r"https?://[^\s<>\"'\x00-\x1f]+", re.IGNORECASE)
# What ends a sentence, not an address.
TRAILING = ".,;:!?)]}"


class Mailbox:
    """The kept mail. It is on in development only: in production mail is somebody's."""

    def __init__(self, store: Store, *, on: bool) -> None:
        self._store = store
        self._on = on

    async def newest(self) -> list[Document]:
        """Return up to 100 notifications with their `email`, newest first. Raises FailedPrecondition when off."""
        if not self._on:
            raise FailedPrecondition("MAILBOX_OFF", "mail is kept in development only")
        found = self._store.notifications.find({"status": KEPT}, {"email": 1, "createdAt": 1})
        async with self._store.call("notifications.find_kept"):
            return await found.sort([("createdAt", DESCENDING), ("_id", DESCENDING)]).limit(LIMIT).to_list()


def links(html_body: str, text_body: str) -> list[str]:
    """Return the http and https addresses in both bodies, in order, each once."""
    found = ADDRESS.findall(html.unescape(html_body)) + ADDRESS.findall(text_body)
    return list(dict.fromkeys(address.rstrip(TRAILING) for address in found))
