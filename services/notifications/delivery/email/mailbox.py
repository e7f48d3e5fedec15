"""The development mailbox: mail that is kept instead of sent, for developers to read."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pymongo import DESCENDING
from pymongo.asynchronous.cursor import AsyncCursor

from runtime.errors import FailedPrecondition
from runtime.paging import M, Page
from runtime.sealing import BrokenSealError
from services.notifications.delivery.collections import DELIVERIES
from services.notifications.delivery.deliveries import KEPT
from services.notifications.delivery.email.message import Email
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.store import keyset
from services.notifications.store.keyset import Cursor, older_than
from services.notifications.store.mongo import Document, Store

URL = re.compile(r"https?://[^\s<>\"'\x00-\x1f]+", re.IGNORECASE)
# Punctuation that ends a sentence, not a URL.
TRAILING_PUNCTUATION = ".,;:!?)]}"


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail, and when it would have been sent."""

    email: Email
    created_at: datetime


class Mailbox:
    """The kept mail. It is on in development only, because production mail is private."""

    def __init__(self, store: Store, sealed_mail: SealedMail, *, on: bool) -> None:
        self._store = store
        self._rows = store.collection(DELIVERIES)
        self._sealed_mail = sealed_mail
        self._on = on

    async def page(self, *, size: int, encode: Callable[[KeptMail], M], page_token: str = "") -> tuple[list[M], str]:
        """Return up to `size` kept mails or 1 MiB, newest first, each encoded, and the token of the next page.

        The token is empty on the last page. A mail whose key is no longer in TRIVET_SEAL_KEYS is empty, and its subject
        says so. Raises FailedPrecondition if the mailbox is off, and InvalidArgument for a token of another list.
        """
        if not self._on:
            raise FailedPrecondition("MAILBOX_OFF", "the mailbox is available in development only")
        after = keyset.decode_cursor(page_token, "mailbox")
        page = Page[Document, M](size, lambda row: encode(KeptMail(self._unseal(row), row["createdAt"])))

        def find(row: Document | None) -> AsyncCursor[Document]:
            cursor = after if row is None else Cursor(row["createdAt"], row["_id"])
            matching = {"status": KEPT} | older_than(cursor, "createdAt")
            found = self._rows.find(matching, {"mail": 1, "notificationId": 1, "createdAt": 1})
            return found.sort([("createdAt", DESCENDING), ("_id", DESCENDING)])

        await self._store.read("deliveries.find_kept", page, find)
        last = page.next_after
        return page.messages, keyset.encode_cursor(Cursor(last["createdAt"], last["_id"]), "mailbox") if last else ""

    def _unseal(self, row: Document) -> Email:
        try:
            return self._sealed_mail.open(row.get("mail", ""), row["notificationId"])
        except BrokenSealError:
            return Email("", "[sealed under a key that is not in TRIVET_SEAL_KEYS]", "")


def links(html_body: str, text_body: str) -> list[str]:
    """Return the http and https URLs in both bodies, in order, without duplicates."""
    found = URL.findall(html.unescape(html_body)) + URL.findall(text_body)
    return list(dict.fromkeys(address.rstrip(TRAILING_PUNCTUATION) for address in found))
