"""Revokes sessions while another gateway checks them: measures until when it still accepts a session."""

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
"""Longer than a revoked session can be accepted, whatever fails."""


@dataclass(frozen=True)
class Revocation:
    """A session to revoke: its checks at several gateways, and the call that revokes it."""

    asked: Sequence[Request]
    revoke: Rpc
    first_client: int
    """The number of the client address of the first check during the revocation."""


@dataclass(frozen=True)
class RevocationResult:
    """The time of the first refused check, from the start of the call and from its return."""

    from_call_ms: float
    from_return_ms: float
    call_ms: float
    confirmed: bool
    believed_after_return: int
    """The number of checks sent after the call returned that still got the session."""


async def measure(revocations: Sequence[Revocation]) -> list[RevocationResult]:
    """Revoke the sessions one after the other, while the last gateway of each is checked without a pause."""
    async with grpc.aio.insecure_channel(revocations[0].revoke.address) as channel:
        return [await _one(channel, each) for each in revocations]


async def _one(channel: grpc.aio.Channel, revocation: Revocation) -> RevocationResult:
    for each in revocation.asked:
        async with Connection(each) as connection:
            if not await _is_believed(connection, from_address(each, revocation.first_client)):
                raise RuntimeError("a session was refused before it was revoked")
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
    response = RevokeSessionResponse.FromString(answer)
    if not response.revoked:
        raise RuntimeError("there was no session to end")
    late = sum(sent > returned for sent in believed)
    return RevocationResult(
        from_call_ms=1000 * (refused - began),
        from_return_ms=1000 * (refused - returned),
        call_ms=1000 * (returned - began),
        confirmed=response.confirmed,
        believed_after_return=late,
    )


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
                raise TimeoutError(f"a revoked session is still accepted after {TIMEOUT_SECONDS:.0f} s")


async def _is_believed(connection: Connection, asked: Request) -> bool:
    status, body = await connection.send(asked.content)
    if status != 200:
        raise RuntimeError(f"a gateway answers {status}")
    return asked.expects in body
