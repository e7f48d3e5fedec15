"""The gateway's channels. If a service refuses the gateway itself, that is a failure of the stack, not of the user."""

import logging
import time
from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio

from trivet.client import Channel, reason_of
from trivet.client.actor import NoKeyError
from trivet.client.errors import CALLER_REFUSED, info_of

logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 30.0
REMEDIES = {
    "clock": "synchronize the clocks of both machines",
    "key": "give both the same key: TRIVET_CALL_KEYS of the gateway, TRIVET_ACCEPT_KEYS of the service",
}
GATEWAY_REASONS = CALLER_REFUSED | {"INVALID_LEASE", "MALFORMED_REQUEST"}
"""Reasons that no user causes: the gateway writes the actor, the lease and every message."""
UPGRADE = "run the same version of both, and add the gateway to the service's policy"
BLAMING = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Codes that blame the caller. Trivet's services add a reason. A proxy, gRPC itself or another program does not."""
CHECK_ADDRESS = "check its address, its version, proxies in between, and its number of open calls"


class OwnChannel(Channel):
    """A channel of the gateway. A refusal of the gateway itself is raised as UNAVAILABLE, and logged."""

    _logged_at = -LOG_EVERY_SECONDS

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return OwnCall(super().unary_unary(*args, **kwargs), self)

    def refused(self, cause: str, remedy: str) -> aio.AioRpcError:
        """Return the error of a call that a service refused. The cause is logged, once in LOG_EVERY_SECONDS."""
        now = time.monotonic()
        if now - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = now
            logger.error("%s refuses the gateway's own calls: %s: %s", self._audience, cause, remedy)
        return aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())


class OwnCall:
    """An RPC of a stub on an OwnChannel."""

    def __init__(self, call: Callable[..., Any], channel: OwnChannel) -> None:
        self._call = call
        self._channel = channel

    async def __call__(self, request: Any, **kwargs: Any) -> Any:
        try:
            return await self._call(request, **kwargs)
        except aio.AioRpcError as error:
            reason = reason_of(error)
            if reason in GATEWAY_REASONS:
                remedy = REMEDIES.get(info_of(error).metadata["cause"], UPGRADE)
            elif not reason and error.code() in BLAMING:
                remedy = CHECK_ADDRESS
            else:
                raise
            raise self._channel.refused(f"{error.code().name}: {error.details()}", remedy) from None
        except NoKeyError as error:
            raise self._channel.refused(str(error), REMEDIES["key"]) from None
