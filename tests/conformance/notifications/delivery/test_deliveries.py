"""The deliveries' own collection, and the way there from notifications of this version and older ones."""

from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from runtime.ids import new_id
from services.notifications.delivery.deliveries import BATCH, Deliveries, migrate
from services.notifications.delivery.email.message import Email
from services.notifications.domains import MIGRATIONS
from services.notifications.inbox.draft import Draft
from services.notifications.inbox.messages import encode_notification
from services.notifications.store.mongo import Document, open_store
from tests.conformance.notifications.conftest import LEASE, SEALED_MAIL, House, export
from tests.conformance.notifications.delivery.test_queue import SECOND, claim, post
from tests.harness.waiting import until

EMAIL = Email("ann@x.io", "Hello", "canary")
DRAFT = Draft("ann", "Hello", channel="email", email=EMAIL)


async def migrate_all(at: House) -> None:
    while await migrate(at.store, at.clock):
        pass


async def deliveries(at: House) -> list[Document]:
    return await at.store.database.deliveries.find().sort("notificationId").to_list()


async def stored(at: House, notification_id: str) -> Document:
    row = await at.store.database.notifications.find_one({"_id": notification_id})
    assert row is not None
    return row


async def former(at: House, status: str, **state: Any) -> str:
    """Store a notification as the last version did, with the state of its mail inside; return its id."""
    now, notification_id = at.clock.now, new_id()
    row: Document = {
        "_id": notification_id,
        "userId": "ann",
        "type": "email",
        "title": "Hello",
        "message": "",
        "topic": "",
        "data": {},
        "read": True,
        "createdAt": now,
        "updatedAt": now,
        "expiresAt": now + timedelta(days=30),
        "status": status,
        **state,
    }
    if status in ("kept", "queued", "sending"):
        row["mail"] = SEALED_MAIL.seal(EMAIL, notification_id)
    await at.store.database.notifications.insert_one(row)
    return notification_id


async def waiting(at: House) -> str:
    return await former(at, "queued", attempts=2, nextAttemptAt=at.clock.now, lastError="450")


async def leased(at: House) -> str:
    until = at.clock.now + LEASE
    return await former(at, "sending", attempts=1, nextAttemptAt=until, lease="an older process", leaseUntil=until)


async def test_a_mail_has_one_delivery_and_its_notification_nothing_of_it(at: House) -> None:
    created = await at.sending.create(DRAFT, "shop")
    [delivery] = await deliveries(at)
    assert (delivery["notificationId"], delivery["userId"]) == (created["_id"], "ann")
    assert (delivery["channel"], delivery["target"], delivery["status"]) == ("email", "to", "queued")
    assert delivery["expiresAt"] == created["expiresAt"]
    assert not {"mail", "status", "attempts", "nextAttemptAt", "delivery"} & set(await stored(at, created["_id"]))
    index = (await at.store.database.deliveries.index_information())["expiry"]
    assert index["expireAfterSeconds"] == 0


async def test_what_is_no_mail_has_no_delivery(at: House) -> None:
    await at.tell("ann", "Hello")
    assert await deliveries(at) == []


async def test_a_second_delivery_of_the_same_notification_channel_and_target_is_refused(at: House) -> None:
    await at.sending.create(DRAFT, "shop")
    [delivery] = await deliveries(at)
    with pytest.raises(DuplicateKeyError):
        await at.store.database.deliveries.insert_one(delivery | {"_id": new_id()})
    await at.store.database.deliveries.insert_one(delivery | {"_id": new_id(), "target": "another"})


async def test_a_sent_mail_has_its_send_time_in_the_notification(at: House) -> None:
    created = await at.sending.create(DRAFT, "shop")
    at.clock.move(SECOND)
    assert not encode_notification(await stored(at, created["_id"])).HasField("send_time")
    assert await at.queue.mark_sent(await claim(at))
    assert (await stored(at, created["_id"]))["sentAt"] == at.clock.now
    assert encode_notification(await stored(at, created["_id"])).HasField("send_time")


async def test_a_worker_that_lost_the_lease_sets_no_send_time(at: House) -> None:
    [created] = await post(at, "1")
    late = await claim(at)
    at.clock.move(LEASE)
    await claim(at)
    assert not await at.queue.mark_sent(late)
    assert "sentAt" not in await stored(at, created["_id"])


async def test_a_delivery_that_a_crash_left_in_its_notification_is_moved_once(at: House) -> None:
    """Between the two writes of a move, and before the first."""
    for is_inserted in (True, False):
        created = await at.sending.create(DRAFT, "shop")
        this = {"notificationId": created["_id"]}
        pending = {"$set": {"delivery": created["delivery"]}}
        await at.store.database.notifications.update_one({"_id": created["_id"]}, pending)
        if not is_inserted:
            await at.store.database.deliveries.delete_one(this)
        for _ in range(2):
            await Deliveries(at.store, clock=at.clock).sweep()
            assert await at.store.database.deliveries.count_documents(this) == 1
            assert "delivery" not in await stored(at, created["_id"])


async def test_a_move_that_comes_after_the_deletion_leaves_nothing(at: House) -> None:
    created = await at.sending.create(DRAFT, "shop")
    await at.user_data.erase("ann")
    await Deliveries(at.store).move(created)
    assert await deliveries(at) == []


async def test_a_mail_whose_delivery_is_not_moved_yet_cannot_be_removed(at: House) -> None:
    """A8, also for a mail of an older process."""
    created = await at.sending.create(DRAFT, "shop")
    await at.store.database.deliveries.delete_many({})
    pending = {"$set": {"delivery": created["delivery"]}}
    await at.store.database.notifications.update_one({"_id": created["_id"]}, pending)
    for notification_id in (created["_id"], await waiting(at)):
        with pytest.raises(Exception, match="not sent yet"):
            await at.notifications.delete(notification_id, "ann")


async def test_a_notification_that_is_removed_takes_its_delivery_along(at: House) -> None:
    created = await at.sending.create(DRAFT, "shop")
    await at.queue.mark_sent(await claim(at))
    await at.notifications.delete(created["_id"], "ann")
    assert await deliveries(at) == []


async def test_each_state_of_the_last_version_is_migrated_as_it_is(at: House) -> None:
    now = at.clock.now
    queued, kept = await waiting(at), await former(at, "kept")
    sent = await former(at, "sent", attempts=1, sentAt=now)
    failed = await former(at, "failed", attempts=12, lastError="550")
    held = await former(at, "queued", attempts=0, nextAttemptAt=now + timedelta(hours=1), lastError="us as the sender")
    await at.tell("ann", "in the product")
    await migrate_all(at)
    rows = {row["notificationId"]: row for row in await deliveries(at)}
    assert set(rows) == {queued, kept, sent, failed, held}
    own = ("status", "attempts", "nextAttemptAt", "lastError", "sentAt")
    states = {each: {key: rows[each][key] for key in own if key in rows[each]} for each in rows}
    assert states == {
        queued: {"status": "queued", "attempts": 2, "nextAttemptAt": now, "lastError": "450"},
        kept: {"status": "kept"},
        sent: {"status": "sent", "attempts": 1, "sentAt": now},
        failed: {"status": "failed", "attempts": 12, "lastError": "550"},
        held: {
            "status": "queued",
            "attempts": 0,
            "nextAttemptAt": now + timedelta(hours=1),
            "lastError": "us as the sender",
        },
    }
    for each in rows:
        row = await stored(at, each)
        assert not {"mail", "delivery", "status", "attempts", "nextAttemptAt", "lastError"} & set(row)
        assert rows[each]["expiresAt"] == row["expiresAt"]
    assert (await stored(at, sent))["sentAt"] == now
    ours = await claim(at)
    assert (ours.notification_id, ours.attempts) == (queued, 3)
    assert SEALED_MAIL.open(ours.mail, queued) == EMAIL


async def test_a_migration_that_runs_twice_changes_nothing(at: House) -> None:
    for _ in range(3):
        await waiting(at)
    await migrate_all(at)
    before = await deliveries(at)
    await migrate_all(at)
    assert await deliveries(at) == before
    assert await migrate(at.store, at.clock) == 0


@pytest.mark.parametrize("stop", ["converted", "inserted"])
async def test_a_migration_that_was_interrupted_goes_on_and_no_mail_is_sent_twice(
    at: House, stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the insert, or between the insert and the removal; then the mail is sent before it goes on."""
    notification_id = await waiting(at)
    collection = type(at.store.database.notifications)
    with monkeypatch.context() as broken:

        async def fail(*_: object, **__: object) -> None:
            raise ConnectionError

        broken.setattr(collection, "insert_many" if stop == "converted" else "update_many", fail)
        with pytest.raises(ConnectionError):
            await migrate(at.store, at.clock)
    assert "nextAttemptAt" not in await stored(at, notification_id), "an older process finds it no more"
    if stop == "inserted":
        assert await at.queue.mark_sent(await claim(at))
    await migrate_all(at)
    [delivery] = await deliveries(at)
    assert delivery["status"] == ("sent" if stop == "inserted" else "queued")
    assert "delivery" not in await stored(at, notification_id)


async def test_a_mail_that_an_older_process_is_sending_is_left_to_it_until_its_lease_ends(at: House) -> None:
    notification_id = await leased(at)
    await migrate_all(at)
    assert await deliveries(at) == []
    mark = {"_id": notification_id, "lease": "an older process"}
    done = {"$set": {"status": "sent"}, "$unset": dict.fromkeys(("mail", "lease", "leaseUntil", "nextAttemptAt"), "")}
    assert (await at.store.database.notifications.update_one(mark, done)).matched_count == 1
    await migrate_all(at)
    [delivery] = await deliveries(at)
    assert delivery["status"] == "sent"


async def test_a_mail_whose_older_worker_died_is_due_once_its_lease_has_ended(at: House) -> None:
    notification_id = await leased(at)
    at.clock.move(LEASE - SECOND)
    await migrate_all(at)
    assert await at.queue.claim() is None
    at.clock.move(SECOND)
    await migrate_all(at)
    ours = await claim(at)
    assert (ours.notification_id, ours.attempts) == (notification_id, 2)


async def test_more_than_one_batch_is_migrated_before_the_store_is_ready(at: House, database_url: str) -> None:
    for _ in range(BATCH + 1):
        await waiting(at)
    async with open_store(database_url, MIGRATIONS, timeout=10.0) as store:
        await until(lambda: store.is_prepared, 30)
        assert await store.database.deliveries.count_documents({}) == BATCH + 1


async def test_an_export_and_an_erasure_take_a_users_deliveries(at: House) -> None:
    await at.sending.create(DRAFT, "shop")
    records = await export(at, "ann")
    assert [record.kind for record in records] == ["notification", "delivery"]
    assert not {"mail", "nextAttemptAt"} & set(records[1].data)
    assert await at.user_data.erase("ann") == (2, True)
    assert await at.queue.claim() is None


async def test_without_the_unique_key_a_move_that_runs_twice_would_send_the_mail_twice(at: House) -> None:
    """The protection off."""
    created = await at.sending.create(DRAFT, "shop")
    await at.store.database.deliveries.drop_index("by_notification")
    await Deliveries(at.store).move(created)
    assert (await claim(at)).notification_id == (await claim(at)).notification_id
