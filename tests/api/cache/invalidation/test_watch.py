"""What a near cache is told over Watch, and when an invalidation is confirmed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode, aio

from tests.api.cache.conftest import refused
from tests.harness.peers.watching import watch, watching
from tests.harness.processes import Process, client
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel


@pytest.fixture
async def gateway(cache_process: Process) -> AsyncIterator[Channel]:
    async with client(cache_process, caller="gateway") as channel:
        yield channel


@pytest.fixture
async def identity(cache_process: Process) -> AsyncIterator[Channel]:
    async with client(cache_process, caller="identity") as channel:
        # Whoever may be serving from before is not any more once this is answered.
        assert (await invalidate(channel, "user:nobody")).confirmed
        yield channel


async def invalidate(channel: Channel, *tags: str, within: float = 2.0) -> pb.InvalidateResponse:
    return await CacheServiceStub(channel).Invalidate(pb.InvalidateRequest(tags=tags), timeout=within)


async def test_a_first_visit_begins_with_dropping_everything(gateway: Channel) -> None:
    async with watching(gateway) as reader:
        assert [message.WhichOneof("event") for message in reader.told] == ["reset", "tick_ns"]


async def test_a_tick_is_echoed_behind_all_that_happened_before_it(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway) as reader:
        position = (await invalidate(identity, "user:1", "session:2")).position
        await reader.ticked()
        assert [message.WhichOneof("event") for message in reader.told[2:]] == ["invalidation", "tick_ns"]
        assert reader.tags == [["user:1", "session:2"]]
        assert reader.position == position


async def test_every_tick_is_echoed_and_one_reading_serves_many(gateway: Channel) -> None:
    async with watching(gateway) as reader:
        ticks = [await reader.tick() for _ in range(50)]
        await until(lambda: all(reader.has_echo(tick) for tick in ticks))


async def test_an_invalidation_is_told_at_once_and_confirmed_once_it_is_applied(
    gateway: Channel, identity: Channel
) -> None:
    async with watching(gateway) as reader:
        answer = await invalidate(identity, "user:1")
        assert answer.confirmed
        assert reader.is_serving
        assert reader.position == answer.position


async def test_one_that_is_not_applied_is_confirmed_when_the_lease_is_over(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway, applies=False) as reader:
        assert (await invalidate(identity, "user:1")).confirmed
        assert not reader.is_serving


async def test_a_callers_deadline_is_answered_before_it_passes(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway, applies=False) as reader:
        answer = await invalidate(identity, "user:1", within=0.2)
        assert not answer.confirmed
        assert reader.is_serving
        assert answer.position == reader.position


async def test_a_reader_that_has_gone_may_serve_until_its_lease_is_over(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway) as reader:
        await reader.ticked()
    assert reader.is_serving
    assert (await invalidate(identity, "user:1")).confirmed
    assert not reader.is_serving


async def test_a_reader_that_has_never_ticked_is_not_waited_for(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway, applies=False, serves=False) as reader:
        assert (await invalidate(identity, "user:1", within=0.3)).confirmed
        await until(lambda: reader.tags == [["user:1"]])


async def test_a_reader_that_comes_back_is_told_what_it_has_missed(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway) as reader:
        left_at = reader.position
    for number in range(3):
        await invalidate(identity, f"user:{number}")
    async with watching(gateway, resume_from=left_at) as reader:
        assert reader.resets == []
        assert reader.tags == [["user:0"], ["user:1"], ["user:2"]]
        assert reader.told[-1].HasField("tick_ns")
        assert (await invalidate(identity, "user:3")).confirmed
        assert reader.tags[3:] == [["user:3"]]


@pytest.mark.parametrize(
    "position", [pb.Position(epoch="another", offset=1), pb.Position(epoch="another", offset=2**62)]
)
async def test_a_position_that_is_not_in_the_stream_is_no_place_to_go_on_from(
    gateway: Channel, position: pb.Position
) -> None:
    async with watching(gateway, resume_from=position) as reader:
        assert len(reader.resets) == 1


async def test_a_reader_is_told_of_more_than_one_reading_holds(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway) as reader:
        left_at = reader.position
    await asyncio.gather(*(invalidate(identity, f"user:{number}") for number in range(350)))
    async with watching(gateway, resume_from=left_at) as reader:
        assert reader.resets == []
        assert {tags[0] for tags in reader.tags} == {f"user:{number}" for number in range(350)}


async def test_a_position_from_before_the_stream_begins_is_no_place_to_go_on_from(
    gateway: Channel, identity: Channel
) -> None:
    async with watching(gateway) as reader:
        here = reader.position
    assert here is not None
    before = pb.Position(epoch=here.epoch, offset=here.offset - 1)
    async with watching(gateway, resume_from=before) as reader:
        assert reader.resets == [here]


async def test_a_reader_is_told_the_tags_that_it_may_know_and_every_position(
    gateway: Channel, identity: Channel, cache_process: Process
) -> None:
    async with client(cache_process) as tests, watching(gateway) as of_gateway, watching(tests) as of_tests:
        await invalidate(identity, "user:1", "mine")
        answer = await invalidate(tests, "mine")
        await until(lambda: of_gateway.position == of_tests.position == answer.position)
        assert of_gateway.tags == [["user:1"], []]
        assert of_tests.tags == [["user:1"], ["tests/mine"]]


async def test_every_reader_has_applied_what_is_confirmed(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway) as one, watching(gateway) as two, watching(identity) as three:
        for number in range(20):
            answer = await invalidate(identity, f"user:{number}")
            assert answer.confirmed
            # On a machine that is busy a lease may have run out meanwhile.
            assert all(reader.position == answer.position or not reader.is_serving for reader in (one, two, three))
            await asyncio.gather(*(reader.ticked() for reader in (one, two, three)))
        assert one.tags == two.tags == three.tags == [[f"user:{number}"] for number in range(20)]


async def test_fifty_invalidations_at_once_are_all_told_in_one_order(gateway: Channel, identity: Channel) -> None:
    async with watching(gateway) as reader, watching(gateway) as other:
        answers = await asyncio.gather(*(invalidate(identity, f"user:{number}") for number in range(50)))
        assert all(answer.confirmed for answer in answers)
        await asyncio.gather(reader.ticked(), other.ticked())
        offsets = [message.invalidation.position.offset for message in reader.told if message.HasField("invalidation")]
        assert offsets == sorted(answer.position.offset for answer in answers)
        assert reader.tags == other.tags


@pytest.mark.parametrize("field", ["resume_from", "applied"])
@pytest.mark.parametrize("position", [pb.Position(), pb.Position(epoch="two words"), pb.Position(epoch="e", offset=-1)])
async def test_a_position_of_no_shape_is_refused(gateway: Channel, field: str, position: pb.Position) -> None:
    call = watch(gateway)
    request = pb.WatchRequest()
    getattr(request, field).CopyFrom(position)
    await call.write(request)
    assert await refused(until_the_end(call)) == (StatusCode.INVALID_ARGUMENT, "INVALID_POSITION", field)


async def until_the_end(call: aio.StreamStreamCall[pb.WatchRequest, pb.WatchResponse]) -> None:
    async for _ in call:
        pass


async def test_there_are_so_many_readers_and_no_more(gateway: Channel) -> None:
    calls = [watch(gateway) for _ in range(256)]
    for call in calls:
        await call.write(pb.WatchRequest(tick_ns=1))
    for call in calls:
        await call.read()
    assert (await refused(watch(gateway).read()))[:2] == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_READERS")
    for call in calls:
        call.cancel()

    async def has_room() -> bool:
        try:
            async with watching(gateway):
                return True
        except (aio.AioRpcError, TimeoutError, aio.UsageError, asyncio.InvalidStateError):
            return False

    await until(has_room)
