"""Every request ends: the calls it makes share one deadline, and those to outside hosts have their own."""

from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.client import within

REQUEST_SECONDS = 5.0


class Deadline:
    """Gives all calls of a request `seconds` together.

    An RPC that waits for an outside host has the deadline that its .proto declares, and its time does not count
    (`lengthens` of `trivet.client.connect`).
    """

    def __init__(self, app: ASGIApp, *, seconds: float = REQUEST_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with within(self._seconds):
            await self._app(scope, receive, send)
