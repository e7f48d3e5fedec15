"""What an operator sees of the outbox, sends again and drops, on every engine."""

import json

import pytest
from sqlalchemy import select

from runtime.errors import DeliveryRejectedError
from services.identity import schema
from services.identity.outbox import backlog
from services.identity.outbox.audit import TOPIC as AUDIT
from services.identity.outbox.backlog import Backlog, MessageFilter
from services.identity.outbox.outbox import INVALIDATIONS
from tests.conformance.identity.conftest import OPERATOR, Identity
from tests.conformance.identity.outbox.rows import add, audit_of, insert_rows, put, until_parked


async def test_what_waits_is_listed_sent_again_and_dropped(identity: Identity) -> None:
    identity.cache.error = DeliveryRejectedError("FAILED_PRECONDITION MAIL_NOT_CONFIGURED")
    for number in range(3):
        await add(identity.outbox, identity, f"user:{number}")
    await until_parked(identity)
    await put(identity.outbox, identity, "fresh")
    await insert_rows(identity, "not json", topic="parked:tests", attempts=7)
    notes = Backlog(identity.database, now=identity.clock)
    found = await notes.list(MessageFilter(topic=INVALIDATIONS), 10)
    assert {(note.key, note.is_parked, note.cause) for note in found} == {
        (f"user:{number}", True, "FAILED_PRECONDITION MAIL_NOT_CONFIGURED") for number in range(3)
    }
    assert len(await notes.list(MessageFilter(), 10)) == 5
    assert len(await notes.list(MessageFilter(), 10, only_parked=True)) == 4
    assert await notes.counts() == {INVALIDATIONS: 3, "tests": 1}
    ids = [note.id for note in found]
    identity.cache.error = None
    assert await notes.retry(MessageFilter(ids[:1]), audit_of(identity), actor=OPERATOR) == 1
    assert await identity.outbox.relay() == 1
    assert await notes.drop(MessageFilter(ids), audit_of(identity), actor=OPERATOR) == 2, "one of them is gone"
    assert await notes.drop(MessageFilter(topic="other"), audit_of(identity), actor=OPERATOR) == 0
    assert await notes.retry(MessageFilter(), audit_of(identity), actor=OPERATOR) == 1, "the others were never refused"
    assert await notes.drop(MessageFilter(), audit_of(identity), actor=OPERATOR) == 0, "nothing is parked"
    left = await notes.list(MessageFilter(), 20)
    assert [(note.topic, note.attempts) for note in left if note.topic != AUDIT] == [("tests", 0), ("tests", 0)]


async def test_many_are_sent_again_in_batches(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BATCH", 3)
    await insert_rows(identity, *["not json"] * 7, topic=f"parked:{INVALIDATIONS}", attempts=24)
    notes = Backlog(identity.database, now=identity.clock)
    assert await notes.retry(MessageFilter(topic=INVALIDATIONS), audit_of(identity), actor=OPERATOR) == 7
    assert await notes.counts() == {}


async def test_an_operators_verbs_on_notes_are_audited_with_whose_notes_they_were(identity: Identity) -> None:
    for topic, key in (("mail.send", "ann"), ("mail.send", "ann"), ("user.erase", "bob"), (INVALIDATIONS, "user:eve")):
        await insert_rows(identity, "{}", topic=f"parked:{topic}", attempts=24, key=key)
    notes = Backlog(identity.database, now=identity.clock)
    first, second, third, fourth = [note.id for note in await notes.list(MessageFilter(), 10)]
    await notes.retry(MessageFilter([first]), audit_of(identity), actor=OPERATOR)
    await insert_rows(identity, "{}", topic="parked:mail.send", attempts=24, key="ann")
    fifth = (await notes.list(MessageFilter(topic="mail.send"), 10))[-1].id
    await notes.drop(MessageFilter(), audit_of(identity), actor=OPERATOR)
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
