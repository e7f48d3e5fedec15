"""RPC load by grpc.aio, of bytes that are ready: what a caller pays is the server's and the wire's."""

import asyncio
import time
from dataclasses import dataclass

import grpc

from bench.samples import Round


@dataclass(frozen=True)
class Rpc:
    """A unary call of bytes."""

    address: str
    method: str
    content: bytes
    metadata: tuple[tuple[str, str], ...] = ()


async def sustained(call: Rpc, callers: int, seconds: float) -> Round:
    """Call as fast as answers come, so many at a time, for so long. A failed call is a failure."""
    milliseconds: list[float] = []
    failures = 0

    async with grpc.aio.insecure_channel(call.address) as channel:
        stub: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{call.method}")
        await stub(call.content, metadata=call.metadata, wait_for_ready=True)
        end = time.perf_counter() + seconds

        async def worker() -> None:
            nonlocal failures
            while (began := time.perf_counter()) < end:
                try:
                    await stub(call.content, metadata=call.metadata)
                except grpc.aio.AioRpcError:
                    failures += 1
                milliseconds.append(1000 * (time.perf_counter() - began))

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(callers)))
        return Round(time.perf_counter() - began, milliseconds, failures)
