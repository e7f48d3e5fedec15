"""Gives every request an id: `x-request-id`."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.request_context import begin_request_context, header
from runtime.ids import new_id

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Keeps the client's request id if it is well-formed, else makes one. Begins the request context."""

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
