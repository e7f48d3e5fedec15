"""What is fetched once for all, kept for a while, and not asked for too often."""

import asyncio

import pytest

from runtime.background.tasks import Tasks
from services.identity.oauth.errors import ExchangeError
from services.identity.oauth.providers.ttl_value import TtlValue
from trivet.client import within


class Source:
    """Something that can be loaded, or not, at a time that a test moves."""

    def __init__(self) -> None:
        self.loads = 0
        self.fails = False
        self.time = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.kept = TtlValue(
            self.load,
            Tasks("tests"),
            seconds=100,
            again_seconds=10,
            stale_seconds=1_000,
            monotonic=lambda: self.time,
        )

    async def load(self) -> int:
        self.loads += 1
        await self.gate.wait()
        if self.fails:
            raise ExchangeError("it is away")
        return self.loads


async def test_those_who_ask_at_once_share_one_load() -> None:
    source = Source()
    source.gate.clear()
    asking = [asyncio.create_task(source.kept.get()) for _ in range(10)]
    await asyncio.sleep(0)
    asking[0].cancel()
    source.gate.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert found[1:] == [1] * 9
    assert source.loads == 1


async def test_a_value_is_renewed_when_it_is_old_or_when_asked_but_not_at_once_again() -> None:
    source = Source()
    assert await source.kept.get() == 1
    assert not await source.kept.reload()
    source.time = 10
    assert await source.kept.reload()
    assert await source.kept.get() == 2
    source.time = 111
    assert await source.kept.get() == 3


async def test_an_old_value_stands_in_for_a_while() -> None:
    source = Source()
    assert await source.kept.get() == 1
    source.fails, source.time = True, 200
    assert await source.kept.get() == 1
    assert await source.kept.get() == 1
    assert source.loads == 2, "what fails is not asked for at each call"
    source.time = 1_200
    with pytest.raises(ExchangeError):
        await source.kept.get()


async def test_a_failure_is_remembered_until_the_next_try() -> None:
    source = Source()
    source.fails = True
    for _ in range(3):
        with pytest.raises(ExchangeError):
            await source.kept.get()
    assert source.loads == 1
    source.fails, source.time = False, 10
    assert await source.kept.get() == 2


async def test_who_has_no_more_time_stops_waiting_and_the_load_goes_on_for_the_others() -> None:
    """A provider that hangs is the provider's fault in the answer, and no line that goes dead."""
    source = Source()
    source.gate.clear()
    other = asyncio.create_task(source.kept.get())
    with within(0.05), pytest.raises(ExchangeError, match="does not answer in time"):
        await source.kept.get()
    source.gate.set()
    assert await other == 1
    assert source.loads == 1


async def test_an_old_value_stands_in_for_one_that_does_not_come_in_time() -> None:
    source = Source()
    assert await source.kept.get() == 1
    source.time = 101
    source.gate.clear()
    with within(0.05):
        assert await source.kept.get() == 1
    source.gate.set()
