"""Sessions that end while another gateway is asked for them: when it was last believed, and when it no longer was."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from bench.load.http import Connection, Request, from_address
from bench.load.rpc import Rpc
from trivet.identity.v1.session_service_pb2 import RevokeSessionResponse

TIMEOUT_SECONDS = 35.0
"""Longer than a revoked session may be believed whatever fails."""


@dataclass(frozen=True)
class Revocation:
    """A session to end: how it is asked for, at several gateways, and the call that ends it."""

    asked: Sequence[Request]
    revoke: Rpc
    first_client: int
    """The number of the address from which it is first asked for while it ends."""


@dataclass(frozen=True)
class Seen:
    """What became of it. Times are of the first answer that refused, from the call's begin and from its return."""

    from_call_ms: float
    from_return_ms: float
    call_ms: float
    confirmed: bool
    believed_after_return: int
    """Requests sent after the call had returned that were still answered with the session."""


async def seen(revocations: Sequence[Revocation]) -> list[Seen]:
    """End the sessions one after the other, each while the last of its gateways is asked for it without a pause."""
    async with grpc.aio.insecure_channel(revocations[0].revoke.address) as channel:
        return [await _one(channel, each) for each in revocations]


async def _one(channel: grpc.aio.Channel, revocation: Revocation) -> Seen:
    for each in revocation.asked:
        async with Connection(each) as connection:
            if not await _is_believed(connection, from_address(each, revocation.first_client)):
                raise RuntimeError("a session that nobody has ended is refused")
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{revocation.revoke.method}")
    asking = asyncio.create_task(_ask_until_refused(revocation.asked[-1], revocation.first_client))
    try:
        await asyncio.sleep(0)  # its first request is on its way
        began = time.perf_counter()
        answer = await call(revocation.revoke.content, metadata=revocation.revoke.metadata, timeout=5)
        returned = time.perf_counter()
        refused, believed = await asking
    finally:
        asking.cancel()
    told = RevokeSessionResponse.FromString(answer)
    if not told.revoked:
        raise RuntimeError("there was no session to end")
    late = sum(sent > returned for sent in believed)
    return Seen(1000 * (refused - began), 1000 * (refused - returned), 1000 * (returned - began), told.confirmed, late)


async def _ask_until_refused(asked: Request, first_client: int) -> tuple[float, list[float]]:
    """Return when the first refusal came, and when each request was sent that was answered with the session.

    Each comes from an address of its own: one client may not ask so often.
    """
    clients = itertools.count(first_client)
    believed: list[float] = []
    end = time.perf_counter() + TIMEOUT_SECONDS
    async with Connection(asked) as connection:
        while True:
            sent = time.perf_counter()
            if not await _is_believed(connection, from_address(asked, next(clients))):
                return time.perf_counter(), believed
            believed.append(sent)
            if sent > end:
                raise TimeoutError(f"a revoked session is still believed after {TIMEOUT_SECONDS:.0f} s")


async def _is_believed(connection: Connection, asked: Request) -> bool:
    status, body = await connection.send(asked.content)
    if status != 200:
        raise RuntimeError(f"a gateway answers {status}")
    return asked.expects in body
