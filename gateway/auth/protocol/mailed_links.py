"""Links that are mailed: their error codes, and answers that do not show whether an account has an address."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import grpc

from gateway.auth.protocol.refusals import ErrorCode, refuse
from trivet.client import reason_of

FLOOR_SECONDS = 0.5
"""The least time of an answer that must not show by its time whether an account has the address."""
INVALID_TOKEN = ErrorCode("INVALID_TOKEN", 404, "Invalid token")
INVALID_USER = ErrorCode("INVALID_USER", 401, "Invalid user")
TOKEN_EXPIRED = ErrorCode("TOKEN_EXPIRED", 401, "Token expired")


@asynccontextmanager
async def minimum_time() -> AsyncIterator[None]:
    """Take FLOOR_SECONDS in any case: sending a mail takes longer than sending none."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        yield
    finally:
        await asyncio.sleep(began + FLOOR_SECONDS - clock())


def broken_links(status: int, *error_codes: ErrorCode) -> Mapping[str, ErrorCode]:
    """Return the error codes of a link that is not valid, by identity's reason, with the status of a route."""
    return {each.code: each._replace(status=status) for each in error_codes}


@contextmanager
def refusing(error_codes: Mapping[str, ErrorCode]) -> Iterator[None]:
    """Raise Refusal if a call inside the block fails with one of these reasons."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if (error_code := error_codes.get(reason_of(error))) is not None:
            raise refuse(error_code) from None
        raise
