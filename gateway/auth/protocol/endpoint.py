"""Serves the auth routes: the checks of every request, in the order of the original."""

import logging

import grpc
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.auth.protocol import csrf
from gateway.auth.protocol.bodies import JSON, query_of, read_body
from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.cookie_cache.cookie_cache import CookieCache
from gateway.auth.protocol.feature import Endpoint
from gateway.auth.protocol.limits import DEFAULT, Limits
from gateway.auth.protocol.refusals import Refusal, refusal_of, too_many
from gateway.auth.protocol.route_table import RouteMatch, RouteTable
from gateway.auth.protocol.validation import Query, validated
from gateway.deps import Deps
from gateway.http import landing_page
from gateway.http.request_context import request_context_of
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
            Limits(backends.limits, backends.cache, rate_limiter=deps.rate_limiter)
            if deps.settings.rate_limit_on
            else None
        )
        self._front_page = landing_page.front_page(deps.settings)
        self._cookie_cache = CookieCache.of(deps.settings, deps.reader.cookies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = AuthContext(Request(scope, receive), self._deps, self._limits, self._cookie_cache)
        path = scope["path"].removeprefix(BASE_PATH)
        response = await self._respond(context, self._table.find(scope["method"], path))
        await response(scope, receive, send)

    async def _respond(self, context: AuthContext, found: RouteMatch | None) -> Response:
        refusal: Refusal | None = None
        try:
            await _limit(context, found.endpoint if found else None)
            if found is None:
                return Response(status_code=404)
            context.parameters = found.parameters
            # The template and not the path: an open segment can hold a secret.
            request_context_of(context.request.scope).route = f"{BASE_PATH}{found.endpoint.path}"
            response = await _answer(context, found.endpoint)
        except Refusal as error:
            refusal = error
            response = _response(error)
        except TooManyGuesses as error:
            refusal = too_many(error.seconds)
            response = _response(refusal)
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error, self._table.error_codes)
            response = _response(refusal) if refusal else _unexpected(error)
        if found and response.status_code >= 400 and landing_page.accepts_html(context.request.scope):
            code = refusal.code if refusal else None
            response = landing_page.failed(code or "UNKNOWN", response.status_code, self._front_page)
        response.raw_headers.extend(found.endpoint.headers if found else ())
        return context.with_cookies(response)


async def _limit(context: AuthContext, endpoint: Endpoint[msgspec.Struct] | None) -> None:
    """Raise Refusal if the client has asked for an endpoint too often. Paths that are not served count together."""
    path, limit = (endpoint.path, endpoint.limit) if endpoint else ("", DEFAULT)
    if context.limits and (seconds := await context.limits.path(path, context.limit_subject(), limit)):
        raise too_many(seconds)


async def _limit_mail(context: AuthContext, email: str) -> None:
    """Raise Refusal if too much mail was requested to one address, whether or not an account has it."""
    if context.limits and email and (seconds := await context.limits.mail(email, context.limit_subject())):
        raise too_many(seconds)


async def _answer(context: AuthContext, endpoint: Endpoint[msgspec.Struct]) -> Response:
    request, origins = context.request, context.deps.origins
    raw: object = msgspec.UNSET
    if request.method != "GET":
        context.body = raw = await read_body(request, endpoint.media_types)
        if not endpoint.is_cross_site:
            csrf.check_cookie_origin(request, origins)
        csrf.check_callbacks(request, raw, origins)
    body = _query(context, endpoint.body) if issubclass(endpoint.body, Query) else validated(endpoint.body, raw)
    if endpoint.is_first_sign_in:
        csrf.check_first_sign_in(request, origins)
    await endpoint.guard(context)
    await _limit_mail(context, endpoint.mailed_address(raw))
    return await endpoint.answer(context, body)


def _query(context: AuthContext, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return the query of a mailed link. Raises Refusal if it is malformed, or its callback URL is not trusted."""
    query = validated(kind, query_of(context.request), where="query")
    csrf.check_callbacks(context.request, msgspec.UNSET, context.deps.origins)
    return query


def _response(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, refusal.headers, media_type=JSON)


def _unexpected(error: grpc.aio.AioRpcError) -> Response:
    """Return the original's empty 500 for an unexpected failure."""
    logger.error("unexpected failure of a service: %s", error.code().name)
    return Response(status_code=500)
