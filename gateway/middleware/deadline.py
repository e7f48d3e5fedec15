"""Bounds the time of a request: its calls share one deadline."""

from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.client import within

REQUEST_SECONDS = 5.0


class Deadline:
    """Gives all calls of a request one deadline.

    An RPC that waits for an external host has the deadline of its .proto instead, and its time does not count
    (`lengthens` of `trivet.client.connect`).
    """

    def __init__(self, app: ASGIApp, *, seconds: float = REQUEST_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with within(self._seconds):
            await self._app(scope, receive, send)
