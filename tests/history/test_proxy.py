"""The link that runs break: held bytes arrive later, a cut link refuses, a reset one is seen by both ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.harness.peers.proxy import Proxy
from tests.harness.waiting import until


class Echo:
    """A server that answers each line with its own name before it, and knows how many connections it has had."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.open = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while line := await reader.readline():
                writer.write(self.name.encode() + b" " + line)
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.close()


async def serve(echo: Echo) -> asyncio.Server:
    return await asyncio.start_server(echo, "127.0.0.1", 0)


def address(server: asyncio.Server) -> str:
    return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def first() -> Echo:
    return Echo("first")


@pytest.fixture
async def link(first: Echo) -> AsyncIterator[Proxy]:
    async with await serve(first) as server, Proxy(address(server)) as proxy:
        yield proxy


class Caller:
    """A connection through the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, line: bytes = b"hello\n") -> bytes:
        """Return the answer to a line; nothing if the connection is closed. Raises ConnectionError if it is reset."""
        self._writer.write(line)
        return await asyncio.wait_for(self._reader.readline(), 5)

    def close(self) -> None:
        self._writer.close()


Connect = Callable[[], Awaitable[Caller]]


@pytest.fixture
async def connect(link: Proxy) -> AsyncIterator[Connect]:
    callers: list[Caller] = []

    async def dial() -> Caller:
        host, _, port = link.address.rpartition(":")
        callers.append(Caller(*await asyncio.open_connection(host, int(port))))
        return callers[-1]

    yield dial
    for caller in callers:
        caller.close()


async def is_closed_at_once(connect: Connect) -> None:
    with contextlib.suppress(ConnectionError):
        assert await (await connect()).ask() == b""


async def test_a_link_passes_both_ways(connect: Connect) -> None:
    assert await (await connect()).ask() == b"first hello\n"


async def test_a_frozen_link_holds_what_is_sent_and_loses_nothing(link: Proxy, connect: Connect) -> None:
    caller = await connect()
    await caller.ask()
    link.freeze()
    answer = asyncio.create_task(caller.ask())
    later = asyncio.create_task((await connect()).ask(b"new\n"))
    assert (await asyncio.wait((answer, later), timeout=0.1))[0] == set()
    link.thaw()
    assert await answer == b"first hello\n"
    assert await later == b"first new\n"


async def test_a_frozen_link_holds_the_end_of_a_connection_too(link: Proxy, connect: Connect, first: Echo) -> None:
    caller = await connect()
    await caller.ask()
    link.freeze()
    caller.close()
    with pytest.raises(TimeoutError):
        await until(lambda: first.open == 0, 0.1)
    link.thaw()
    await until(lambda: first.open == 0, 5)


async def test_a_reset_link_is_seen_by_both_ends_and_can_be_used_again(
    link: Proxy, connect: Connect, first: Echo
) -> None:
    caller = await connect()
    await caller.ask()
    link.reset()
    with pytest.raises(ConnectionError):
        await caller.ask()
    await until(lambda: first.open == 0, 5)
    assert await (await connect()).ask() == b"first hello\n"


async def test_a_cut_link_takes_no_connection_until_it_is_restored(link: Proxy, connect: Connect) -> None:
    caller = await connect()
    await caller.ask()
    link.cut()
    with pytest.raises(ConnectionError):
        await caller.ask()
    await is_closed_at_once(connect)
    link.restore()
    assert await (await connect()).ask() == b"first hello\n"


async def test_new_connections_follow_the_target(link: Proxy, connect: Connect) -> None:
    caller = await connect()
    await caller.ask()
    async with await serve(Echo("second")) as server:
        link.target = address(server)
        assert await caller.ask() == b"first hello\n"
        assert await (await connect()).ask() == b"second hello\n"


async def test_a_server_that_is_not_there_resets_whoever_connects(link: Proxy, connect: Connect) -> None:
    link.target = "127.0.0.1:1"
    await is_closed_at_once(connect)
