"""What others must know of a change, on every engine (R24)."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, insert, select

from runtime.errors import DeliveryRejectedError, Unavailable
from services.identity import schema
from services.identity.outbox import backlog
from services.identity.outbox.audit import TOPIC as AUDIT
from services.identity.outbox.audit import Audit
from services.identity.outbox.backlog import Backlog, Choice, parked
from services.identity.outbox.outbox import INVALIDATIONS, PATIENCE, Note, Outbox, Subscriber, lag, refused
from services.identity.store.database import Transaction
from tests.conformance.identity.conftest import OPERATOR, Identity
from tests.harness.waiting import until

AWAY = Unavailable("CACHE_UNAVAILABLE", "away")


async def _waiting(identity: Identity) -> int:
    row = await identity.database.row("tests.count", select(func.count()).select_from(schema.outbox))
    assert row is not None
    return int(row[0])


async def _is_empty(identity: Identity) -> bool:
    return await _waiting(identity) == 0


async def _is_one(identity: Identity) -> bool:
    return await _waiting(identity) == 1


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


async def test_what_the_cache_did_not_hear_is_sent_again(identity: Identity) -> None:
    identity.cache.error = AWAY
    for tag in ("user:a", "user:b", "user:c"):
        await _add(identity.outbox, identity, tag)
    with pytest.raises(Unavailable):
        await identity.outbox.relay()
    assert await _waiting(identity) == 3
    identity.cache.error = None
    assert await identity.outbox.relay() == 3
    assert identity.cache.told == [("user:b",), ("user:c",), ("user:a",)], "where it was away comes last"
    assert await _is_empty(identity)


async def test_a_long_absence_of_the_cache_parks_nothing(identity: Identity) -> None:
    identity.cache.error = AWAY
    await _add(identity.outbox, identity, "user:a")
    for _ in range(PATIENCE.attempts + 1):
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
    await _insert(identity, "not json", json.dumps({"tags": 7}), json.dumps(["tags"]))
    identity.cache.error = AWAY
    await _add(identity.outbox, identity, "user:a")
    identity.cache.error = None
    assert await identity.outbox.relay() == 1
    await _until_parked(identity)
    notes = Backlog(identity.database, now=identity.clock)
    await notes.measure()
    assert parked.labels(INVALIDATIONS)._value.get() == 3
    topics = await identity.database.rows("tests.topics", select(schema.outbox.c.topic, schema.outbox.c.attempts))
    assert set(topics) == {("parked:cache.invalidate", PATIENCE.attempts)}
    await notes.drop(Choice(), _audit(identity), actor=OPERATOR)
    await notes.measure()
    assert parked.labels(INVALIDATIONS)._value.get() == 0


async def test_a_dead_letter_of_a_former_version_is_parked_at_its_next_refusal(identity: Identity) -> None:
    await _insert(identity, "not json", attempts=PATIENCE.attempts)
    assert await identity.outbox.relay() == 0
    assert [note.is_parked for note in await Backlog(identity.database).list(Choice(), 10)] == [True]


async def test_a_row_of_an_older_process_is_due_at_once(identity: Identity) -> None:
    """It knows neither the time of the next attempt nor the cause, and the database gives both."""
    await _insert(identity, json.dumps({"tags": ["user:a"]}))
    identity.clock.move(seconds=7)
    identity.cache.error = AWAY
    with pytest.raises(Unavailable):
        await identity.outbox.relay()
    assert lag.labels(INVALIDATIONS)._value.get() == 7
    identity.cache.error = None
    assert await identity.outbox.relay() == 1


async def test_a_refused_note_lets_the_next_go_and_comes_back_after_growing_pauses(identity: Identity) -> None:
    identity.cache.error = DeliveryRejectedError("INTERNAL")
    await _add(identity.outbox, identity, "user:a")
    asked: list[float] = []
    begun = identity.clock()
    for attempt in range(1, 6):
        before = refused.labels(INVALIDATIONS)._value.get()
        while refused.labels(INVALIDATIONS)._value.get() == before:
            identity.clock.move(seconds=0.5)
            await identity.outbox.relay()
        asked.append((identity.clock() - begun).total_seconds())
        [note] = await Backlog(identity.database).list(Choice(), 10)
        assert (note.attempts, note.cause, note.is_parked) == (attempt, "INTERNAL", False)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    for pause, longest in zip(pauses, (2, 4, 8, 16), strict=True):
        assert longest / 2 <= pause <= longest + 0.5
    identity.cache.error = None
    await _add(identity.outbox, identity, "user:b")
    assert identity.cache.told == [("user:b",)]
    await until(lambda: _is_one(identity), 2)
    identity.clock.move(seconds=32)
    assert await identity.outbox.relay() == 1


async def test_a_refused_note_is_sent_for_hours_before_it_is_parked(identity: Identity) -> None:
    identity.cache.error = DeliveryRejectedError("FAILED_PRECONDITION MAIL_NOT_CONFIGURED")
    await _add(identity.outbox, identity, "user:a")
    begun = identity.clock()
    await _until_parked(identity, step=timedelta(minutes=10))
    assert timedelta(hours=6) <= identity.clock() - begun <= timedelta(hours=18)


async def test_a_mistake_of_ours_stops_no_topic_and_is_logged_once(
    identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """A note whose receiver raises something that nobody expected is refused like any other."""
    sent: list[str] = []

    async def deliver(notes: Sequence[Note]) -> None:
        for note in notes:
            if note.payload.startswith("poison"):
                raise ZeroDivisionError
            sent.append(note.payload)

    outbox = Outbox(identity.database, identity.cache, {"tests": Subscriber(deliver, batch=10)}, now=identity.clock)
    await _put(outbox, identity, "poison 1", "a", "poison 2", "b")
    assert await outbox.relay() == 2
    assert sent == ["a", "b"]
    [said] = [record for record in caplog.records if "is refused" in record.getMessage()]
    assert "unexpected: ZeroDivisionError" in said.getMessage()
    assert said.exc_info


async def test_a_note_that_a_receiver_cannot_answer_stops_no_other(identity: Identity) -> None:
    """It answers in no time, or dies of it: the receiver is taken to be away, and then for the next one it is not."""
    sent: list[str] = []

    async def deliver(notes: Sequence[Note]) -> None:
        if notes[0].payload == "deadly":
            raise AWAY
        sent.append(notes[0].payload)

    outbox = Outbox(identity.database, identity.cache, {"tests": Subscriber(deliver)}, now=identity.clock)
    await _put(outbox, identity, "deadly", "a", "b")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await outbox.relay()
    assert sent == ["a", "b"]
    [note] = await Backlog(identity.database).list(Choice(), 10)
    assert note.attempts == 0


async def test_a_note_that_a_batch_cannot_be_answered_for_holds_no_other_of_its_batch(identity: Identity) -> None:
    """The batch as a whole is not answered in time: its notes go one by one, and new ones still in batches."""
    sent: list[list[str]] = []

    async def deliver(notes: Sequence[Note]) -> None:
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

    await _put(outbox, identity, "a", "deadly 1", "b", "deadly 2", "c")
    assert await relayed() == [["a", "deadly 1", "b", "deadly 2", "c"]]
    assert await relayed() == [["a"], ["deadly 1"]]
    await _put(outbox, identity, "d", "e")
    assert await relayed() == [["d", "e"], ["b"], ["deadly 2"]]
    assert await relayed() == [["c"], ["deadly 1"]]
    assert await relayed() == [["deadly 2"]]
    assert [note.attempts for note in await Backlog(identity.database).list(Choice(), 10)] == [0, 0]


async def test_a_receiver_that_is_back_is_sent_batches_again(identity: Identity) -> None:
    sent: list[int] = []
    is_away = True

    async def deliver(notes: Sequence[Note]) -> None:
        sent.append(len(notes))
        if is_away:
            raise AWAY

    outbox = Outbox(identity.database, identity.cache, {"tests": Subscriber(deliver, batch=10)}, now=identity.clock)
    await _put(outbox, identity, "a", "b", "c")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await outbox.relay()
    assert sent == [3, 1, 1], "an absence costs one call for each relay"
    is_away = False
    assert await outbox.relay() == 3
    await _put(outbox, identity, "d", "e")
    sent.clear()
    assert await outbox.relay() == 2
    assert sent == [2]


async def test_two_relays_that_are_refused_at_once_count_one_attempt(identity: Identity) -> None:
    both = asyncio.Barrier(2)

    async def refuse(_: Sequence[Note]) -> None:
        await both.wait()
        raise DeliveryRejectedError("INTERNAL")

    subscribers = {"tests": Subscriber(refuse)}
    one, other = [Outbox(identity.database, identity.cache, subscribers, now=identity.clock) for _ in range(2)]
    await _put(one, identity, "a")
    await asyncio.gather(one.relay(), other.relay())
    [note] = await Backlog(identity.database).list(Choice(), 10)
    assert note.attempts == 1


async def test_what_waits_is_listed_sent_again_and_dropped(identity: Identity) -> None:
    identity.cache.error = DeliveryRejectedError("FAILED_PRECONDITION MAIL_NOT_CONFIGURED")
    for number in range(3):
        await _add(identity.outbox, identity, f"user:{number}")
    await _until_parked(identity)
    await _put(identity.outbox, identity, "fresh")
    await _insert(identity, "not json", topic="parked:tests", attempts=7)
    notes = Backlog(identity.database, now=identity.clock)
    found = await notes.list(Choice(topic=INVALIDATIONS), 10)
    assert {(note.key, note.is_parked, note.cause) for note in found} == {
        (f"user:{number}", True, "FAILED_PRECONDITION MAIL_NOT_CONFIGURED") for number in range(3)
    }
    assert len(await notes.list(Choice(), 10)) == 5
    assert len(await notes.list(Choice(), 10, only_parked=True)) == 4
    assert await notes.counts() == {INVALIDATIONS: 3, "tests": 1}
    ids = [note.id for note in found]
    identity.cache.error = None
    assert await notes.retry(Choice(ids[:1]), _audit(identity), actor=OPERATOR) == 1
    assert await identity.outbox.relay() == 1
    assert await notes.drop(Choice(ids), _audit(identity), actor=OPERATOR) == 2, "one of them is gone"
    assert await notes.drop(Choice(topic="other"), _audit(identity), actor=OPERATOR) == 0
    assert await notes.retry(Choice(), _audit(identity), actor=OPERATOR) == 1, "the others were never refused"
    assert await notes.drop(Choice(), _audit(identity), actor=OPERATOR) == 0, "nothing is parked"
    left = await notes.list(Choice(), 20)
    assert [(note.topic, note.attempts) for note in left if note.topic != AUDIT] == [("tests", 0), ("tests", 0)]


async def test_many_are_sent_again_in_batches(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BATCH", 3)
    await _insert(identity, *["not json"] * 7, topic=f"parked:{INVALIDATIONS}", attempts=24)
    notes = Backlog(identity.database, now=identity.clock)
    assert await notes.retry(Choice(topic=INVALIDATIONS), _audit(identity), actor=OPERATOR) == 7
    assert await notes.counts() == {}


async def test_an_operators_verbs_on_notes_are_audited_with_whose_notes_they_were(identity: Identity) -> None:
    for topic, key in (("mail.send", "ann"), ("mail.send", "ann"), ("user.erase", "bob"), (INVALIDATIONS, "user:eve")):
        await _insert(identity, "{}", topic=f"parked:{topic}", attempts=24, key=key)
    notes = Backlog(identity.database, now=identity.clock)
    first, second, third, fourth = [note.id for note in await notes.list(Choice(), 10)]
    await notes.retry(Choice([first]), _audit(identity), actor=OPERATOR)
    await _insert(identity, "{}", topic="parked:mail.send", attempts=24, key="ann")
    fifth = (await notes.list(Choice(topic="mail.send"), 10))[-1].id
    await notes.drop(Choice(), _audit(identity), actor=OPERATOR)
    rows = await identity.database.rows(
        "tests.events", select(schema.outbox.c.payload).where(schema.outbox.c.topic == AUDIT).order_by("id")
    )
    events = [json.loads(row.payload) for row in rows]
    assert {event["actor"] for event in events} == {OPERATOR}
    assert [(event["happened"], event["user_id"], event["detail"]) for event in events] == [
        ("outbox.retried", "ann", f"1 of mail.send: {first}"),
        ("outbox.dropped", "ann", f"2 of mail.send: {second} {fifth}"),
        ("outbox.dropped", "bob", f"1 of user.erase: {third}"),
        ("outbox.dropped", "", f"1 of cache.invalidate: {fourth}"),
    ]


def _audit(identity: Identity) -> Audit:
    return Audit(identity.database, identity.outbox)


async def _insert(
    identity: Identity, *payloads: str, topic: str = INVALIDATIONS, attempts: int = 0, key: str = ""
) -> None:
    """Insert rows as the release before this one does."""
    now = identity.clock()
    values = {"created_at": now, "updated_at": now, "topic": topic, "key": key, "attempts": attempts}

    async def work(transaction: Transaction) -> None:
        rows = [values | {"payload": payload} for payload in payloads]
        await transaction.execute(insert(schema.outbox).values(rows))

    await identity.database.transaction("tests.insert", work)


async def _put(outbox: Outbox, identity: Identity, *payloads: str) -> None:
    async def work(transaction: Transaction) -> None:
        for payload in payloads:
            await outbox.put(transaction, "tests", "", payload)

    await identity.database.transaction("tests.put", work)


async def _until_parked(identity: Identity, step: timedelta = PATIENCE.longest) -> None:
    """Relay, a step of time after the other, until every note is parked."""
    for _ in range(1_000):
        await identity.outbox.relay()
        if all(note.is_parked for note in await Backlog(identity.database).list(Choice(), 10)):
            return
        identity.clock.move(seconds=step.total_seconds())
    raise AssertionError("not every note is parked")
