"""Refuses bodies that are too large, too slow or compressed, before they are parsed."""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.errors import UNSUPPORTED_MEDIA_TYPE, ApiError, Cause
from gateway.http.request_context import header

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 10.0
DISCARDED_BYTES = 8 * MAX_BODY_BYTES
DISCARD_SECONDS = 1.0
PLAIN = (b"", b"identity")
BODY_TOO_LARGE = Cause("INVALID_ARGUMENT", "BODY_TOO_LARGE", 413)
BODY_TOO_SLOW = Cause("DEADLINE_EXCEEDED", "BODY_TOO_SLOW", 408)


class BodyLimit:
    """Counts the bytes of a body as they arrive, also without a declared length, and bounds its time."""

    def __init__(self, app: ASGIApp, *, limit: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"content-encoding" and value.lower() not in PLAIN for name, value in scope["headers"]):
            raise ApiError(UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not accepted")
        declared = header(scope, b"content-length")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self._limit:
            if not header(scope, b"expect"):  # with Expect, the client has not sent the body yet
                await _discard(receive)
            raise self._too_large()
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                if message.get("more_body", False):
                    await _discard(receive)
                raise self._too_large()
            return message

        await self._app(scope, _within(bounded, self._seconds), send)

    def _too_large(self) -> ApiError:
        return ApiError(BODY_TOO_LARGE, f"a body can have {self._limit} bytes at most")


async def _discard(receive: Receive) -> None:
    """Read a little more of a refused body. A client that is still sending at the close never sees the answer."""
    discarded = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while discarded < DISCARDED_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _within(receive: Receive, seconds: float) -> Receive:
    """Give the whole body `seconds` from the first read. Later waits for a disconnect are not bounded."""
    deadline = None
    complete = False

    async def timed() -> Message:
        nonlocal deadline, complete
        if complete:
            return await receive()
        loop = asyncio.get_running_loop()
        deadline = deadline or loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise ApiError(BODY_TOO_SLOW, "the body took too long") from None
        complete = not message.get("more_body", False)
        return message

    return timed
