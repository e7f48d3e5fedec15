"""What cache processes tell each other in Redis of their readers, and what they read there of the stream."""

from services.cache.invalidation.positions import StreamPosition, format_applied, parse_applied
from services.cache.invalidation.stream import MAX_EVENTS, PAGE_SIZE, Stream
from tests.conformance.cache.conftest import Cache


async def told(cache: Cache) -> dict[str, StreamPosition | None]:
    """Return how far the readers of each process are, as an invalidation made now knows of them."""
    moved = await cache.entries.invalidate(["x"])
    return {process: parse_applied(each) for process, each in moved.reports.items()}


async def test_what_a_process_tells_is_known_to_every_invalidation_until_it_has_no_reader(cache: Cache) -> None:
    one, two = Stream(cache.store, "one"), Stream(cache.store, "two")
    place = await cache.miss("a")
    await one.read_tail(None, format_applied(place))
    await two.read_tail(None, format_applied(None))
    assert await told(cache) == {"one": place, "two": None}
    await one.read_tail(None, "")
    assert await told(cache) == {"two": None}


async def test_a_reading_that_was_given_up_and_comes_late_undoes_nothing(cache: Cache) -> None:
    """Redis may carry it out after the one that was asked instead of it, and answers nobody."""
    stream, late = Stream(cache.store, "one"), Stream(cache.store, "one")
    place = await cache.miss("a")
    assert await stream.read_tail(None, "") is not None
    assert await stream.read_tail(None, format_applied(place)) is not None
    assert await late.read_tail(None, "") is None
    assert await told(cache) == {"one": place}


async def test_a_process_is_forgotten_if_it_has_told_nothing_since(cache: Cache) -> None:
    one, two = Stream(cache.store, "one"), Stream(cache.store, "two")
    place = await cache.miss("a")
    await one.read_tail(None, format_applied(place))
    await two.read_tail(None, format_applied(place))
    before = (await cache.entries.invalidate(["x"])).reports
    await two.read_tail(None, format_applied(place))
    await one.forget(before)
    assert set(await told(cache)) == {"two"}


async def test_only_what_a_process_tells_clears_it(cache: Cache) -> None:
    one, two = Stream(cache.store, "one"), Stream(cache.store, "two")
    await two.read_tail(None, format_applied(await cache.miss("a")))
    moved = await cache.entries.invalidate(["x"])
    assert set(await one.processes_behind(moved.position, moved.reports)) == {"two"}
    await cache.redis.delete(cache.store.watchers)
    assert set(await one.processes_behind(moved.position, moved.reports)) == {"two"}
    await two.read_tail(None, format_applied(moved.position))
    assert await one.processes_behind(moved.position, moved.reports) == {}


async def test_what_was_lost_is_known_by_since_when_it_has_been_kept(cache: Cache) -> None:
    first, second = await cache.entries.invalidate(["x"]), await cache.entries.invalidate(["x"])
    assert first.kept_since == second.kept_since < first.position.offset
    await cache.redis.delete(cache.store.watchers)
    third = await cache.entries.invalidate(["x"])
    assert third.kept_since == third.position.offset


async def test_events_are_read_on_from_what_is_known_over_as_many_pages_as_it_takes(cache: Cache) -> None:
    stream, known = Stream(cache.store, "one"), await cache.miss("a")
    positions = [(await cache.entries.invalidate([f"x{number}", "y"])).position for number in range(2 * PAGE_SIZE + 1)]
    end = await stream.read_tail(known, "")
    assert end is not None
    assert end.position == positions[-1]
    assert [event.position for event in end.events or ()] == positions
    assert [list(event.tags) for event in end.events or ()][-1] == [f"x{2 * PAGE_SIZE}", "y"]
    assert [event.position for event in await stream.between(positions[3], positions[7]) or ()] == positions[4:8]


async def test_whoever_is_too_far_behind_is_told_so(cache: Cache) -> None:
    stream, known = Stream(cache.store, "one"), await cache.miss("a")
    async with cache.redis.pipeline(transaction=False) as pipe:
        for number in range(1, MAX_EVENTS + 2):
            pipe.xadd(cache.store.stream, {"epoch": known.epoch, "tags": ""}, id=f"{known.offset + number}-0")
        await pipe.execute()
    end = await stream.read_tail(known, "")
    assert end is not None
    assert end.events is None
    assert end.position == StreamPosition(known.epoch, known.offset + MAX_EVENTS + 1)
