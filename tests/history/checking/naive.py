"""Near caches as they are usually written: each is wrong in a way of its own, which the checker has to see."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.history.recorder import GET_SESSION
from tests.history.wire import END_OF_HEAD, LENGTH, NO_ANSWER, Wire, of_any_client
from trivet.client import Channel

STREAM = "trivet:stream"
SESSION_TAG = "trivet:tag:session:"
LIFE_SECONDS = 60.0
BEAT_SECONDS = 0.1
BELIEVED_SECONDS = 0.5


class Front:
    """An HTTP server before a gateway that remembers what get-session answered, for a minute, and drops nothing."""

    def __init__(self, gateway: str) -> None:
        self.address = ""
        self._gateway = gateway
        self._kept: dict[bytes, tuple[float, str, bytes]] = {}
        self._drops = 0
        self._served: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        try:
            yield
        finally:
            server.close()
            await asyncio.gather(*self._served)

    def may_serve(self) -> bool:
        """Whether what is remembered may be answered now."""
        return True

    def forget(self, session_id: str) -> None:
        """Drop what was remembered of a session, and what is being asked: it may be older than the news."""
        self._drops += 1
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] != session_id}

    def forget_all(self) -> None:
        self._drops += 1
        self._kept = {}

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(self._gateway)
        with suppress(*NO_ANSWER):
            while True:
                asked = await reader.readuntil(END_OF_HEAD)
                _, _, rest = asked.partition(LENGTH)
                asked += await reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
                writer.write(await self._answer(wire, asked.replace(self.address.encode(), self._gateway.encode())))
        writer.close()
        await wire.close()

    async def _answer(self, wire: Wire, asked: bytes) -> bytes:
        key = of_any_client(asked)
        until, _, answer = self._kept.get(key, (0.0, "", b""))
        if monotonic() < until and self.may_serve():
            return answer
        drops = self._drops
        status, body = await wire.ask(asked)
        answer = f"HTTP/1.1 {status} -\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        is_session = GET_SESSION.encode() in asked and status == 200
        if is_session and drops == self._drops and (found := json.loads(body)):
            self._kept[key] = (monotonic() + LIFE_SECONDS, found["session"]["id"], answer)
        return answer


class Listening(Front):
    """Drops what it hears of by the invalidation stream, and serves as long as the cache service says that it lives.

    The heartbeat comes by another way than the invalidations do, so it says nothing of them.
    """

    def __init__(self, gateway: str, redis_address: str, cache: Channel) -> None:
        super().__init__(gateway)
        self._redis: Any = Redis.from_url(f"redis://{redis_address}/0")  # typed for both of its clients at once
        self._health: Any = health_pb2_grpc.HealthStub(cache)  # published without its methods
        self._beat_at = 0.0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._follow_heartbeat())]
        try:
            async with super().serving():
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._redis.aclose()

    def may_serve(self) -> bool:
        return monotonic() < self._beat_at + BELIEVED_SECONDS

    async def _listen(self) -> None:
        last: Any = "$"
        while True:
            try:
                answered = await self._redis.xread({STREAM: last}, block=0)
            except RedisError:
                self.forget_all()  # what was missed meanwhile is not known
                continue
            events = answered[0][1]
            last = events[-1][0]
            for tag in " ".join(event[b"tags"].decode() for _, event in events).split():
                self.forget(tag.removeprefix(SESSION_TAG))

    async def _follow_heartbeat(self) -> None:
        while True:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=5)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                self._beat_at = monotonic()
            await asyncio.sleep(BEAT_SECONDS)
