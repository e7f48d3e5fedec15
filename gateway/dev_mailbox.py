"""Mail that development keeps instead of sending: `/dev/mailbox`."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.api.json_encoding import converter
from gateway.deps import Deps
from gateway.paging import whole
from trivet.notifications.v1.notification_service_pb2 import ListMailboxMessagesRequest, MailboxMessage

MAX_LISTED = 100


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the mailbox's route; in production there is none."""
    if deps.settings.is_production:
        return []

    async def mailbox(_: Request) -> Response:
        """The mail that would have been sent, the newest hundred, newest first, with the links in it."""
        kept = await whole(
            lambda token: deps.backends.mailbox.ListMailboxMessages(ListMailboxMessagesRequest(page_token=token)),
            lambda page: page.messages,
            most=MAX_LISTED,
        )
        convert = converter(MailboxMessage.DESCRIPTOR)
        messages = [_shown(convert(message)) for message in kept]
        return Response(msgspec.json.encode({"messages": messages}), media_type="application/json")

    return [Route("/dev/mailbox", mailbox)]


def _shown(message: dict[str, object]) -> dict[str, object]:
    created = message.pop("createTime", None)
    return {**message, "createdAt": created}
