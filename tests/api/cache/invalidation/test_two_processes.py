"""Two cache processes on one Redis: what one invalidates, the readers of the other are told at once."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from redis import Redis

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.peers.watching import watching
from tests.harness.processes import Process, client, process
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

HEARS, HEARS_NOTHING = "+@all", "+@all -xread"


@pytest.fixture
def both(engine: Engines, request: pytest.FixtureRequest) -> Iterator[tuple[Process, Process]]:
    """Two processes, parametrized by what Redis lets the second one do."""
    url, prefix, user = engine.get("valkey").url, f"t:{new_id()}:", f"u{new_id()}"
    address = urlsplit(url).netloc
    with Redis.from_url(url) as redis:
        redis.execute_command("ACL", "SETUSER", user, "on", ">secret", "~*", *request.param.split())
        with (
            process("cache", REDIS_URL=url, TRIVET_CACHE_PREFIX=prefix) as first,
            process("cache", REDIS_URL=f"redis://{user}:secret@{address}", TRIVET_CACHE_PREFIX=prefix) as second,
        ):
            yield first, second
        redis.execute_command("ACL", "DELUSER", user)


@pytest.mark.parametrize(("both", "is_at_once"), [(HEARS, True), (HEARS_NOTHING, False)], indirect=["both"])
async def test_a_reader_of_the_other_process_is_waited_for_and_told_without_a_tick(
    both: tuple[Process, Process], is_at_once: bool
) -> None:
    """S4: a reader ticks ten times a second; this one does not, so that it hears by the alert or by nothing.

    The protection off is a Redis that lets nobody read the stream by itself: it is confirmed all the same, when the
    reader may not serve any more.
    """
    first, second = both
    async with client(first, caller="identity") as here, client(second, caller="gateway") as there:
        stub = CacheServiceStub(here)
        # What nobody is known to have told is waited for as long as a lease: that is over first.
        assert (await stub.Invalidate(pb.InvalidateRequest(tags=["user:0"]), timeout=5)).confirmed
        async with watching(there) as reader:
            answer = await stub.Invalidate(pb.InvalidateRequest(tags=["user:1"]), timeout=5)
            assert answer.confirmed
            assert reader.is_serving is is_at_once
            assert (reader.tags == [["user:1"]]) is is_at_once
