"""Requires one Host header (RFC 9112, 3.2): a proxy and the gateway could each use another one of two."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.errors import ApiError, Cause

HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")
INVALID_HOST = Cause("INVALID_ARGUMENT", "INVALID_HOST")


class HostHeader:
    """Refuses requests whose Host header is missing, repeated or malformed. HTTP/1.0 requests can omit it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if hosts in ([], [b""]) and scope["http_version"] != "1.1":  # granian adds an empty one
            hosts = [b"-"]
        if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
            raise ApiError(INVALID_HOST, "a request needs exactly one valid Host header")
        await self._app(scope, receive, send)
