"""What runs in the background of the cache service survives unexpected answers, and says so once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from services.cache.invalidation.positions import Event, StreamPosition
from services.cache.invalidation.readers import Echo, Reset
from services.cache.invalidation.stream import Stream, Tail
from services.cache.invalidation.watchers import Watchers
from services.cache.redis.read_coalescer import ReadCoalescer
from services.cache.redis.sentinels import NoPrimaryError, Sentinels
from services.cache.redis.store import Store
from tests.harness.waiting import until

INFOS = {
    "no text": b"$2\r\n\xff\xfe\r\n",
    "a number": b":5\r\n",
    "nothing": b"$-1\r\n",
    "a list": b"*1\r\n$1\r\na\r\n",
    "no role": b"$3\r\na:b\r\n",
    "no protocol": b"what?\r\n",
}
ADDRESSES = {
    "no text": b"*2\r\n$2\r\n\xff\xfe\r\n$1\r\n1\r\n",
    "no port": b"*2\r\n$1\r\na\r\n$1\r\nx\r\n",
    "a port too large": b"*2\r\n$1\r\na\r\n$5\r\n70000\r\n",
    "one part": b"*1\r\n$1\r\na\r\n",
    "three parts": b"*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n2\r\n",
    "a number": b":5\r\n",
    "parts of nothing": b"*2\r\n$-1\r\n$-1\r\n",
    "no host": b"*2\r\n$0\r\n\r\n$1\r\n1\r\n",
    "no protocol": b"what?\r\n",
}


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a server that answers everything so; yield its address, and what it was sent."""
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while words := await reader.read(65_536):
            sent.append(words)
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", sent
    finally:
        server.close()


@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
async def test_a_malformed_info_does_not_end_the_probing(info: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with answering(info) as (address, sent), Store(f"redis://{address}/0", "t:") as store:
        await until(lambda: len(sent) >= 3, 10)
        assert not store.is_up
    said = [record.getMessage() for record in caplog.records if "Redis cannot be used" in record.getMessage()]
    assert len(said) == 1


@pytest.mark.parametrize("answer", ADDRESSES.values(), ids=ADDRESSES)
async def test_a_sentinel_that_answers_what_is_no_address_counts_as_one_that_does_not_answer(answer: bytes) -> None:
    async with answering(answer) as (address, _):
        sentinels = Sentinels.of(f"redis+sentinel://{address}/service")
        assert sentinels is not None
        with pytest.raises(NoPrimaryError):
            await sentinels.primary()


async def test_a_malformed_sentinel_does_not_end_the_probing() -> None:
    async with (
        answering(ADDRESSES["no text"]) as (address, sent),
        Store(f"redis+sentinel://{address}/service", "t:") as store,
    ):
        await until(lambda: len(sent) >= 3, 10)
        assert not store.is_up


async def test_a_read_that_raises_is_a_miss_for_all_who_wait_and_the_next_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = [ValueError("no shape"), ValueError("no shape")]

    async def read(keys: Sequence[str]) -> Sequence[str] | None:
        if failures:
            raise failures.pop()
        return keys

    reads = ReadCoalescer(read)
    assert [await call for call in [asyncio.create_task(reads.get(key)) for key in "ab"]] == [None, None]
    assert await reads.get("c") is None
    assert await reads.get("d") == "d"
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


class Odd(Stream):
    """A stream whose answers have no shape until the test lets them."""

    def __init__(self) -> None:
        super().__init__(Store("redis://127.0.0.1:1/0", "t:"), "p")
        self.is_odd = True
        self.asked = 0

    async def read_tail(self, known: StreamPosition | None, report: str) -> Tail | None:
        self.asked += 1
        if self.is_odd:
            raise ValueError("no shape")
        return Tail(StreamPosition("e", 1), [])

    async def between(self, since: StreamPosition, until: StreamPosition) -> Sequence[Event] | None:
        raise ValueError("no shape")


@pytest.mark.parametrize("since", [None, StreamPosition("e", 0)])
async def test_a_reader_begins_once_the_stream_has_a_shape_again(
    since: StreamPosition | None, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Odd()
    watchers = Watchers(stream)
    reader = watchers.join("gateway")
    watchers.begin(reader, since)
    await until(lambda: stream.asked >= 3)
    stream.is_odd = False
    told = reader.events()
    assert await anext(told) == Reset(StreamPosition("e", 1))
    watchers.tick(reader, 7)
    assert await anext(told) == Echo(7)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    watchers.close()
    await watchers.drain()
