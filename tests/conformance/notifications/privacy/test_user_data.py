"""Reading and erasing what is held of one person, on each engine."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from bson import encode

from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.ids import new_id
from services.notifications.audit.events import Audit, AuditEvent
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.message import Email
from services.notifications.domains import PERSONAL_DATA
from services.notifications.inbox.draft import Draft
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.preferences import Preference, Preferences
from services.notifications.logs.entries import LogEntry, Logs
from services.notifications.privacy.user_data import UserData
from services.notifications.store.tombstones import Tombstones
from tests.conformance.notifications.conftest import AUDIT_TTL, LOG_TTLS, SEALED_MAIL, TTL, House, Shown, export

Write = Callable[[House, Tombstones], Awaitable[None]]

MAIL = Draft("ann", "Hello", channel="email", email=Email("ann@x.io", "Hello", "canary"), request_id="mail:1")


async def live(at: House, user_id: str, times: int = 3) -> None:
    """Leave something everywhere."""
    for number in range(times):
        await at.tell(user_id, f"{number}")
    await at.sending.create(
        Draft(user_id, "Mail", channel="email", email=Email(f"{user_id}@x.io", "s", "canary")), "tests"
    )
    for topic in ("news", "orders"):
        await at.preferences.set(Preference(user_id, topic, "email", enabled=False))
    await at.logs.write([LogEntry("was there", user_id=user_id, endpoint="/v1/me") for _ in range(times)])
    event = AuditEvent(new_id(), at.clock.now, "signed_in", user_id, "", "192.0.2.1", "Firefox", "password")
    await at.audit.record([event])


async def held(at: House) -> bytes:
    names = ("notifications", "deliveries", "preferences", "logs", "audit")
    return b"".join([encode(row) for name in names async for row in at.store.database[name].find()])


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_an_export_holds_everything_once_and_nothing_of_others(at: House, size: int) -> None:
    await live(at, "ann")
    await live(at, "bob")
    records = await export(at, "ann", size)
    kinds = ["notification"] * 4 + ["preference"] * 2 + ["log"] * 3 + ["audit_event", "delivery"]
    assert [record.kind for record in records] == kinds
    assert [record.data["title"] for record in records[1:4]] == ["2", "1", "0"]
    assert len({record.data["id"] for record in records}) == 11
    assert records[-2].data["personal"] == {"ipAddress": "192.0.2.1", "userAgent": "Firefox", "detail": "password"}
    assert records[0].data["createdAt"].endswith("Z")


async def test_an_export_holds_no_mail_that_waits_to_be_sent(at: House) -> None:
    """A5: its link would still be good."""
    await live(at, "ann")
    newest, *_, delivery = [record.data for record in await export(at, "ann")]
    assert newest["title"] == "Mail"
    assert (delivery["channel"], delivery["target"], delivery["status"]) == ("email", "to", "queued")
    for data in (newest, delivery):
        assert not {"mail", "delivery", "fingerprint", "lease", "caller", "requestId"} & set(data)


async def test_an_export_holds_no_mail_whose_delivery_was_not_moved_yet(at: House) -> None:
    """A5: a process can end between the two writes."""
    created = await at.sending.create(MAIL, "identity")
    await at.store.database.notifications.update_one(
        {"_id": created["_id"]}, {"$set": {"delivery": created["delivery"]}}
    )
    assert "delivery" not in (await export(at, "ann"))[0].data


async def test_a_page_ends_at_a_mebibyte(at: House) -> None:
    rows = [Draft("ann", f"{number}", message="x" * 10_000, data={"y": "z" * 15_000}) for number in range(60)]
    for row in rows:
        await at.notifications.create(row, "tests")
        at.clock.move(timedelta(seconds=1))
    records, token = await at.user_data.page("ann", encode=Shown, size=60)
    assert 0 < len(records) < 60
    assert token
    assert [record.data["title"] for record in await export(at, "ann", 60)] == [f"{n}" for n in range(59, -1, -1)]


async def test_a_token_is_good_for_its_own_user(at: House) -> None:
    await live(at, "ann")
    _, token = await at.user_data.page("ann", encode=Shown, size=1)
    for wrong in (token, "W10", "x"):
        with pytest.raises(InvalidArgument):
            await at.user_data.page("bob", encode=Shown, size=1, page_token=wrong)


async def test_an_erasure_leaves_nothing_personal_and_nobody_elses_is_touched(at: House) -> None:
    await live(at, "ann")
    await live(at, "bob")
    others = await export(at, "bob")
    assert await at.user_data.erase("ann") == (11, True)
    [left] = await export(at, "ann")
    assert left.kind == "audit_event"
    assert set(left.data) == {"id", "time", "kind", "actor", "expiresAt"}
    assert await export(at, "bob") == others


async def test_an_erasure_that_is_told_again_or_of_nobody_does_no_harm(at: House) -> None:
    await live(at, "ann")
    await at.user_data.erase("ann")
    assert await at.user_data.erase("ann") == (0, True)
    assert await at.user_data.erase("nobody") == (0, True)


async def test_an_erasure_stops_in_time_and_the_next_one_goes_on(at: House) -> None:
    """One call's time is bounded, whatever a user has left; here it is over after each batch."""
    times = iter(range(1_000_000))
    hasty = UserData(at.store, at.tombstones, PERSONAL_DATA, clock=at.clock, monotonic=lambda: float(next(times) * 10))
    await live(at, "ann")
    assert await hasty.erase("ann") == (4, False)
    assert await hasty.erase("ann") == (2, False)
    assert await hasty.erase("ann") == (3, False)
    assert await hasty.erase("ann") == (1, False)
    assert await hasty.erase("ann") == (1, False)
    assert await hasty.erase("ann") == (0, True)


async def test_a_mail_that_comes_late_is_refused_and_nothing_is_kept_of_it(at: House) -> None:
    """An outbox may tell of a mail after it told of the erasure."""
    await at.user_data.erase("ann")
    with pytest.raises(FailedPrecondition) as refused:
        await at.sending.create(MAIL, "identity")
    assert refused.value.reason == "USER_ERASED"
    assert await held(at) == b""


async def test_a_log_line_that_comes_late_is_passed_over(at: House) -> None:
    """The line of the very request that deleted the user comes after it."""
    await at.user_data.erase("ann")
    entries = [LogEntry("late", user_id="ann"), LogEntry("other", user_id="bob"), LogEntry("without a user")]
    assert (await at.logs.write(entries)).count == 3
    rows = await at.store.database.logs.find().to_list()
    assert sorted(row["message"] for row in rows) == ["other", "without a user"]


async def test_an_event_that_comes_late_is_kept_without_its_personal_part(at: House) -> None:
    """That the account was deleted must be known; from where is nobody's business any more."""
    await at.user_data.erase("ann")
    await at.audit.record([AuditEvent(new_id(), at.clock.now, "deleted", "ann", "", "192.0.2.1", "Firefox", "by mail")])
    assert b"deleted" in await held(at)
    for personal in (b"192.0.2.1", b"Firefox", b"by mail"):
        assert personal not in await held(at)


class Racing(Tombstones):
    """The erasure goes past between the first look and the write."""

    def __init__(self, at: House) -> None:
        super().__init__(at.store, ttl=AUDIT_TTL, clock=at.clock)
        self._at = at
        self._looked = False

    async def among(self, user_ids: Iterable[str]) -> set[str]:
        found = await super().among(user_ids)
        if not self._looked:
            self._looked = True
            await self._at.user_data.erase("ann")
        return found


class Careless(Racing):
    """The protection off: nobody looks again."""

    async def among(self, user_ids: Iterable[str]) -> set[str]:
        return await super().among(user_ids) if not self._looked else set()


async def send(at: House, tombstones: Tombstones) -> None:
    mail_policy = MailPolicy(SEALED_MAIL, sends_mail=True)
    notifications = Notifications(
        at.store, mail_policy, Deliveries(at.store), tombstones, at.preferences, ttl=TTL, clock=at.clock
    )
    with suppress(FailedPrecondition):
        await notifications.create(replace(MAIL, title="personal"), "identity")


async def say(at: House, tombstones: Tombstones) -> None:
    with suppress(FailedPrecondition):
        said = Preference("ann", "personal", "email", enabled=False)
        await Preferences(at.store, tombstones, clock=at.clock).set(said)


async def log(at: House, tombstones: Tombstones) -> None:
    await Logs(at.store, tombstones, LOG_TTLS, clock=at.clock).write([LogEntry("personal", user_id="ann")])


async def tell(at: House, tombstones: Tombstones) -> None:
    event = AuditEvent(new_id(), at.clock.now, "signed_in", "ann", "", "personal")
    await Audit(at.store, tombstones, ttl=AUDIT_TTL, clock=at.clock).record([event])


@pytest.mark.parametrize("write", [send, say, log, tell])
async def test_what_is_written_while_the_erasure_goes_past_is_not_kept(at: House, write: Write) -> None:
    """R16."""
    await write(at, Racing(at))
    assert b"personal" not in await held(at)


@pytest.mark.parametrize("write", [send, say, log, tell])
async def test_without_the_second_look_it_would_be(at: House, write: Write) -> None:
    """The protection off."""
    await write(at, Careless(at))
    assert b"personal" in await held(at)


async def test_who_was_erased_is_remembered_for_as_long_as_the_audit(at: House) -> None:
    await at.user_data.erase("ann")
    [row] = await at.store.database.erasures.find().to_list()
    assert row == {"_id": "ann", "erasedAt": at.clock.now, "expiresAt": at.clock.now + AUDIT_TTL}
    assert (await at.store.database.erasures.index_information())["expiry"]["expireAfterSeconds"] == 0
