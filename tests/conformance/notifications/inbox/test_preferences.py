"""What users want to be told: kept, and obeyed when somebody would tell them, on each engine."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from runtime.errors import FailedPrecondition, InvalidArgument
from services.notifications.delivery.email.message import Email
from services.notifications.inbox import preferences
from services.notifications.inbox.draft import Draft
from services.notifications.inbox.preferences import Preference
from tests.conformance.notifications.conftest import House

NO_NEWS = Preference("ann", "news", "in-app", enabled=False)
NEWS = Draft("ann", "News", topic="news")


async def test_the_last_word_on_a_topic_and_type_is_kept_and_answered_in_order(at: House) -> None:
    mail = Preference("ann", "news", "email", enabled=False)
    orders = Preference("ann", "orders", "email", enabled=True)
    for said in (orders, NO_NEWS, mail, replace(mail, enabled=True)):
        await at.preferences.set(said)
    assert await at.preferences.list_of("ann") == [replace(mail, enabled=True), NO_NEWS, orders]


async def test_nobody_has_said_what_another_has(at: House) -> None:
    await at.preferences.set(NO_NEWS)
    assert await at.preferences.list_of("bob") == []
    assert not await at.preferences.is_disabled("bob", "news", "in-app")


async def test_no_user_id_is_taken_for_another_with_a_topic(at: House) -> None:
    """An id may hold what parts a row's key."""
    await at.preferences.set(Preference("news/ann", "a", "in-app", enabled=False))
    assert not await at.preferences.is_disabled("ann", "a", "in-app")
    assert not await at.preferences.is_disabled("ann", "news", "in-app")
    assert [each.topic for each in await at.preferences.list_of("news/ann")] == ["a"]


async def test_a_row_has_the_designs_fields_and_its_first_time(at: House) -> None:
    made = at.clock.now
    await at.preferences.set(NO_NEWS)
    at.clock.move(timedelta(seconds=5))
    await at.preferences.set(replace(NO_NEWS, enabled=True))
    [row] = await at.store.database.preferences.find().to_list()
    del row["_id"]
    about = {"userId": "ann", "topic": "news", "type": "in-app", "enabled": True}
    assert row == about | {"createdAt": made, "updatedAt": at.clock.now}


async def test_twenty_who_say_the_same_at_once_keep_one_row(at: House) -> None:
    await asyncio.gather(*(at.preferences.set(NO_NEWS) for _ in range(20)))
    assert await at.preferences.list_of("ann") == [NO_NEWS]


async def test_there_is_an_end_to_what_a_user_may_say_and_what_was_said_can_be_changed(
    at: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "MAX_PREFERENCES", 2)
    for topic in ("one", "two"):
        await at.preferences.set(Preference("ann", topic, "email", enabled=True))
    with pytest.raises(FailedPrecondition, match="2 preferences") as refused:
        await at.preferences.set(NO_NEWS)
    assert refused.value.reason == "TOO_MANY_PREFERENCES"
    await at.preferences.set(Preference("ann", "two", "email", enabled=False))
    assert [each.enabled for each in await at.preferences.list_of("ann")] == [True, False]
    await at.preferences.set(replace(NO_NEWS, user_id="bob"))


async def test_dots_with_anything_beside_them_are_a_topic(at: House) -> None:
    for topic in ("...", ".a", "..a", "a.", "a.b"):
        await at.preferences.set(replace(NO_NEWS, topic=topic))


@pytest.mark.parametrize("topic", ["", ".", "..", "News", "a b", "a/b", "$where", "x" * 65, "news\n"])
async def test_a_topic_that_is_none_is_refused(at: House, topic: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await at.preferences.set(replace(NO_NEWS, topic=topic))
    assert refused.value.field == "preference.topic"


async def test_a_user_id_that_no_notification_could_have_is_refused(at: House) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await at.preferences.set(replace(NO_NEWS, user_id="x" * 129))
    assert refused.value.field == "preference.user_id"


async def test_what_a_user_does_not_want_is_not_stored(at: House) -> None:
    await at.notifications.create(NEWS, "tests")
    await at.preferences.set(NO_NEWS)
    with pytest.raises(FailedPrecondition) as refused:
        await at.notifications.create(NEWS, "tests")
    assert refused.value.reason == "UNWANTED"
    assert await at.titles("ann") == ["News"]
    await at.preferences.set(replace(NO_NEWS, enabled=True))
    await at.notifications.create(NEWS, "tests")
    assert await at.titles("ann") == ["News", "News"]


async def test_everything_else_is(at: House) -> None:
    """Another topic, another way, another user, and what has no topic."""
    await at.preferences.set(NO_NEWS)
    mail = replace(NEWS, channel="email", email=Email("ann@x.io", "s", "t"))
    for draft in (replace(NEWS, topic="news.local"), mail, replace(NEWS, user_id="bob"), replace(NEWS, topic="")):
        await at.notifications.create(draft, "tests")


async def test_what_is_about_the_account_nobody_can_turn_off(at: House) -> None:
    """Whoever has stolen a session must not silence the mail that warns of it."""
    silence = Preference("ann", "account.new-address", "email", enabled=False)
    with pytest.raises(InvalidArgument) as refused:
        await at.preferences.set(silence)
    assert refused.value.reason == "ALWAYS_TOLD"
    # Nor by a row that came in another way.
    await at.store.database.preferences.insert_one({"_id": "email/account.new-address/ann", "enabled": False})
    mail = Draft("ann", "Hello", channel="email", topic="account.new-address", email=Email("ann@x.io", "s", "t"))
    await at.sending.create(mail, "identity")


async def test_a_request_that_was_stored_before_is_answered_as_it_was(at: House) -> None:
    """R25: a retry must not fail because the user has changed their mind meanwhile."""
    once = replace(NEWS, request_id="r1")
    first = await at.notifications.create(once, "tests")
    await at.preferences.set(NO_NEWS)
    assert await at.notifications.create(once, "tests") == first
    with pytest.raises(FailedPrecondition) as refused:
        await at.notifications.create(replace(once, title="Other"), "tests")
    assert refused.value.reason == "REQUEST_ID_REUSED"
    with pytest.raises(FailedPrecondition) as refused:
        await at.notifications.create(replace(once, request_id="r2"), "tests")
    assert refused.value.reason == "UNWANTED"


async def test_nothing_more_is_kept_of_who_was_erased(at: House) -> None:
    await at.preferences.set(NO_NEWS)
    await at.user_data.erase("ann")
    assert await at.preferences.list_of("ann") == []
    with pytest.raises(FailedPrecondition) as refused:
        await at.preferences.set(NO_NEWS)
    assert refused.value.reason == "USER_ERASED"
