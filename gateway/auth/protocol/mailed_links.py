"""Links that are mailed: their error codes, and answers that do not show whether an account has an address."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import grpc

from gateway.auth.protocol.refusals import USER_NOT_FOUND, ErrorCode, refuse
from trivet.client import reason_of

FLOOR_SECONDS = 0.5
"""The least time of an answer that must not show by its time whether an account has the address."""
INVALID_TOKEN = ErrorCode("INVALID_TOKEN", 404, "Invalid token")
BROKEN_LINKS: Mapping[str, ErrorCode] = {
    "INVALID_TOKEN": INVALID_TOKEN,
    "INVALID_USER": ErrorCode("INVALID_USER", 401, "Invalid user"),
    "TOKEN_EXPIRED": ErrorCode("TOKEN_EXPIRED", 401, "Token expired"),
    "USER_NOT_FOUND": USER_NOT_FOUND,
}
"""Error codes by identity's reason for a link that is not valid. Their status depends on the route."""


@asynccontextmanager
async def minimum_time() -> AsyncIterator[None]:
    """Take FLOOR_SECONDS in any case: sending a mail takes longer than sending none."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        yield
    finally:
        await asyncio.sleep(began + FLOOR_SECONDS - clock())


@contextmanager
def broken_links_as(status: int) -> Iterator[None]:
    """Raise Refusal with this status if a call inside fails because the link is not valid."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if (error_code := BROKEN_LINKS.get(reason_of(error))) is not None:
            raise refuse(error_code, status=status) from None
        raise
