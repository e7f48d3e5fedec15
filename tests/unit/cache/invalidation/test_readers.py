"""What waits to be told to one reader: in order, bounded, and only what it may know of."""

from services.cache.invalidation.positions import Event, StreamPosition
from services.cache.invalidation.readers import MAX_QUEUED, Echo, Reader, Reset, Tick, WatchEvent


def event(offset: int, *tags: str) -> Event:
    return Event(StreamPosition("e", offset), tags)


async def drained(reader: Reader) -> list[WatchEvent]:
    """Return what waits, up to the last echo."""
    told: list[WatchEvent] = []
    async for event in reader.events():
        told.append(event)
        if event == Echo(99):
            break
    return told


async def test_what_is_told_comes_in_its_order() -> None:
    reader = Reader(1, "gateway")
    reader.queue(event(1, "user:1"))
    reader.echo(Tick(7, 0.0), StreamPosition("e", 1))
    reader.queue(event(2, "user:2"))
    reader.echo(Tick(99, 0.0), StreamPosition("e", 2))
    assert await drained(reader) == [event(1, "user:1"), Echo(7), event(2, "user:2"), Echo(99)]


async def test_a_reader_that_does_not_read_drops_everything_and_goes_on_from_there() -> None:
    reader = Reader(1, "gateway")
    for offset in range(1, MAX_QUEUED + 3):
        reader.queue(event(offset))
    reader.echo(Tick(99, 0.0), StreamPosition("e", MAX_QUEUED + 2))
    assert await drained(reader) == [Reset(StreamPosition("e", MAX_QUEUED + 1)), event(MAX_QUEUED + 2), Echo(99)]


async def test_echoes_fill_no_memory_either() -> None:
    reader = Reader(1, "gateway")
    for number in range(1, MAX_QUEUED + 2):
        reader.echo(Tick(number + 1_000, 0.0), StreamPosition("e", 5))
    reader.echo(Tick(99, 0.0), StreamPosition("e", 5))
    assert await drained(reader) == [Reset(StreamPosition("e", 5)), Echo(99)]


async def test_a_tick_is_taken_once_and_of_very_many_the_newest() -> None:
    reader = Reader(1, "gateway")
    for number in range(MAX_QUEUED + 10):
        reader.tick(Tick(number, 0.0))
    assert [tick.tick_ns for tick in reader.take_ticks()] == list(range(10, MAX_QUEUED + 10))
    assert reader.take_ticks() == []


async def test_anothers_tags_are_not_told_but_their_place_is() -> None:
    reader = Reader(1, "gateway")
    reader.queue(event(1, "user:1", "gateway/mine", "identity/theirs", "gateway-2/theirs"))
    reader.queue(event(2, "identity/theirs"))
    reader.echo(Tick(99, 0.0), StreamPosition("e", 2))
    assert await drained(reader) == [event(1, "user:1", "gateway/mine"), event(2), Echo(99)]
