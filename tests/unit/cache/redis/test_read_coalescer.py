"""Reads that come together share a script, and none shares one that began before it."""

import asyncio
from collections.abc import Sequence

from services.cache.redis.read_coalescer import MAX_KEYS_PER_SCRIPT, ReadCoalescer
from tests.harness.waiting import until


class Script:
    """Answers each key with the number of the run, when the test lets it."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.open = asyncio.Event()
        self.is_away = False

    async def __call__(self, keys: Sequence[str]) -> list[str] | None:
        self.runs.append(list(keys))
        number = len(self.runs)
        await self.open.wait()
        return None if self.is_away else [f"{key}{number}" for key in keys]


async def under_way(script: Script, reads: ReadCoalescer[str], *keys: str) -> list["asyncio.Task[str | None]"]:
    """Return reads of these keys: the first one's script is held, and the others came after it began."""
    first = asyncio.create_task(reads.get(keys[0]))
    await until(lambda: len(script.runs) == 1)
    others = [asyncio.create_task(reads.get(key)) for key in keys[1:]]
    await asyncio.sleep(0)
    return [first, *others]


async def test_those_that_come_while_a_script_runs_share_the_next_each_with_an_answer_of_its_own() -> None:
    script = Script()
    tasks = await under_way(script, ReadCoalescer(script), "a", "b", "c", "b")
    script.open.set()
    assert await asyncio.gather(*tasks) == ["a1", "b2", "c2", "b2"]
    assert script.runs == [["a"], ["b", "c", "b"]]


async def test_where_the_store_cannot_tell_nobody_waits_for_it_twice() -> None:
    """R14: a hung Redis is a miss in time, also for whoever came while it hung."""
    script = Script()
    script.is_away = True
    tasks = await under_way(script, ReadCoalescer(script), "a", "b")
    script.open.set()
    assert await asyncio.gather(*tasks) == [None, None]
    assert script.runs == [["a"]]


async def test_so_many_are_read_at_once_and_no_more() -> None:
    script = Script()
    keys = [f"k{number}" for number in range(MAX_KEYS_PER_SCRIPT + 2)]
    tasks = await under_way(script, ReadCoalescer(script), "a", *keys)
    script.open.set()
    await asyncio.gather(*tasks)
    assert [len(run) for run in script.runs] == [1, MAX_KEYS_PER_SCRIPT, 2]


async def test_who_gives_up_takes_nobody_along() -> None:
    script = Script()
    tasks = await under_way(script, ReadCoalescer(script), "a", "b", "c")
    tasks[0].cancel()
    tasks[1].cancel()
    script.open.set()
    assert await tasks[2] == "c2"


async def test_while_several_read_at_a_time_a_script_waits_a_moment_for_those_on_their_way() -> None:
    script = Script()
    script.open.set()
    reads = ReadCoalescer(script)

    async def late(key: str, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await reads.get(key)

    await asyncio.gather(late("a", 0), late("b", 0), late("c", 2), late("d", 3))
    assert script.runs == [["a", "b", "c", "d"]]


async def test_one_alone_waits_for_nobody() -> None:
    script = Script()
    script.open.set()
    reads = ReadCoalescer(script)
    await reads.get("a")
    alone = asyncio.create_task(reads.get("b"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert script.runs == [["a"], ["b"]]
    await alone
