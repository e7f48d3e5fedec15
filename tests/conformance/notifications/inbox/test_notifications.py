"""What the notification collection promises, on each engine."""

from datetime import timedelta

import pytest

from runtime.errors import FailedPrecondition, InvalidArgument, NotFound, Unimplemented
from runtime.ids import new_id
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.message import Email
from services.notifications.inbox.draft import Channel, Draft
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.pages import Selection
from tests.conformance.notifications.conftest import SEALED_MAIL, TTL, House, as_stored

MILLISECOND = timedelta(milliseconds=1)


async def test_a_notification_is_read_as_it_was_created(at: House) -> None:
    data = {"order": {"id": "o1", "items": [1.0, "two", None, True]}}
    created = await at.notifications.create(
        Draft("ann", "Shipped", message="On its way", topic="orders", data=data), "t"
    )
    assert await at.notifications.get(created["_id"], "ann") == created
    assert created["data"] == data
    assert created["expiresAt"] - created["createdAt"] == TTL


async def test_the_stored_documents_have_the_designs_fields_and_no_others(at: House) -> None:
    created = await at.notifications.create(Draft("ann", "Hello", request_id="r1"), "tests")
    await at.notifications.mark_read(created["_id"], "ann")
    stored = await at.store.database.notifications.find_one({})
    assert stored is not None
    assert set(stored) == {
        *("_id", "userId", "type", "title", "message", "topic", "data", "read", "readAt"),
        *("createdAt", "updatedAt", "expiresAt", "caller", "requestId"),
    }


async def test_a_list_is_newest_first_and_holds_one_users_alone(at: House) -> None:
    await at.tell("ann", "one", "two")
    await at.tell("bob", "his")
    await at.tell("ann", "three")
    assert await at.titles("ann") == ["three", "two", "one"]


async def test_pages_by_token_hold_each_notification_once_even_those_of_one_instant(at: House) -> None:
    for title in range(7):
        await at.notifications.create(Draft("ann", str(title)), "tests")  # the clock stands still
    await at.tell("ann", "7", "8", "9")
    seen, token = [], ""
    for _ in range(4):
        page = await at.notifications.page(Selection("ann"), encode=as_stored, size=3, page_token=token)
        seen += [row["title"] for row in page.notifications]
        token = page.next_page_token
    assert seen[:2] == ["9", "8"]
    assert sorted(seen) == [str(title) for title in range(10)]
    assert token == ""


async def test_a_page_by_token_goes_on_where_it_was_though_newer_ones_came(at: House) -> None:
    await at.tell("ann", "1", "2", "3", "4")
    first = await at.notifications.page(Selection("ann"), encode=as_stored, size=2)
    await at.tell("ann", "5")
    second = await at.notifications.page(Selection("ann"), encode=as_stored, size=2, page_token=first.next_page_token)
    assert [row["title"] for row in second.notifications] == ["2", "1"]


async def test_a_token_of_another_selection_is_refused(at: House) -> None:
    await at.tell("ann", "1", "2")
    token = (await at.notifications.page(Selection("ann"), encode=as_stored, size=1)).next_page_token
    with pytest.raises(InvalidArgument, match="page_token"):
        await at.notifications.page(Selection("bob"), encode=as_stored, size=1, page_token=token)


async def test_pages_by_number_tell_how_many_there_are(at: House) -> None:
    await at.tell("ann", "1", "2", "3", "4", "5")
    page = await at.notifications.page(Selection("ann"), encode=as_stored, size=2, number=3)
    assert ([row["title"] for row in page.notifications], page.total_size) == (["1"], 5)
    beyond = await at.notifications.page(Selection("ann"), encode=as_stored, size=2, number=4)
    assert (beyond.notifications, beyond.total_size, beyond.next_page_token) == ([], 5, "")


async def test_a_list_can_be_narrowed_to_unread_ones_and_to_one_type(at: House) -> None:
    read, _, _ = await at.tell("ann", "read", "unread", "also")
    await at.notifications.mark_read(read["_id"], "ann")
    unread = await at.notifications.page(Selection("ann", unread_only=True), encode=as_stored, size=9)
    assert [row["title"] for row in unread.notifications] == ["also", "unread"]
    mails = await at.notifications.page(Selection("ann", channel="email"), encode=as_stored, size=9)
    assert mails.notifications == []


async def test_only_the_chosen_fields_are_read(at: House) -> None:
    (created,) = await at.tell("ann", "Hello")
    assert await at.notifications.get(created["_id"], None, ["title"]) == {"_id": created["_id"], "title": "Hello"}


async def test_marking_twice_keeps_the_first_time(at: House) -> None:
    (created,) = await at.tell("ann", "Hello")
    first = await at.notifications.mark_read(created["_id"], "ann")
    at.clock.move(timedelta(minutes=5))
    again = await at.notifications.mark_read(created["_id"], "ann")
    assert again == first
    assert first["readAt"] > created["createdAt"]


async def test_another_users_notification_is_not_there(at: House) -> None:
    """I6."""
    (created,) = await at.tell("ann", "Hers")
    for attempt in (at.notifications.get, at.notifications.mark_read, at.notifications.delete):
        with pytest.raises(NotFound) as refused:
            await attempt(created["_id"], "bob")
        assert refused.value.reason == "NOTIFICATION_NOT_FOUND"
    assert await at.notifications.mark_many_read("bob", [created["_id"]]) == 0
    untouched = await at.notifications.get(created["_id"], None)  # nobody's scope: what would happen without one
    assert untouched == created


async def test_marking_many_passes_over_what_is_not_there_and_counts_what_was_unread(at: House) -> None:
    one, two, three = await at.tell("ann", "1", "2", "3")
    await at.notifications.mark_read(one["_id"], "ann")
    ids = [one["_id"], two["_id"], two["_id"], new_id()]
    assert await at.notifications.mark_many_read("ann", ids) == 1
    assert await at.notifications.mark_all_read("ann") == 1
    assert await at.notifications.mark_all_read("ann") == 0
    assert (await at.notifications.get(three["_id"], "ann"))["read"]


async def test_more_ids_than_a_batch_holds_are_refused(at: House) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await at.notifications.mark_many_read("ann", ["x"] * 1_001)
    assert refused.value.field == "notification_ids"


async def test_what_is_deleted_is_gone(at: House) -> None:
    (created,) = await at.tell("ann", "Hello")
    await at.notifications.delete(created["_id"], "ann")
    with pytest.raises(NotFound):
        await at.notifications.get(created["_id"], "ann")
    with pytest.raises(NotFound):
        await at.notifications.delete(created["_id"], "ann")


async def test_an_expired_notification_is_not_there_before_mongodb_removes_it(at: House) -> None:
    """The TTL monitor is late by a minute or more: without the filter its row would still be seen."""
    (created,) = await at.tell("ann", "Old")
    at.clock.now = created["expiresAt"] - MILLISECOND
    assert await at.titles("ann") == ["Old"]
    at.clock.now = created["expiresAt"]
    assert await at.store.database.notifications.count_documents({"userId": "ann"}) == 1
    assert await at.titles("ann") == []
    assert await at.notifications.count_unread("ann") == (0, False)
    assert await at.notifications.stats("ann") == []
    assert await at.notifications.mark_all_read("ann") == 0
    with pytest.raises(NotFound):
        await at.notifications.get(created["_id"], "ann")


async def test_mongodb_itself_removes_what_has_expired_by_a_ttl_index(at: House) -> None:
    for collection in (at.store.database.notifications, at.store.database.logs):
        index = (await collection.index_information())["expiry"]
        assert (index["key"], index["expireAfterSeconds"]) == ([("expiresAt", 1)], 0)


async def test_the_unread_count_is_exact_up_to_a_thousand_and_says_when_there_are_more(at: House) -> None:
    (example,) = await at.tell("ann", "0")
    more = [{**example, "_id": new_id()} for _ in range(999)]
    await at.store.database.notifications.insert_many(more)
    assert await at.notifications.count_unread("ann") == (1_000, False)
    await at.tell("ann", "one more")
    assert await at.notifications.count_unread("ann") == (1_000, True)
    await at.notifications.mark_read(example["_id"], "ann")
    assert await at.notifications.count_unread("ann") == (1_000, False)


async def test_stats_count_by_type(at: House) -> None:
    one, _, _ = await at.tell("ann", "1", "2", "3")
    await at.notifications.mark_read(one["_id"], "ann")
    await at.store.database.notifications.update_one({"title": "3"}, {"$set": {"type": "email"}})
    assert await at.notifications.stats("ann") == [
        {"_id": "email", "total": 1, "unread": 1},
        {"_id": "in-app", "total": 2, "unread": 1},
    ]


@pytest.mark.parametrize(("channel", "reason"), [("push", "PUSH_NOT_IMPLEMENTED"), ("email", "EMAIL_NOT_CONFIGURED")])
async def test_what_nothing_can_send_is_refused_and_not_stored(at: House, channel: Channel, reason: str) -> None:
    production = Notifications(
        at.store, MailPolicy(SEALED_MAIL), Deliveries(at.store), at.tombstones, at.preferences, ttl=TTL, clock=at.clock
    )
    draft = Draft("ann", "Hi", channel=channel, email=Email("a@x.io", "s", "t") if channel == "email" else None)
    with pytest.raises((FailedPrecondition, Unimplemented)) as refused:
        await production.create(draft, "tests")
    assert refused.value.reason == reason
    assert await at.store.database.notifications.count_documents({}) == 0
