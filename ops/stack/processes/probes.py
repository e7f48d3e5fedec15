"""Readiness probes. A probe returns if the process is ready, else it raises Unready with the reason."""

import asyncio

from grpc import aio
from grpc_health.v1 import health_pb2

from runtime.listening import authority

TIMEOUT_SECONDS = 2.0


class Unready(Exception):
    """The process is not ready. The text is printed to the operator."""


async def accepts(host: str, port: int) -> None:
    """Check that the process accepts connections."""
    _, writer = await _connect(host, port)
    writer.close()


async def answers_ping(host: str, port: int) -> None:
    """Check that Valkey answers PING, which means that its data is loaded."""
    reader, writer = await _connect(host, port)
    try:
        writer.write(b"PING\r\n")
        answer = await reader.readline()
    finally:
        writer.close()
    if answer != b"+PONG\r\n":
        raise Unready(answer.decode(errors="replace").strip() or "it closed the connection")


async def serves(host: str, port: int) -> None:
    """Check that the health of a gRPC service is SERVING."""
    await accepts(host, port)
    try:
        if not await health_serves(authority(host, port)):
            raise Unready("it waits for its store")
    except aio.AioRpcError as error:
        raise Unready(f"its health check answers {error.code().name}") from None


async def health_serves(address: str, seconds: float = TIMEOUT_SECONDS) -> bool:
    """Ask a gRPC service for its health; return whether it is SERVING. Raises AioRpcError."""
    async with aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        answer = await channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )(health_pb2.HealthCheckRequest(), timeout=seconds)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def is_ready(host: str, port: int) -> None:
    """Check that the gateway's /readyz answers 200."""
    reader, writer = await _connect(host, port)
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {authority(host, port)}\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split(b" ")
    finally:
        writer.close()
    if status[1:2] != [b"200"]:
        raise Unready("its /readyz says that identity does not answer it")


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(host, port)
    except OSError:
        raise Unready("it does not listen yet") from None
