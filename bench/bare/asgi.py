"""A bare ASGI application on granian: no framework, and a prepared answer."""

import asyncio
import sys

import uvloop
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from gateway.server.serve import serve
from gateway.settings import GatewaySettings


async def constant(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with the number of bytes in the path."""
    if scope["type"] != "http":
        return
    body = b"x" * int(scope["path"][1:])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    settings = GatewaySettings(http_port=int(sys.argv[1]), secret=SecretStr("a secret that signs nothing here"))
    uvloop.run(serve(constant, settings, asyncio.Event(), shares_port=False))
