"""Every failure becomes an answer in its route's own shape; what nobody expected says nothing of itself."""

import logging

import grpc
import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.errors import ApiError, failure, refusal
from gateway.http.request_context import request_context_of

logger = logging.getLogger(__name__)

AUTH = "/api/auth"
BROKEN_OFF = ApiError("INVALID_ARGUMENT", "BODY_BROKEN_OFF", "the body breaks off, or its chunks are malformed")


class ErrorHandler:
    """Below those who count and label answers, so that a failure is counted and labelled like any other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = request_context_of(scope)
        try:
            await self._app(scope, receive, send)
            return
        except ClientDisconnect:  # or a chunk that is none: if the client has left, the answer goes nowhere
            if context.status:
                return
            response = _refusal(scope, BROKEN_OFF)
        except ApiError as error:
            response = _refusal(scope, error)
        except grpc.RpcError as error:
            response = failure(error)
            if _is_auth(scope):
                response = Response(status_code=response.status_code)
        except Exception:  # the edge: nothing unexpected may carry its text across
            logger.exception("unexpected failure in %s", context.route, extra={"request_id": context.request_id})
            if context.status:  # an answer has begun: all that is left is to break it off
                raise
            response = _unexpected(scope)
        await response(scope, receive, send)


def _is_auth(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == AUTH or path.startswith(f"{AUTH}/")


def _refusal(scope: Scope, error: ApiError) -> Response:
    return _auth_refusal(error) if _is_auth(scope) else refusal(error)


def _auth_refusal(error: ApiError) -> Response:
    """Better Auth's shape: an empty 404 for what is not there, message and code for the rest."""
    if error.status in (404, 405):
        return Response(status_code=404)
    content = msgspec.json.encode({"message": error.message, "code": error.reason})
    return Response(content, error.status, error.headers, "application/json")


def _unexpected(scope: Scope) -> Response:
    if _is_auth(scope):
        return Response(status_code=500)
    return refusal(ApiError("INTERNAL", "INTERNAL", "internal error"))
