"""Security headers of answers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.request_context import Header

NOT_STORED = ("/api/auth/", "/v1/")
NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
NO_STORE: Header = (b"cache-control", b"no-store")
HSTS: Header = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
PAGE: tuple[Header, ...] = ((b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer"))
CLOSED_POLICY: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


def on_every_answer(*, https: bool) -> tuple[Header, ...]:
    """Return the headers of every answer."""
    return (NOSNIFF, HSTS) if https else (NOSNIFF,)


class SecurityHeaders:
    """Forbids browsers to guess types, to frame pages and to store personal answers. With HTTPS it sets HSTS.

    A route's own Cache-Control and Content-Security-Policy are kept.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._always = on_every_answer(https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                message["headers"] = [*headers, *self._always, *_missing(scope["path"], dict(headers))]
            await send(message)

        await self._app(scope, receive, answer)


def _missing(path: str, present: dict[bytes, bytes]) -> list[Header]:
    missing: list[Header] = []
    if path.startswith(NOT_STORED) and b"cache-control" not in present:
        missing.append(NO_STORE)
    if present.get(b"content-type", b"").startswith(b"text/html"):
        missing.extend(PAGE)
        if b"content-security-policy" not in present:
            missing.append(CLOSED_POLICY)
    return missing
