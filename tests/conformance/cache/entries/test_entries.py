"""What an entry promises: found until its time is over, whatever its bytes, many in one round trip."""

import asyncio
from typing import Any

import pytest

from services.cache.entries.entries import MAX_RESPONSE_BYTES, Entry
from services.cache.redis.scripts import Script
from tests.conformance.cache.conftest import Cache
from tests.harness.waiting import until


def counting(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the scripts that are run from here on: the server itself counts everybody's."""
    runs: list[str] = []
    run = cache.store._run

    async def counted(script: Script, *args: Any, **kwargs: Any) -> Any:
        runs.append(script.name)
        return await run(script, *args, **kwargs)

    monkeypatch.setattr(cache.store, "_run", counted)
    return runs


@pytest.mark.parametrize("value", [b"", b"\x00\xff binary \r\n", b"v" * 1024 * 1024])
async def test_a_value_comes_back_byte_by_byte_with_its_position_and_time(cache: Cache, value: bytes) -> None:
    lease = await cache.miss("a")
    assert await cache.fill("a", value, "x", lease=lease, ttl_ms=5_000)
    found = await cache.get("a")
    assert found.value == value
    assert found.position == lease
    assert 0 < found.ttl_ms <= 5_000


async def test_a_hit_names_its_tags_and_says_whether_it_tells_of_nothing(cache: Cache) -> None:
    await cache.entries.set("things", [Entry("none", b"", 60_000, ["x", "y"], absent=True), Entry("some", b"", 60_000)])
    none, some = await cache.entries.get("things", ["none", "some"])
    assert (none.value, none.absent, none.tags) == (b"", True, ("x", "y"))
    assert (some.value, some.absent, some.tags) == (b"", False, ())


async def test_an_entry_of_a_kind_that_is_not_known_is_a_miss(cache: Cache) -> None:
    """Written by another version of this service, whose third word may be a tag."""
    await cache.fill("a", b"v", "x")
    whole = await cache.redis.get(cache.entry_key("a"))
    await cache.redis.set(cache.entry_key("a"), whole.replace(b" value ", b" "))
    assert (await cache.get("a")).value is None


async def test_an_entry_is_gone_when_its_time_is_over(cache: Cache) -> None:
    assert await cache.fill("brief", b"v", ttl_ms=40)
    assert await cache.fill("longer", b"v", ttl_ms=60_000)

    async def is_gone() -> bool:
        return (await cache.get("brief")).value is None

    await until(is_gone, 2)
    assert (await cache.get("longer")).value == b"v"


async def test_filling_again_replaces_value_tags_and_time(cache: Cache) -> None:
    assert await cache.fill("a", b"old", "x", ttl_ms=1_000)
    assert await cache.fill("a", b"new", "y", ttl_ms=60_000)
    await cache.entries.invalidate(["x"])
    found = await cache.get("a")
    assert found.value == b"new"
    assert found.ttl_ms > 1_000


async def test_a_thousand_keys_are_read_and_written_in_one_round_trip_each(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = counting(cache, monkeypatch)
    stored = await cache.entries.set("things", [Entry(f"k{i}", b"%d" % i, 60_000, ["x"]) for i in range(999)])
    found = await cache.entries.get("things", [f"k{i}" for i in reversed(range(1_000))])
    assert runs == ["entries.set", "entries.get"]
    assert stored == [True] * 999
    assert [lookup.value for lookup in found] == [None, *(b"%d" % i for i in reversed(range(999)))]


async def test_a_batch_answers_no_more_than_a_message_can_hold(cache: Cache) -> None:
    """What is left out reads as a miss that can be filled: an entry may always be one."""
    megabyte = b"v" * 1024 * 1024
    for key in "abcde":
        await cache.fill(key, megabyte)
    found = await cache.entries.get("things", "abcde")
    assert [len(lookup.value or b"") for lookup in found] == [len(megabyte)] * 3 + [0] * 2
    assert 3 * len(megabyte) < MAX_RESPONSE_BYTES < 4 * len(megabyte)
    assert all(lookup.position is not None for lookup in found)


async def test_what_cannot_be_answered_is_not_copied_either(cache: Cache) -> None:
    """One lawful batch would otherwise have Redis copy a gigabyte while everybody waits."""
    keys = [f"big{i}" for i in range(30)]
    await cache.entries.set("things", [Entry(key, b"v" * 1024 * 1024, 60_000) for key in keys[:1]])
    whole = await cache.redis.get(cache.entry_key(keys[0]))
    for key in keys:
        await cache.redis.set(cache.entry_key(key), whole)
    before = (await cache.redis.info("commandstats")).get("cmdstat_get", {}).get("calls", 0)
    found = await cache.entries.get("things", keys)
    after = (await cache.redis.info("commandstats"))["cmdstat_get"]["calls"]
    assert sum(lookup.value is not None for lookup in found) == 3
    assert after - before == 3


async def test_an_entry_with_the_longest_tags_is_found(cache: Cache) -> None:
    tags = [f"{i:02}" + "t" * 510 for i in range(16)]
    assert await cache.fill("a", b"v" * 1024 * 1024, *tags)
    assert (await cache.get("a")).value is not None


async def test_deleting_says_how_many_were_there(cache: Cache) -> None:
    await cache.fill("a", b"v")
    await cache.fill("b", b"v")
    assert await cache.entries.delete("things", ["a", "b", "never"]) == 2
    assert await cache.entries.delete("things", ["a"]) == 0
    assert (await cache.get("a")).value is None


async def test_namespaces_do_not_share_keys(cache: Cache) -> None:
    await cache.fill("a", b"things")
    assert [found.value for found in await cache.entries.get("others", ["a"])] == [None]


async def test_a_script_that_redis_forgot_is_sent_again(cache: Cache) -> None:
    await cache.fill("a", b"v")
    await cache.redis.script_flush()
    assert (await cache.get("a")).value == b"v"


@pytest.mark.parametrize("command", ["set", "rpush", "sadd"])
async def test_a_key_of_another_type_is_a_miss_and_is_overwritten(cache: Cache, command: str) -> None:
    """R14: a wrong-type key under our prefix is a miss, never an error."""
    await getattr(cache.redis, command)(cache.entry_key("a"), "not ours")
    assert await cache.fill("a", b"v", lease=await cache.miss("a"))
    assert (await cache.get("a")).value == b"v"


async def test_large_entries_that_are_read_together_are_all_found(cache: Cache) -> None:
    """They share a script, which has no room for all of them: what it left out is then read by itself."""
    value = b"v" * 1024 * 1024
    for key in "abcdef":
        await cache.fill(key, value)
    found = await asyncio.gather(*(cache.get(key) for key in "abcdef"))
    assert {lookup.value == value for lookup in found} == {True}
