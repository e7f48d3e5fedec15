"""One call at a time for each key, and nobody gets the outcome of one that began before they came."""

import asyncio
from contextvars import ContextVar

import pytest

from tests.harness.waiting import until
from trivet.client.near.single_flight import SingleFlight

person: ContextVar[str] = ContextVar("person", default="nobody")


class Work:
    """Numbers its calls, and holds them while the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = asyncio.Event()
        self.people: list[str] = []

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        self.people.append(person.get())
        await self.open.wait()
        if number == 13:
            raise ValueError("unlucky")
        return number


async def test_those_that_come_while_a_call_is_under_way_share_the_next() -> None:
    work, flights = Work(), SingleFlight[int]()
    first = asyncio.create_task(flights.join("a", work))
    await until(lambda: work.begun == 1)
    others = [asyncio.create_task(flights.join("a", work)) for _ in range(500)]
    await asyncio.sleep(0)
    work.open.set()
    assert await first == 1
    assert set(await asyncio.gather(*others)) == {2}
    assert (work.begun, len(flights)) == (2, 0)


async def test_whoever_comes_as_a_call_ends_does_not_wait_for_ever() -> None:
    """The next call is made ready, the one before it ends, and only then does the next one begin to wait for it."""
    work, flights = Work(), SingleFlight[int]()
    first = asyncio.create_task(flights.join("a", work))
    await until(lambda: work.begun == 1)
    late = asyncio.create_task(flights.join("a", work))
    work.open.set()  # its turn in the loop is behind that of whoever comes late, and before that of the next call
    assert [await asyncio.wait_for(each, 5) for each in (first, late)] == [1, 2]
    assert len(flights) == 0


async def test_keys_do_not_wait_for_each_other() -> None:
    work, flights = Work(), SingleFlight[int]()
    tasks = [asyncio.create_task(flights.join(key, work)) for key in "ab"]
    await until(lambda: work.begun == 2)
    work.open.set()
    assert await asyncio.gather(*tasks) == [1, 2]


async def test_a_call_goes_on_when_whoever_began_it_leaves() -> None:
    work, flights = Work(), SingleFlight[int]()
    first = asyncio.create_task(flights.join("a", work))
    await until(lambda: work.begun == 1)
    second = asyncio.create_task(flights.join("a", work))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    third = asyncio.create_task(flights.join("a", work))
    await asyncio.sleep(0)
    work.open.set()
    assert await third == 2
    assert len(flights) == 0


async def test_a_failure_is_everybodys_who_shares_it_and_the_next_call_is_a_new_one() -> None:
    work, flights = Work(), SingleFlight[int]()
    work.begun = 12
    work.open.set()
    with pytest.raises(ValueError, match="unlucky"):
        await flights.join("a", work)
    assert await flights.join("a", work) == 14


async def test_a_shared_call_is_in_nobodys_name() -> None:
    work, flights = Work(), SingleFlight[int]()
    work.open.set()
    person.set("Ann")
    await flights.join("a", work)
    assert work.people == ["nobody"]
