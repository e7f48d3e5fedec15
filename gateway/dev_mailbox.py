"""GET /dev/mailbox: the mail that is stored instead of sent in development."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.api.json_encoding import date
from gateway.deps import Deps
from gateway.http.description import Description
from gateway.paging import read_pages
from trivet.notifications.v1.mailbox_service_pb2 import ListMailboxMessagesRequest, MailboxMessage

MAX_LISTED = 100
LIST_MESSAGES = "trivet.notifications.v1.MailboxService.ListMailboxMessages"


class Mail(msgspec.Struct, rename="camel"):
    """One mail that was kept. `html` is empty if it has none; `links` are the addresses in its bodies."""

    to: str
    subject: str
    text: str
    html: str
    links: list[str]
    created_at: str


class Mailbox(msgspec.Struct):
    """The mails, the newest first."""

    messages: list[Mail]


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the mailbox's route. There is none in production."""
    if deps.settings.is_production:
        return []

    @Description(
        name="listMailboxMessages",
        answers=(Mailbox,),
        calls=(LIST_MESSAGES,),
    )
    async def mailbox(_: Request) -> Response:
        """List the mail that development keeps instead of sending it. The answer has the newest hundred."""
        stored = await read_pages(
            lambda token: deps.backends.mailbox.ListMailboxMessages(ListMailboxMessagesRequest(page_token=token)),
            lambda page: page.messages,
            most=MAX_LISTED,
        )
        mailbox = Mailbox([_shown(message) for message in stored])
        return Response(msgspec.json.encode(mailbox), media_type="application/json")

    return [Route("/dev/mailbox", mailbox)]


def _shown(message: MailboxMessage) -> Mail:
    return Mail(
        to=message.to,
        subject=message.subject,
        text=message.text,
        html=message.html,
        links=list(message.links),
        created_at=date(message.create_time),
    )
