"""Notifications processes that send mail to a real server, and what becomes of their mails in the database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import AsyncMongoClient

from runtime.ids import new_id
from tests.api.notifications.conftest import Api
from tests.conftest import Engines
from tests.harness.peers.smtp import MailServer
from tests.harness.processes import Process, client, process
from tests.harness.waiting import until
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1.resources_pb2 import NOTIFICATION_TYPE_EMAIL

SENDER = "Trivet <noreply@trivet.example>"
QUICK = {"TRIVET_MAIL_RETRY_SECONDS": "0.05", "TRIVET_MAIL_FROM": SENDER, "TRIVET_MONGODB_TIMEOUT_MS": "4000"}


@dataclass(frozen=True)
class Office:
    """A running process that sends, and the collection of its deliveries."""

    process: Process
    api: Api
    rows: Any

    async def post(self, subject: str = "Hello", **values: Any) -> str:
        """Have a mail sent; return the id of its notification."""
        email = pb.Email(**{"to": "ann@example.com", "subject": subject, "text": "Go to https://x.io/v?t=1"} | values)
        return (await self.api.create(new_id(), "Title", type=NOTIFICATION_TYPE_EMAIL, email=email)).id

    async def row(self, notification_id: str) -> dict[str, Any]:
        """Return the delivery of the notification."""
        row: dict[str, Any] = await self.rows.find_one({"notificationId": notification_id})
        return row

    async def becomes(self, notification_id: str, status: str, seconds: float = 15) -> dict[str, Any]:
        """Wait until a mail has this status, and return its row."""

        async def has_it() -> bool:
            return bool((await self.row(notification_id))["status"] == status)

        await until(has_it, seconds)
        return await self.row(notification_id)


def new_database(engine: Engines) -> str:
    return f"{engine.get('secantusdb').url}/trivet_mail_{new_id()}"


@contextmanager
def sending(uri: str, url: str, **extra: str) -> Iterator[Process]:
    """A process that sends to the mail server at `url`."""
    given: dict[str, Any] = QUICK | extra
    with process("notifications", MONGODB_URI=uri, TRIVET_SMTP_URL=url, **given) as running:
        yield running


@asynccontextmanager
async def office(engine: Engines, server: MailServer | str, **extra: str) -> AsyncIterator[Office]:
    """A process that sends to this server, in plain text unless a URL says otherwise, on a database of its own."""
    uri = new_database(engine)
    url = server if isinstance(server, str) else server.url()
    with sending(uri, url, **extra) as running:
        async with client(running) as channel, AsyncMongoClient[dict[str, Any]](uri) as store:
            yield Office(running, Api(channel), store.get_default_database().deliveries)
