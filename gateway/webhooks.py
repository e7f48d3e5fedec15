"""POST /webhooks/stripe: passes Stripe's events to identity unchanged."""

from typing import Any

import grpc
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.deps import Deps
from gateway.http.description import Description
from gateway.http.errors import ApiError, Cause
from gateway.http.request_context import header
from trivet.identity.v1.subscription_service_pb2 import ApplyStripeEventRequest, ApplyStripeEventResponse

MAX_BODY_BYTES = 256 * 1024
RETRY_SECONDS = 5
TEMPORARY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED)
"""Temporary failures. Stripe sends the event again for days."""
UNSIGNED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
"""Codes of identity for a request without Stripe's signature. Each costs a call, so they are rate-limited."""

INVALID_BODY = Cause("INVALID_ARGUMENT", "INVALID_BODY")
INVALID_SIGNATURE = Cause("INVALID_ARGUMENT", "INVALID_SIGNATURE")
NOT_JSON = Cause("INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE")
TRY_AGAIN = Cause("UNAVAILABLE", "TRY_AGAIN")


class Applied(msgspec.Struct):
    """Whether the event changed anything."""

    applied: bool


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the webhook's route. It needs no session: a signature over the body proves the sender."""

    @Description(
        name="receiveStripeEvent",
        answers=(Applied,),
        body=dict[str, Any],
        calls=("SubscriptionService.ApplyStripeEvent",),
        security=("stripe",),
    )
    async def stripe(request: Request) -> Response:
        """Receive an event that Stripe has signed. `applied` is false if it changes nothing."""
        event = ApplyStripeEventRequest(payload=await _body(request), signature=_signature(request))
        refused: grpc.aio.AioRpcError | None = None

        async def apply() -> ApplyStripeEventResponse | None:
            nonlocal refused
            try:
                return await deps.backends.subscriptions.ApplyStripeEvent(event)
            except grpc.aio.AioRpcError as error:
                if error.code() in TEMPORARY:
                    raise _away() from None
                if error.code() not in UNSIGNED:
                    raise
                refused = error
                return None

        answer = await (deps.token_guesses.counted_signature(request, apply) if deps.token_guesses else apply())
        if answer is None:
            assert refused is not None
            raise refused
        return Response(msgspec.json.encode({"applied": answer.applied}), media_type="application/json")

    return [Route("/webhooks/stripe", stripe, methods=["POST"])]


async def _body(request: Request) -> bytes:
    """Return the unchanged body. Raises ApiError if it cannot be an event."""
    media_type = header(request.scope, b"content-type").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(NOT_JSON, "send the event as application/json")
    body = await request.body()
    if not body or len(body) > MAX_BODY_BYTES:
        raise ApiError(INVALID_BODY, f"an event has 1 to {MAX_BODY_BYTES} bytes")
    return body


def _signature(request: Request) -> str:
    signatures = request.headers.getlist("stripe-signature")
    if len(signatures) != 1 or not signatures[0].isascii():
        raise ApiError(INVALID_SIGNATURE, "exactly one Stripe-Signature header is required")
    return signatures[0]


def _away() -> ApiError:
    return ApiError(
        TRY_AGAIN,
        "the event cannot be applied now: send it again",
        headers={"retry-after": str(RETRY_SECONDS)},
    )
