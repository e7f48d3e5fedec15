"""Serves the auth routes: the checks that every request passes, in the original's order."""

import logging

import grpc
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.auth import csrf
from gateway.auth.bodies import JSON, read_body
from gateway.auth.endpoints import ENDPOINTS, Endpoint
from gateway.auth.limits import AccountTries, Windows, limit_of
from gateway.auth.refusals import Refusal, refusal_of, too_many
from gateway.auth.validation import validated
from gateway.auth.visit import Visit
from gateway.deps import Deps
from gateway.exchange import exchange_of

logger = logging.getLogger(__name__)

BASE_PATH = "/api/auth"


class AuthProtocol:
    """The ASGI application below /api/auth."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._is_limited = deps.settings.rate_limit_on
        self._windows = Windows()
        self._tries = AccountTries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(Request(scope, receive), self._deps, self._tries if self._is_limited else None)
        path = scope["path"].removeprefix(BASE_PATH)
        response = await self._respond(visit, path, ENDPOINTS.get((scope["method"], path)))
        await response(scope, receive, send)

    async def _respond(self, visit: Visit, path: str, endpoint: Endpoint[msgspec.Struct] | None) -> Response:
        try:
            self._limit(visit, path if endpoint else "")
            if endpoint is None:
                return Response(status_code=404)
            exchange_of(visit.request.scope).route = f"{BASE_PATH}{path}"
            response = await _answer(visit, endpoint)
        except Refusal as refusal:
            response = _said(refusal)
        except grpc.aio.AioRpcError as error:
            response = _failed(error)
        response.raw_headers.extend(endpoint.headers if endpoint else ())
        return visit.dress(response)

    def _limit(self, visit: Visit, path: str) -> None:
        """Raise Refusal if the client has asked for this path too often; what is no endpoint is all one path."""
        if self._is_limited and (seconds := self._windows.take(f"{visit.address()}|{path}", limit_of(path))):
            raise too_many(seconds)


async def _answer(visit: Visit, endpoint: Endpoint[msgspec.Struct]) -> Response:
    request, origins = visit.request, visit.deps.origins
    raw: object = msgspec.UNSET
    if request.method != "GET":
        raw = await read_body(request, endpoint.media_types)
        csrf.check_cookie_origin(request, origins)
        csrf.check_callbacks(request, raw, origins)
    body = validated(endpoint.body, raw)
    if endpoint.is_first_sign_in:
        csrf.check_first_sign_in(request, origins)
    await endpoint.guard(visit)
    return await endpoint.answer(visit, body)


def _said(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, refusal.headers, media_type=JSON)


def _failed(error: grpc.aio.AioRpcError) -> Response:
    """Return what a failed call means to the client, or the original's silent 500 for what nobody expected."""
    if (refusal := refusal_of(error)) is not None:
        return _said(refusal)
    logger.error("a service failed with %s", error.code().name)
    return Response(status_code=500)
