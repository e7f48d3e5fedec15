"""Batches of lookups on a stream: each is answered as a call would be, and a stream that ends costs no read."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from grpc import StatusCode, aio

from ops.keys.pair_keys import pair_key
from runtime.ids import new_id
from tests.api.cache.conftest import Callers, refused
from tests.conftest import Engines
from tests.harness.peers.proxy import Proxy
from tests.harness.processes import SECRET, Process, client, process, wait_until_up
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, connect
from trivet.client.near import lookup_stream
from trivet.client.near.lookup_stream import LookupStream

NAMESPACE = "things"


@pytest.fixture
async def stub(as_caller: Callers) -> CacheServiceStub:
    return await as_caller("tests")


class Counted:
    """A stub that counts the streams that are begun on it."""

    def __init__(self, stub: CacheServiceStub) -> None:
        self._stub = stub
        self.begun = 0

    def StreamGet(self) -> object:  # the proto's name
        self.begun += 1
        return self._stub.StreamGet()


async def filled(stub: CacheServiceStub, *keys: str) -> None:
    entries = [pb.Entry(key=key, value=key.encode()) for key in keys]
    assert all((await stub.BatchSet(pb.BatchSetRequest(namespace=NAMESPACE, entries=entries))).stored)


async def test_every_batch_is_answered_in_its_order_as_a_call_is(stub: CacheServiceStub) -> None:
    keys = [new_id() for _ in range(5)]
    await filled(stub, *keys)
    stream = LookupStream(stub, NAMESPACE)
    for asked in (keys[:1], keys, [*reversed(keys)]):
        called = (await stub.BatchGet(pb.BatchGetRequest(namespace=NAMESPACE, keys=asked))).lookups
        found = await stream.ask(asked, 2)
        assert [each.value for each in found] == [each.value for each in called] == [key.encode() for key in asked]
    stream.close()


async def test_a_miss_is_claimed_by_one_of_several_streams(stub: CacheServiceStub) -> None:
    """R15."""
    key = new_id()
    streams = [LookupStream(stub, NAMESPACE) for _ in range(5)]
    found = [(await stream.ask([key], 2))[0] for stream in streams]
    assert [lookup.HasField("retry_after") for lookup in found] == [False, True, True, True, True]
    for stream in streams:
        stream.close()


@pytest.mark.parametrize(
    ("caller", "asked", "refusal"),
    [
        ("tests", pb.StreamGetRequest(namespace="sessions", keys=["a"]), StatusCode.PERMISSION_DENIED),
        ("tests", pb.StreamGetRequest(namespace=NAMESPACE, keys=["a", ""]), StatusCode.INVALID_ARGUMENT),
        ("tests", pb.StreamGetRequest(namespace=NAMESPACE, keys=["a"] * 1_001), StatusCode.INVALID_ARGUMENT),
        ("tests", pb.StreamGetRequest(namespace=NAMESPACE), StatusCode.INVALID_ARGUMENT),
        ("tests", pb.StreamGetRequest(namespace="No Name", keys=["a"]), StatusCode.INVALID_ARGUMENT),
    ],
    ids=["foreign namespace", "empty key", "too many keys", "no keys", "no name"],
)
async def test_what_is_wrong_with_a_batch_ends_the_stream(
    as_caller: Callers, caller: str, asked: pb.StreamGetRequest, refusal: StatusCode
) -> None:
    """A namespace belongs to those who may read it, however they ask."""
    call = (await as_caller(caller)).StreamGet()
    await call.write(asked)
    assert (await refused(call.read()))[0] is refusal


async def test_one_stream_serves_until_it_is_old(stub: CacheServiceStub) -> None:
    now, counted = 1_000.0, Counted(stub)
    stream = LookupStream(counted, NAMESPACE, monotonic=lambda: now)  # type: ignore[arg-type]  # all that it needs of one
    begun = []
    for seconds in (0, lookup_stream.STREAM_SECONDS - 1, 1, 1):
        now += seconds
        await stream.ask(["a"], 2)
        begun.append(counted.begun)
    assert begun == [1, 1, 2, 2]
    stream.close()


async def test_a_stream_that_the_service_has_ended_costs_no_read(stub: CacheServiceStub) -> None:
    counted = Counted(stub)
    stream = LookupStream(counted, NAMESPACE)  # type: ignore[arg-type]  # all that it needs of one
    await stream.ask(["a"], 2)
    assert stream._call is not None
    stream._call.cancel()
    assert len(await stream.ask(["a"], 2)) == 1
    assert counted.begun == 2
    stream.close()


@pytest.fixture
def own(engine: Engines) -> Iterator[Process]:
    """A cache service of a test's own."""
    with process("cache", REDIS_URL=engine.get("valkey").url, TRIVET_CACHE_PREFIX=f"t:{new_id()}:") as running:
        yield running


async def test_one_that_is_away_is_said_to_be_and_found_again_once_it_is_back(own: Process) -> None:
    """R14."""
    async with client(own) as channel:
        stream = LookupStream(CacheServiceStub(channel), NAMESPACE)
        await stream.ask(["a"], 2)
        own.popen.kill()
        own.popen.wait()
        assert (await refused(stream.ask(["a"], 2)))[0] is StatusCode.UNAVAILABLE
        own.start()
        wait_until_up(own)

        async def answers() -> bool:
            with suppress(aio.AioRpcError):
                return len(await stream.ask(["a"], 2)) == 1
            return False

        await until(answers, 10)
        stream.close()


async def test_one_that_hangs_is_given_up_in_time_and_read_again_afterwards(cache_process: Process) -> None:
    """R14."""
    key = pair_key(SECRET, "tests", "cache")
    async with (
        Proxy(cache_process.address) as link,
        connect(link.address, "cache", Signer("tests", {"cache": key})) as channel,
    ):
        stream = LookupStream(CacheServiceStub(channel), NAMESPACE)
        await stream.ask(["a"], 2)
        link.freeze()
        assert (await refused(stream.ask(["a"], 0.1)))[0] is StatusCode.DEADLINE_EXCEEDED
        link.thaw()
        assert len(await stream.ask(["a"], 2)) == 1
        stream.close()


async def test_an_open_stream_does_not_keep_a_service_from_ending(own: Process) -> None:
    """R10."""
    async with client(own) as channel:
        stream = LookupStream(CacheServiceStub(channel), NAMESPACE)
        await stream.ask(["a"], 2)
        own.popen.terminate()
        call = stream._call
        assert call is not None
        assert await asyncio.wait_for(call.read(), 10) is aio.EOF
        assert await asyncio.to_thread(own.popen.wait, 10) == 0
        stream.close()


async def test_without_a_key_for_the_cache_a_lookup_is_unavailable(cache_process: Process) -> None:
    """As with a wrong key, so that the reader asks the owner."""
    async with connect(cache_process.address, "cache", Signer("tests", {})) as channel:
        stream = LookupStream(CacheServiceStub(channel), NAMESPACE)
        assert (await refused(stream.ask(["a"], 2)))[0] is StatusCode.UNAVAILABLE
