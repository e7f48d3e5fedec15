"""Mail that development keeps instead of sending: `/dev/mailbox`."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.deps import Deps
from gateway.json_out import converter
from trivet.notifications.v1.notification_service_pb2 import ListMailboxMessagesRequest


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the mailbox's route; in production there is none."""
    if deps.settings.is_production:
        return []

    async def mailbox(_: Request) -> Response:
        """The mail that would have been sent, newest first, with the links in it."""
        answer = await deps.backends.mailbox.ListMailboxMessages(ListMailboxMessagesRequest())
        convert = converter(answer.DESCRIPTOR)
        messages = [_shown(message) for message in convert(answer)["messages"]]
        return Response(msgspec.json.encode({"messages": messages}), media_type="application/json")

    return [Route("/dev/mailbox", mailbox)]


def _shown(message: dict[str, object]) -> dict[str, object]:
    created = message.pop("createTime", None)
    return {**message, "createdAt": created}
