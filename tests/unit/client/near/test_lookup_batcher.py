"""Lookups that come together share a call, and none gets an answer that is older than its question."""

import asyncio
import contextvars
from collections.abc import Sequence
from typing import cast

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider

from runtime.rpc.actor import Verifier
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetRequest, GetResponse, Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, acting_for, remaining, within
from trivet.client.near.lookup_batcher import LOOKUP_SECONDS, MAX_KEYS, LookupBatcher
from trivet.client.near.lookup_stream import LookupStream

KEY = b"k" * 32


class Cache:
    """A cache that answers each key with how many calls it has had, when the test lets it."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.seconds: list[float] = []
        self.contexts: list[contextvars.Context] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def Get(self, request: GetRequest, timeout: float) -> GetResponse:
        (lookup,) = await self._answer([request.key], timeout)
        return GetResponse(lookup=lookup)

    async def ask(self, keys: Sequence[str], seconds: float) -> list[Lookup]:
        return await self._answer(list(keys), seconds)

    async def _answer(self, keys: list[str], seconds: float) -> list[Lookup]:
        self.calls.append(keys)
        self.seconds.append(seconds)
        self.contexts.append(contextvars.copy_context())
        number = len(self.calls)
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return [Lookup(found=True, value=f"{key} by call {number}".encode()) for key in keys]

    @property
    def lookups(self) -> LookupBatcher:
        return LookupBatcher(cast(CacheServiceStub, self), "sessions", stream=cast(LookupStream, self))


async def held(cache: Cache, lookups: LookupBatcher, *keys: str) -> list["asyncio.Task[Lookup]"]:
    """Return lookups of these keys: the first one under way and held there, the others waiting behind it."""
    cache.open.clear()
    first = asyncio.create_task(lookups.get(keys[0]))
    await until(lambda: bool(cache.calls))
    others = [asyncio.create_task(lookups.get(key)) for key in keys[1:]]
    await asyncio.sleep(0)
    return [first, *others]


async def test_one_alone_is_asked_for_at_once() -> None:
    cache = Cache()
    assert (await cache.lookups.get("a")).value == b"a by call 1"
    assert cache.calls == [["a"]]


async def test_those_that_come_while_a_call_is_under_way_share_the_next() -> None:
    cache = Cache()
    tasks = await held(cache, cache.lookups, "a", "b", "c", "b")
    cache.open.set()
    values = [lookup.value for lookup in await asyncio.gather(*tasks)]
    assert values == [b"a by call 1", b"b by call 2", b"c by call 2", b"b by call 2"]
    assert cache.calls == [["a"], ["b", "c"]]


async def test_a_lookup_never_shares_a_call_that_was_made_before_it() -> None:
    """S4: what was revoked in between would still be in that call's answer."""
    cache = Cache()
    tasks = await held(cache, cache.lookups, "a", "a")
    cache.open.set()
    assert [lookup.value for lookup in await asyncio.gather(*tasks)] == [b"a by call 1", b"a by call 2"]


async def test_a_failure_reaches_everybody_who_waits_and_the_next_asks_anew() -> None:
    """R14: nobody waits for a second time-out."""
    cache = Cache()
    lookups = cache.lookups
    tasks = await held(cache, lookups, "a", "b")
    cache.failure = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
    cache.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes == [cache.failure, cache.failure]
    assert cache.calls == [["a"]]
    cache.failure = None
    assert (await lookups.get("b")).value == b"b by call 2"


async def test_an_answer_that_lacks_a_lookup_leaves_nobody_waiting() -> None:
    cache = Cache()
    tasks = await held(cache, cache.lookups, "a", "b", "c")

    async def one_too_few(keys: Sequence[str], seconds: float) -> list[Lookup]:
        return [Lookup()]

    cache.ask = one_too_few  # type: ignore[method-assign]  # a cache that is not as its contract says
    cache.open.set()
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert isinstance(outcomes[2], ValueError)


@pytest.mark.parametrize("failure", [None, ConnectionError("the cache is away")])
async def test_a_callback_may_begin_the_next_lookup(failure: Exception | None) -> None:
    cache = Cache()
    lookups, answers = cache.lookups, list[Lookup | Exception]()
    cache.failure = failure

    def then(answer: Lookup | Exception) -> None:
        cache.failure = None
        answers.append(answer)
        if len(answers) < 3:
            lookups.begin(f"{len(answers)}", then)

    lookups.begin("0", then)
    await until(lambda: len(answers) == 3)
    assert cache.calls == [["0"], ["1"], ["2"]]
    assert [isinstance(answer, Lookup) for answer in answers] == [failure is None, True, True]


async def test_a_callback_that_fails_takes_no_other_along(caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache()
    lookups, answers = cache.lookups, list[Lookup | Exception]()

    def fails(_: Lookup | Exception) -> None:
        raise RuntimeError("a bug")

    for then in (fails, answers.append, fails):
        lookups.begin("a", then)
    assert (await lookups.get("b")).found
    assert len(answers) == 1
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


async def test_a_request_that_ends_early_costs_the_others_nothing() -> None:
    cache = Cache()
    first, gone, stays = await held(cache, cache.lookups, "a", "b", "b")
    first.cancel()
    gone.cancel()
    cache.open.set()
    assert (await stays).value == b"b by call 2"


async def test_waiting_for_a_turn_is_a_part_of_a_lookups_time() -> None:
    cache = Cache()
    tasks = await held(cache, cache.lookups, "a", "b")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(lambda: loop.time() - began > 0.05)
    cache.open.set()
    await asyncio.gather(*tasks)
    assert cache.seconds[0] <= LOOKUP_SECONDS
    assert cache.seconds[1] < LOOKUP_SECONDS - 0.04


async def test_no_call_has_more_keys_than_the_cache_takes() -> None:
    cache = Cache()
    keys = [str(number) for number in range(MAX_KEYS + 2)]
    lookups = cache.lookups
    found = await asyncio.gather(*(lookups.get(key) for key in keys))
    assert [len(call) for call in cache.calls] == [MAX_KEYS, 2]
    assert all(lookup.value.startswith(f"{key} ".encode()) for key, lookup in zip(keys, found, strict=True))


async def test_a_shared_call_has_neither_the_person_nor_the_deadline_of_whoever_comes_first() -> None:
    cache = Cache()
    with acting_for("user1", "admin"), within(0.01):
        await cache.lookups.get("a")
    (context,) = cache.contexts
    signed = context.run(Signer("gateway", {"cache": KEY}), "cache")
    assert not Verifier("cache", {"gateway": KEY})(signed).is_person
    assert context.run(remaining, 10.0) == 10.0


async def test_a_lookup_whose_trace_is_recorded_has_a_call_of_its_own() -> None:
    """2.8: else the cache's span would be below another request's."""
    cache = Cache()
    lookups = cache.lookups
    with TracerProvider().get_tracer("test").start_as_current_span("request"):
        await asyncio.gather(*(lookups.get("a") for _ in range(3)))
    assert cache.calls == [["a"]] * 3


async def test_fifty_at_once_are_one_call_where_each_alone_would_be_fifty() -> None:
    cache = Cache()
    together, alone = cache.lookups, [cache.lookups for _ in range(50)]
    await asyncio.gather(*(together.get(f"key{number}") for number in range(50)))
    assert len(cache.calls) == 1
    await asyncio.gather(*(each.get("key") for each in alone))
    assert len(cache.calls) == 51
