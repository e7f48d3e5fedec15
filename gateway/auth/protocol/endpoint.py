"""Serves the auth routes: the checks that every request passes, in the original's order."""

import logging

import grpc
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.auth.protocol import csrf
from gateway.auth.protocol.bodies import JSON, query_of, read_body
from gateway.auth.protocol.context import Visit
from gateway.auth.protocol.cookie_cache import SessionData
from gateway.auth.protocol.feature import Endpoint
from gateway.auth.protocol.limits import DEFAULT, Limits
from gateway.auth.protocol.refusals import Refusal, refusal_of, too_many
from gateway.auth.protocol.route_table import Found, RouteTable
from gateway.auth.protocol.validation import Query, validated
from gateway.deps import Deps
from gateway.http import landing_page
from gateway.http.request_context import exchange_of
from gateway.sessions.token_guesses import TooManyGuesses

logger = logging.getLogger(__name__)

BASE_PATH = "/api/auth"


class AuthProtocol:
    """The ASGI application below /api/auth."""

    def __init__(self, deps: Deps, table: RouteTable) -> None:
        self._deps = deps
        self._table = table
        backends = deps.backends
        self._limits = (
            Limits(backends.limits, backends.cache, windows=deps.windows) if deps.settings.rate_limit_on else None
        )
        self._back = landing_page.way_back(deps.settings)
        self._data = SessionData.of(deps.settings, deps.reads.cookies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(Request(scope, receive), self._deps, self._limits, self._data)
        path = scope["path"].removeprefix(BASE_PATH)
        response = await self._respond(visit, self._table.find(scope["method"], path))
        await response(scope, receive, send)

    async def _respond(self, visit: Visit, found: Found | None) -> Response:
        refusal: Refusal | None = None
        try:
            await _limit(visit, found.endpoint if found else None)
            if found is None:
                return Response(status_code=404)
            visit.parameters = found.parameters
            # The template: what stands in the path's open segments may be a secret.
            exchange_of(visit.request.scope).route = f"{BASE_PATH}{found.endpoint.path}"
            response = await _answer(visit, found.endpoint)
        except Refusal as error:
            refusal = error
            response = _said(error)
        except TooManyGuesses as error:
            refusal = too_many(error.seconds)
            response = _said(refusal)
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error, self._table.error_codes)
            response = _said(refusal) if refusal else _unexpected(error)
        if found and response.status_code >= 400 and landing_page.asks_for_a_page(visit.request.scope):
            code = refusal.code if refusal else None
            response = landing_page.failed(code or "UNKNOWN", response.status_code, self._back)
        response.raw_headers.extend(found.endpoint.headers if found else ())
        return visit.dress(response)


async def _limit(visit: Visit, endpoint: Endpoint[msgspec.Struct] | None) -> None:
    """Raise Refusal if the client has asked for an endpoint too often. Paths that are not served count together."""
    path, limit = (endpoint.path, endpoint.limit) if endpoint else ("", DEFAULT)
    if visit.limits and (seconds := await visit.limits.path(path, visit.address(), limit)):
        raise too_many(seconds)


async def _limit_mail(visit: Visit, email: str) -> None:
    """Raise Refusal if too much mail was requested to one address, whether or not an account has it."""
    if visit.limits and email and (seconds := await visit.limits.mail(email, visit.address())):
        raise too_many(seconds)


async def _answer(visit: Visit, endpoint: Endpoint[msgspec.Struct]) -> Response:
    request, origins = visit.request, visit.deps.origins
    raw: object = msgspec.UNSET
    if request.method != "GET":
        visit.body = raw = await read_body(request, endpoint.media_types)
        if not endpoint.is_from_afar:
            csrf.check_cookie_origin(request, origins)
        csrf.check_callbacks(request, raw, origins)
    body = _query(visit, endpoint.body) if issubclass(endpoint.body, Query) else validated(endpoint.body, raw)
    if endpoint.is_first_sign_in:
        csrf.check_first_sign_in(request, origins)
    await endpoint.guard(visit)
    await _limit_mail(visit, endpoint.mailed_address(raw))
    return await endpoint.answer(visit, body)


def _query(visit: Visit, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return the query of a link that people follow. Raises Refusal, also if it would lead to where we do not trust."""
    query = validated(kind, query_of(visit.request), where="query")
    csrf.check_callbacks(visit.request, msgspec.UNSET, visit.deps.origins)
    return query


def _said(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, refusal.headers, media_type=JSON)


def _unexpected(error: grpc.aio.AioRpcError) -> Response:
    """Return the original's silent 500 for a failure that nobody expected."""
    logger.error("a service failed with %s", error.code().name)
    return Response(status_code=500)
