"""A name for every request, in and out: `x-request-id`."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.request_context import begin_request_context, header
from runtime.ids import new_id

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Keeps a caller's request id if it looks like one, else makes one; opens the context the others write to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = header(scope, b"x-request-id")
        request_id = sent if ACCEPTED.fullmatch(sent) else new_id()
        context = begin_request_context(scope, request_id)
        context.headers.append((b"x-request-id", request_id.encode()))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *context.headers]
            await send(message)

        await self._app(scope, receive, answer)
