"""One notification per request id and caller, on each engine (R25)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from pymongo.errors import DuplicateKeyError

from runtime.errors import FailedPrecondition
from services.notifications.inbox import new_notification
from services.notifications.inbox.draft import Draft
from tests.conformance.notifications.conftest import House

DRAFT = Draft("ann", "Shipped", message="On its way", data={"order": 1.0}, request_id="r1")


async def test_the_same_request_answers_the_first_one(at: House) -> None:
    first = await at.notifications.create(DRAFT, "shop")
    at.clock.move(timedelta(minutes=1))
    assert await at.notifications.create(DRAFT, "shop") == first
    assert await at.store.database.notifications.count_documents({}) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(DRAFT, title="Lost"),
        replace(DRAFT, user_id="bob"),
        replace(DRAFT, message=""),
        replace(DRAFT, topic="orders"),
        replace(DRAFT, data={"order": 2.0}),
        replace(DRAFT, ttl=timedelta(days=1)),
    ],
    ids=["title", "user", "message", "topic", "data", "ttl"],
)
async def test_the_same_request_id_with_another_body_is_refused(at: House, other: Draft) -> None:
    first = await at.notifications.create(DRAFT, "shop")
    with pytest.raises(FailedPrecondition) as refused:
        await at.notifications.create(other, "shop")
    assert refused.value.reason == "REQUEST_ID_REUSED"
    assert await at.store.database.notifications.find().to_list() == [first]


async def test_a_request_id_is_its_callers_own(at: House) -> None:
    first = await at.notifications.create(DRAFT, "shop")
    second = await at.notifications.create(DRAFT, "billing")
    assert first["_id"] != second["_id"]


async def test_a_ttl_below_a_millisecond_is_still_the_same_request(at: House) -> None:
    draft = replace(DRAFT, ttl=timedelta(seconds=5, microseconds=1_234))
    assert await at.notifications.create(draft, "shop") == await at.notifications.create(draft, "shop")


async def test_twenty_at_once_store_one_and_all_answer_it(at: House) -> None:
    answers = await asyncio.gather(*(at.notifications.create(DRAFT, "shop") for _ in range(20)))
    assert len({answer["_id"] for answer in answers}) == 1
    assert await at.store.database.notifications.count_documents({}) == 1


async def test_without_the_unique_index_twenty_at_once_would_store_twenty(at: House) -> None:
    """The protection off: it is the index that keeps the promise."""
    await at.store.database.notifications.drop_index("by_request")
    await asyncio.gather(*(at.notifications.create(DRAFT, "shop") for _ in range(20)))
    assert await at.store.database.notifications.count_documents({}) == 20


async def test_notifications_without_a_request_id_are_never_the_same(at: House) -> None:
    await at.tell("ann", "Hello", "Hello")
    assert await at.titles("ann") == ["Hello", "Hello"]


async def test_an_insert_that_finds_its_own_row_is_a_success(at: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """R22: the duplicate key of a retried insert is not an error.

    One id is inserted twice, as by a driver whose first try was done and its answer lost.
    """
    monkeypatch.setattr(new_notification, "new_id", lambda: "the-same")
    notifications = at.notifications
    draft = Draft("ann", "Hello")
    assert await notifications.create(draft, "shop") == await notifications.create(draft, "shop")
    assert await at.titles("ann") == ["Hello"]
    with pytest.raises(DuplicateKeyError):  # what it would be otherwise
        await at.store.database.notifications.insert_one({"_id": "the-same"})
