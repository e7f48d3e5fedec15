"""What a receiver refuses or cannot answer is sent again, and stops no other note, on every engine."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from runtime.errors import DeliveryRejectedError, Unavailable
from services.identity import schema
from services.identity.outbox.backlog import Backlog, MessageFilter, length, parked
from services.identity.outbox.delivery import OutboxMessage, Subscriber
from services.identity.outbox.outbox import INVALIDATIONS, RETRY_POLICY, Outbox, refused
from tests.conformance.identity.conftest import OPERATOR, Identity
from tests.conformance.identity.outbox.rows import (
    AWAY,
    add,
    audit_of,
    insert_rows,
    is_one,
    put,
    until_parked,
)
from tests.harness.waiting import until


async def test_a_row_that_is_refused_for_good_is_parked_and_the_others_go_on(identity: Identity) -> None:
    await insert_rows(identity, "not json", json.dumps({"tags": 7}), json.dumps(["tags"]))
    identity.cache.error = AWAY
    await add(identity.outbox, identity, "user:a")
    identity.cache.error = None
    assert await identity.outbox.relay() == 1
    await until_parked(identity)
    notes = Backlog(identity.database, now=identity.clock)
    await notes.measure()
    assert parked.labels(INVALIDATIONS)._value.get() == 3
    topics = await identity.database.rows("tests.topics", select(schema.outbox.c.topic, schema.outbox.c.attempts))
    assert set(topics) == {("parked:cache.invalidate", RETRY_POLICY.attempts)}
    await notes.drop(MessageFilter(), audit_of(identity), actor=OPERATOR)
    await notes.measure()
    assert parked.labels(INVALIDATIONS)._value.get() == 0


async def test_waiting_messages_are_counted_by_topic_and_parked_ones_are_not(identity: Identity) -> None:
    backlog, topics = Backlog(identity.database, now=identity.clock), identity.outbox.topics
    identity.cache.error = AWAY
    await add(identity.outbox, identity, "user:a")
    await add(identity.outbox, identity, "user:b")
    await backlog.measure(topics)
    assert length.labels(INVALIDATIONS)._value.get() == 2
    identity.cache.error = None
    await insert_rows(identity, "not json", attempts=RETRY_POLICY.attempts)
    assert await identity.outbox.relay() == 2
    await backlog.measure(topics)
    assert length.labels(INVALIDATIONS)._value.get() == 0
    assert parked.labels(INVALIDATIONS)._value.get() == 1


async def test_a_dead_letter_of_a_former_version_is_parked_at_its_next_refusal(identity: Identity) -> None:
    await insert_rows(identity, "not json", attempts=RETRY_POLICY.attempts)
    assert await identity.outbox.relay() == 0
    assert [note.is_parked for note in await Backlog(identity.database).list(MessageFilter(), 10)] == [True]


async def test_a_refused_note_lets_the_next_go_and_comes_back_after_growing_pauses(identity: Identity) -> None:
    identity.cache.error = DeliveryRejectedError("INTERNAL")
    await add(identity.outbox, identity, "user:a")
    asked: list[float] = []
    begun = identity.clock()
    for attempt in range(1, 6):
        before = refused.labels(INVALIDATIONS)._value.get()
        while refused.labels(INVALIDATIONS)._value.get() == before:
            identity.clock.move(seconds=0.5)
            await identity.outbox.relay()
        asked.append((identity.clock() - begun).total_seconds())
        [note] = await Backlog(identity.database).list(MessageFilter(), 10)
        assert (note.attempts, note.cause, note.is_parked) == (attempt, "INTERNAL", False)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    for pause, longest in zip(pauses, (2, 4, 8, 16), strict=True):
        assert longest / 2 <= pause <= longest + 0.5
    identity.cache.error = None
    await add(identity.outbox, identity, "user:b")
    assert identity.cache.told == [("user:b",)]
    await until(lambda: is_one(identity), 2)
    identity.clock.move(seconds=32)
    assert await identity.outbox.relay() == 1


async def test_a_refused_note_is_sent_for_hours_before_it_is_parked(identity: Identity) -> None:
    identity.cache.error = DeliveryRejectedError("FAILED_PRECONDITION MAIL_NOT_CONFIGURED")
    await add(identity.outbox, identity, "user:a")
    begun = identity.clock()
    await until_parked(identity, step=timedelta(minutes=10))
    assert timedelta(hours=6) <= identity.clock() - begun <= timedelta(hours=18)


async def test_a_mistake_of_ours_stops_no_topic_and_is_logged_once(
    identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """A message whose receiver raises an unexpected exception is rejected like any other."""
    sent: list[str] = []

    async def deliver(notes: Sequence[OutboxMessage]) -> None:
        for note in notes:
            if note.payload.startswith("poison"):
                raise ZeroDivisionError
            sent.append(note.payload)

    outbox = Outbox(identity.database, identity.cache, {"tests": Subscriber(deliver, batch=10)}, now=identity.clock)
    await put(outbox, identity, "poison 1", "a", "poison 2", "b")
    assert await outbox.relay() == 2
    assert sent == ["a", "b"]
    [said] = [record for record in caplog.records if "is rejected" in record.getMessage()]
    assert "unexpected: ZeroDivisionError" in said.getMessage()
    assert said.exc_info


async def test_a_note_that_a_receiver_cannot_answer_stops_no_other(identity: Identity) -> None:
    """It answers in no time, or dies of it: the receiver is taken to be away, and then for the next one it is not."""
    sent: list[str] = []

    async def deliver(notes: Sequence[OutboxMessage]) -> None:
        if notes[0].payload == "deadly":
            raise AWAY
        sent.append(notes[0].payload)

    outbox = Outbox(identity.database, identity.cache, {"tests": Subscriber(deliver)}, now=identity.clock)
    await put(outbox, identity, "deadly", "a", "b")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await outbox.relay()
    assert sent == ["a", "b"]
    [note] = await Backlog(identity.database).list(MessageFilter(), 10)
    assert note.attempts == 0


async def test_a_note_that_a_batch_cannot_be_answered_for_holds_no_other_of_its_batch(identity: Identity) -> None:
    """The batch as a whole is not answered in time: its notes go one by one, and new ones still in batches."""
    sent: list[list[str]] = []

    async def deliver(notes: Sequence[OutboxMessage]) -> None:
        payloads = [note.payload for note in notes]
        sent.append(payloads)
        if any(payload.startswith("deadly") for payload in payloads):
            raise AWAY

    outbox = Outbox(identity.database, identity.cache, {"tests": Subscriber(deliver, batch=10)}, now=identity.clock)

    async def relayed() -> list[list[str]]:
        sent.clear()
        with pytest.raises(Unavailable):
            await outbox.relay()
        return sent.copy()

    await put(outbox, identity, "a", "deadly 1", "b", "deadly 2", "c")
    assert await relayed() == [["a", "deadly 1", "b", "deadly 2", "c"]]
    assert await relayed() == [["a"], ["deadly 1"]]
    await put(outbox, identity, "d", "e")
    assert await relayed() == [["d", "e"], ["b"], ["deadly 2"]]
    assert await relayed() == [["c"], ["deadly 1"]]
    assert await relayed() == [["deadly 2"]]
    assert [note.attempts for note in await Backlog(identity.database).list(MessageFilter(), 10)] == [0, 0]


async def test_a_receiver_that_is_back_is_sent_batches_again(identity: Identity) -> None:
    sent: list[int] = []
    is_away = True

    async def deliver(notes: Sequence[OutboxMessage]) -> None:
        sent.append(len(notes))
        if is_away:
            raise AWAY

    outbox = Outbox(identity.database, identity.cache, {"tests": Subscriber(deliver, batch=10)}, now=identity.clock)
    await put(outbox, identity, "a", "b", "c")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await outbox.relay()
    assert sent == [3, 1, 1], "an absence costs one call for each relay"
    is_away = False
    assert await outbox.relay() == 3
    await put(outbox, identity, "d", "e")
    sent.clear()
    assert await outbox.relay() == 2
    assert sent == [2]


async def test_two_relays_that_are_refused_at_once_count_one_attempt(identity: Identity) -> None:
    both = asyncio.Barrier(2)

    async def refuse(_: Sequence[OutboxMessage]) -> None:
        await both.wait()
        raise DeliveryRejectedError("INTERNAL")

    subscribers = {"tests": Subscriber(refuse)}
    one, other = [Outbox(identity.database, identity.cache, subscribers, now=identity.clock) for _ in range(2)]
    await put(one, identity, "a")
    await asyncio.gather(one.relay(), other.relay())
    [note] = await Backlog(identity.database).list(MessageFilter(), 10)
    assert note.attempts == 1
