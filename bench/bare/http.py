"""The bare equivalent of the gateway: Starlette on granian as the gateway runs it, with a prepared answer."""

import asyncio
import sys

import uvloop
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.server.serve import serve
from gateway.settings import GatewaySettings


async def constant(request: Request) -> Response:
    """Answer with the number of bytes in the path."""
    return Response(b"x" * request.path_params["size"], media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/{size:int}", constant)])
    settings = GatewaySettings(http_port=int(sys.argv[1]), secret=SecretStr("a secret that signs nothing here"))
    uvloop.run(serve(app, settings, asyncio.Event(), shares_port=False))
