"""What others must know of a change, on every engine (R24)."""

import asyncio
import json
from datetime import timedelta

import pytest

from runtime.errors import Unavailable
from services.identity.outbox.outbox import INVALIDATIONS, RETRY_POLICY, Outbox, lag
from tests.conformance.identity.conftest import Identity
from tests.conformance.identity.outbox.rows import (
    AWAY,
    add,
    insert_rows,
    is_empty,
    waiting,
)
from tests.harness.waiting import until


async def test_a_change_is_told_before_its_call_returns_and_its_row_goes(identity: Identity) -> None:
    await add(identity.outbox, identity, "user:a", "session:b")
    assert identity.cache.told == [("user:a", "session:b")]
    await until(lambda: is_empty(identity), 2)


async def test_a_change_that_is_rolled_back_is_not_told(identity: Identity) -> None:
    with pytest.raises(Unavailable):
        await add(identity.outbox, identity, "user:a", fails=True)
    assert identity.cache.told == []
    assert await is_empty(identity)


async def test_what_the_cache_did_not_hear_is_sent_again(identity: Identity) -> None:
    identity.cache.error = AWAY
    for tag in ("user:a", "user:b", "user:c"):
        await add(identity.outbox, identity, tag)
    with pytest.raises(Unavailable):
        await identity.outbox.relay()
    assert await waiting(identity) == 3
    identity.cache.error = None
    assert await identity.outbox.relay() == 3
    assert identity.cache.told == [("user:b",), ("user:c",), ("user:a",)], "where it was away comes last"
    assert await is_empty(identity)


async def test_a_long_absence_of_the_cache_parks_nothing(identity: Identity) -> None:
    identity.cache.error = AWAY
    await add(identity.outbox, identity, "user:a")
    for _ in range(RETRY_POLICY.attempts + 1):
        with pytest.raises(Unavailable):
            await identity.outbox.relay()
    identity.cache.error = None
    assert await identity.outbox.relay() == 1


async def test_what_is_not_confirmed_by_every_reader_stays(identity: Identity) -> None:
    identity.cache.confirms = False
    await add(identity.outbox, identity, "user:a")
    assert await identity.outbox.relay() == 0
    assert await waiting(identity) == 1
    identity.cache.confirms = True
    assert await identity.outbox.relay() == 1


async def test_a_row_that_its_call_is_still_sending_is_left_to_it(identity: Identity) -> None:
    identity.cache.error = AWAY
    await add(identity.outbox, identity, "user:a")
    identity.cache.error = None
    assert await identity.outbox.relay(older_than=timedelta(seconds=1)) == 0
    identity.clock.move(seconds=1)
    assert await identity.outbox.relay(older_than=timedelta(seconds=1)) == 1


async def test_two_relays_at_once_harm_nobody(identity: Identity) -> None:
    identity.cache.error = AWAY
    for number in range(20):
        await add(identity.outbox, identity, f"user:{number}")
    identity.cache.error = None
    other = Outbox(identity.database, identity.cache, now=identity.clock)
    await asyncio.gather(identity.outbox.relay(), other.relay())
    assert {tags[0] for tags in identity.cache.told} == {f"user:{number}" for number in range(20)}
    assert await is_empty(identity)


async def test_a_row_of_an_older_process_is_due_at_once(identity: Identity) -> None:
    """It knows neither the time of the next attempt nor the cause, and the database gives both."""
    await insert_rows(identity, json.dumps({"tags": ["user:a"]}))
    identity.clock.move(seconds=7)
    identity.cache.error = AWAY
    with pytest.raises(Unavailable):
        await identity.outbox.relay()
    assert lag.labels(INVALIDATIONS)._value.get() == 7
    identity.cache.error = None
    assert await identity.outbox.relay() == 1
