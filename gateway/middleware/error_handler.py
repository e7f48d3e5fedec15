"""Turns failures into answers in the shape of the route. Unexpected failures have no details."""

import logging

import grpc
import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.errors import ApiError, Cause, failure, refusal
from gateway.http.request_context import request_context_of

logger = logging.getLogger(__name__)

AUTH = "/api/auth"
BODY_BROKEN_OFF = Cause("INVALID_ARGUMENT", "BODY_BROKEN_OFF")
INTERNAL = Cause("INTERNAL", "INTERNAL")


class ErrorHandler:
    """Answers failures. It is below the middlewares that count and label answers, so that failures are counted too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = request_context_of(scope)
        try:
            await self._app(scope, receive, send)
            return
        except ClientDisconnect:  # or a malformed chunk; if the client has left, the answer is lost
            if context.status:
                return
            response = _refusal(scope, ApiError(BODY_BROKEN_OFF, "the body ends early, or its chunks are malformed"))
        except ApiError as error:
            response = _refusal(scope, error)
        except grpc.RpcError as error:
            response = failure(error)
            if _is_auth(scope):
                response = Response(status_code=response.status_code)
        except Exception:  # at the edge no text of an unexpected failure is sent
            logger.exception("unexpected failure in %s", context.route, extra={"request_id": context.request_id})
            if context.status:  # the answer has begun: it can only be aborted
                raise
            response = _unexpected(scope)
        await response(scope, receive, send)


def _is_auth(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == AUTH or path.startswith(f"{AUTH}/")


def _refusal(scope: Scope, error: ApiError) -> Response:
    return _auth_refusal(error) if _is_auth(scope) else refusal(error)


def _auth_refusal(error: ApiError) -> Response:
    """Return an error in Better Auth's shape: an empty 404 for unknown paths, else message and code."""
    if error.status in (404, 405):
        return Response(status_code=404)
    content = msgspec.json.encode({"message": error.message, "code": error.reason})
    return Response(content, error.status, error.headers, "application/json")


def _unexpected(scope: Scope) -> Response:
    if _is_auth(scope):
        return Response(status_code=500)
    return refusal(ApiError(INTERNAL, "internal error"))
