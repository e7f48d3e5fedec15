"""What others must know of a change, on every engine (R24)."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from runtime.errors import RefusedError, Unavailable
from services.identity import schema
from services.identity.database import Transaction
from services.identity.outbox import MAX_REFUSALS, Outbox, parked
from tests.conformance.identity.conftest import Identity
from tests.harness.waiting import until

AWAY = Unavailable("CACHE_UNAVAILABLE", "away")


async def _waiting(identity: Identity) -> int:
    row = await identity.database.row("tests.count", select(func.count()).select_from(schema.outbox))
    assert row is not None
    return int(row[0])


async def _is_empty(identity: Identity) -> bool:
    return await _waiting(identity) == 0


async def _add(outbox: Outbox, identity: Identity, *tags: str, fails: bool = False) -> None:
    async def work(transaction: Transaction) -> None:
        await outbox.add(transaction, *tags)
        if fails:
            raise Unavailable("TESTS", "the change fails after all")

    await identity.database.transaction("tests.add", work)


async def test_a_change_is_told_before_its_call_returns_and_its_row_goes(identity: Identity) -> None:
    await _add(identity.outbox, identity, "user:a", "session:b")
    assert identity.cache.told == [("user:a", "session:b")]
    await until(lambda: _is_empty(identity), 2)


async def test_a_change_that_is_rolled_back_is_not_told(identity: Identity) -> None:
    with pytest.raises(Unavailable):
        await _add(identity.outbox, identity, "user:a", fails=True)
    assert identity.cache.told == []
    assert await _is_empty(identity)


async def test_what_the_cache_did_not_hear_is_sent_again_oldest_first(identity: Identity) -> None:
    identity.cache.error = AWAY
    for tag in ("user:a", "user:b", "user:c"):
        await _add(identity.outbox, identity, tag)
    with pytest.raises(Unavailable):
        await identity.outbox.relay()
    assert await _waiting(identity) == 3
    identity.cache.error = None
    assert await identity.outbox.relay() == 3
    assert identity.cache.told == [("user:a",), ("user:b",), ("user:c",)]
    assert await _is_empty(identity)


async def test_a_long_absence_of_the_cache_parks_nothing(identity: Identity) -> None:
    identity.cache.error = AWAY
    await _add(identity.outbox, identity, "user:a")
    for _ in range(MAX_REFUSALS + 1):
        with pytest.raises(Unavailable):
            await identity.outbox.relay()
    identity.cache.error = None
    assert await identity.outbox.relay() == 1


async def test_what_is_not_confirmed_by_every_reader_stays(identity: Identity) -> None:
    identity.cache.confirms = False
    await _add(identity.outbox, identity, "user:a")
    assert await identity.outbox.relay() == 0
    assert await _waiting(identity) == 1
    identity.cache.confirms = True
    assert await identity.outbox.relay() == 1


async def test_a_row_that_its_call_is_still_sending_is_left_to_it(identity: Identity) -> None:
    identity.cache.error = AWAY
    await _add(identity.outbox, identity, "user:a")
    identity.cache.error = None
    assert await identity.outbox.relay(older_than=timedelta(seconds=1)) == 0
    identity.clock.move(seconds=1)
    assert await identity.outbox.relay(older_than=timedelta(seconds=1)) == 1


async def test_two_relays_at_once_harm_nobody(identity: Identity) -> None:
    identity.cache.error = AWAY
    for number in range(20):
        await _add(identity.outbox, identity, f"user:{number}")
    identity.cache.error = None
    other = Outbox(identity.database, identity.cache, now=identity.clock)
    await asyncio.gather(identity.outbox.relay(), other.relay())
    assert {tags[0] for tags in identity.cache.told} == {f"user:{number}" for number in range(20)}
    assert await _is_empty(identity)


async def test_a_row_that_is_refused_for_good_is_parked_and_the_others_go_on(identity: Identity) -> None:
    now = identity.clock()
    poison = {"created_at": now, "updated_at": now, "topic": "cache.invalidate", "key": "", "attempts": 0}

    async def work(transaction: Transaction) -> None:
        for payload in ("not json", json.dumps({"tags": 7}), json.dumps(["tags"])):
            await transaction.execute(insert(schema.outbox).values(payload=payload, **poison))

    await identity.database.transaction("tests.poison", work)
    identity.cache.error = AWAY
    await _add(identity.outbox, identity, "user:a")
    identity.cache.error = None
    assert await identity.outbox.relay() == 1
    for _ in range(MAX_REFUSALS):
        assert await identity.outbox.relay() == 0
    assert parked._value.get() == 3
    assert await _waiting(identity) == 3
    topics = await identity.database.rows("tests.topics", select(schema.outbox.c.topic, schema.outbox.c.attempts))
    assert set(topics) == {("parked:cache.invalidate", MAX_REFUSALS)}


async def test_a_dead_letter_of_a_former_version_is_parked_at_its_next_refusal(identity: Identity) -> None:
    now = identity.clock()
    values = {"created_at": now, "updated_at": now, "key": "", "payload": "not json", "attempts": MAX_REFUSALS}

    async def work(transaction: Transaction) -> None:
        await transaction.execute(insert(schema.outbox).values(topic="cache.invalidate", **values))

    await identity.database.transaction("tests.poison", work)
    assert await identity.outbox.relay() == 0
    assert parked._value.get() == 1


async def test_a_refusal_of_the_cache_counts_too(identity: Identity) -> None:
    identity.cache.error = RefusedError()
    await _add(identity.outbox, identity, "user:a")
    for _ in range(MAX_REFUSALS):
        await identity.outbox.relay()
    identity.cache.error = None
    assert await identity.outbox.relay() == 0
    assert await _waiting(identity) == 1
