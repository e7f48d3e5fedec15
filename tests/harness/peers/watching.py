"""A near cache of the tests' own at the end of a Watch: it ticks when it is told to and applies what it is told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel

LEASE_SECONDS = 0.5


@dataclass
class Reader:
    """What came over a Watch, in its order. `applies` says whether it tells how far it has applied what came."""

    call: Any  # a stream whose messages are typed by the stub alone
    applies: bool = True
    told: list[pb.WatchResponse] = field(default_factory=list)
    serves_until: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def say(self, **fields: Any) -> None:
        async with self.turn:  # a stream takes one message at a time
            await self.call.write(pb.WatchRequest(**fields))

    async def tick(self) -> int:
        """Send a tick; return what is to be echoed."""
        tick_ns = time.monotonic_ns()
        await self.say(tick_ns=tick_ns)
        return tick_ns

    async def ticked(self, seconds: float = 5.0) -> None:
        """Send a tick and wait for its echo."""
        tick_ns = await self.tick()
        await until(lambda: self.has_echo(tick_ns), seconds)

    def has_echo(self, tick_ns: int) -> bool:
        return any(message.tick_ns == tick_ns for message in self.told)

    @property
    def is_serving(self) -> bool:
        return time.monotonic() < self.serves_until

    @property
    def tags(self) -> list[list[str]]:
        """The tags of each invalidation that has come."""
        return [list(each.invalidation.tags) for each in self.told if each.HasField("invalidation")]

    @property
    def resets(self) -> list[pb.Position]:
        return [message.reset for message in self.told if message.HasField("reset")]

    @property
    def position(self) -> pb.Position | None:
        """Where the last event or reset stands."""
        places = [message for message in self.told if not message.HasField("tick_ns")]
        if not places:
            return None
        last = places[-1]
        return last.reset if last.HasField("reset") else last.invalidation.position

    async def listen(self) -> None:
        async for message in self.call:
            self.told.append(message)
            if message.HasField("tick_ns"):
                self.serves_until = max(self.serves_until, message.tick_ns / 1e9 + LEASE_SECONDS)
            elif self.applies:
                await self.say(applied=self.position)


def watch(channel: Channel) -> Any:
    """Open a Watch."""
    return CacheServiceStub(channel).Watch(metadata=channel.metadata())


@asynccontextmanager
async def watching(
    channel: Channel, *, resume_from: pb.Position | None = None, applies: bool = True, serves: bool = True
) -> AsyncIterator[Reader]:
    """Watch until the end; inside, the reader has been told where it stands and, if it `serves`, ticked once."""
    reader = Reader(watch(channel), applies)
    listening = asyncio.create_task(reader.listen())
    try:
        await reader.say(resume_from=resume_from)
        if serves:
            await reader.ticked()
        elif resume_from is None:
            await until(lambda: bool(reader.resets))
        yield reader
    finally:
        reader.call.cancel()
        await asyncio.wait((listening,))
