"""Audit events, on each engine."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from runtime.errors import InvalidArgument
from runtime.ids import new_id
from services.notifications.audit.events import AuditEvent, AuditFilter
from services.notifications.audit.messages import encode_event
from tests.conformance.notifications.conftest import AUDIT_TTL, House, as_stored

SECOND = timedelta(seconds=1)


def event(at: House, kind: str = "signed_in", user_id: str = "ann", **values: str) -> AuditEvent:
    at.clock.move(SECOND)
    return AuditEvent(new_id(), at.clock.now, kind, user_id, **values)


async def kinds(at: House, wanted: AuditFilter | None = None) -> list[str]:
    return [row["kind"] for row in (await at.audit.page(wanted or AuditFilter(), encode=as_stored, size=50)).events]


async def test_an_event_is_kept_whole_and_answered_whole(at: House) -> None:
    told = event(at, actor="service:ops", ip_address="192.0.2.1", user_agent="Firefox", detail="password")
    assert await at.audit.record([told]) == 1
    [row] = (await at.audit.page(AuditFilter(), encode=as_stored, size=1)).events
    answered = encode_event(row)
    assert (answered.id, answered.kind, answered.user_id, answered.actor) == (
        told.id,
        "signed_in",
        "ann",
        "service:ops",
    )
    assert (answered.ip_address, answered.user_agent, answered.detail) == ("192.0.2.1", "Firefox", "password")
    assert row["time"] == told.time


async def test_an_event_that_is_told_twice_is_kept_once_as_it_was_first(at: House) -> None:
    """R24: the sender tells at least once."""
    told = event(at)
    assert await at.audit.record([told]) == 1
    assert await at.audit.record([replace(told, kind="other"), event(at, "second")]) == 2
    assert await kinds(at) == ["second", "signed_in"]


async def test_an_event_that_is_older_than_events_are_kept_is_counted_and_not_as_kept(
    at: House, caplog: pytest.LogCaptureFixture
) -> None:
    """An outbox may tell of it late, and nobody would ever find it."""
    before = REGISTRY.get_sample_value("trivet_audit_events_expired_total") or 0
    old = replace(event(at), time=at.clock.now - AUDIT_TTL)
    assert await at.audit.record([old, event(at, "second")]) == 1
    assert await at.audit.record([old]) == 0
    assert REGISTRY.get_sample_value("trivet_audit_events_expired_total") == before + 2
    assert "TRIVET_AUDIT_DAYS" in caplog.text
    assert await kinds(at) == ["second"]


async def test_an_event_that_is_more_than_a_day_ahead_is_kept_at_the_time_of_its_arrival(
    at: House, caplog: pytest.LogCaptureFixture
) -> None:
    """No audit event is lost to a wrong clock, and none stands before all later ones."""
    sent = event(at)
    last = replace(sent, id=new_id(), kind="kept", time=at.clock.now + timedelta(days=1))
    over = replace(sent, id=new_id(), kind="over", time=last.time + timedelta(milliseconds=1))
    assert await at.audit.record([last, over]) == 2
    found = {row["kind"]: row["time"] for row in (await at.audit.page(AuditFilter(), encode=as_stored, size=5)).events}
    assert found == {"kept": last.time, "over": at.clock.now}
    assert caplog.text.count("check the sender's clock") == 1


async def test_twenty_at_once_keep_one(at: House) -> None:
    told = event(at)
    await asyncio.gather(*(at.audit.record([told]) for _ in range(20)))
    assert await at.store.database.audit.count_documents({}) == 1


async def test_without_its_own_id_an_event_told_twice_would_be_two(at: House) -> None:
    """The protection off."""
    told = event(at)
    await at.audit.record([told])
    await at.audit.record([replace(told, id=new_id())])
    assert len(await kinds(at)) == 2


async def test_the_list_is_narrowed_by_user_kind_and_time(at: House) -> None:
    events = [event(at, kind, user) for user in ("ann", "bob") for kind in ("signed_up", "signed_in", "banned")]
    await at.audit.record(events)
    assert await kinds(at, AuditFilter(user_id="bob")) == ["banned", "signed_in", "signed_up"]
    assert await kinds(at, AuditFilter(kind="banned")) == ["banned", "banned"]
    assert await kinds(at, AuditFilter("ann", "signed_in")) == ["signed_in"]
    assert await kinds(at, AuditFilter(start=events[4].time)) == ["banned", "signed_in"]
    assert await kinds(at, AuditFilter(end=events[1].time)) == ["signed_up"]


async def test_pages_hold_each_event_once_also_within_one_millisecond_and_a_range(at: House) -> None:
    now = at.clock.now
    await at.audit.record([AuditEvent(new_id(), now, f"k{number}", "ann") for number in range(7)])
    for wanted in (AuditFilter(), AuditFilter("ann", start=now, end=now + SECOND)):
        seen, token = [], ""
        while True:
            page = await at.audit.page(wanted, encode=as_stored, size=3, page_token=token)
            seen += [row["kind"] for row in page.events]
            if not (token := page.next_page_token):
                break
        assert sorted(seen) == [f"k{number}" for number in range(7)]


async def test_a_token_is_good_for_its_own_filter(at: House) -> None:
    await at.audit.record([event(at) for _ in range(3)])
    token = (await at.audit.page(AuditFilter(), encode=as_stored, size=1)).next_page_token
    with pytest.raises(InvalidArgument) as refused:
        await at.audit.page(AuditFilter(user_id="ann"), encode=as_stored, size=1, page_token=token)
    assert refused.value.reason == "INVALID_PAGE_TOKEN"


async def test_an_event_is_gone_when_its_time_is_over(at: House) -> None:
    await at.audit.record([replace(event(at), time=at.clock.now + timedelta(days=99))])  # a clock that is ahead
    at.clock.move(AUDIT_TTL)
    assert await kinds(at) == []
    index = (await at.store.database.audit.index_information())["expiry"]
    assert (index["key"], index["expireAfterSeconds"]) == ([("expiresAt", 1)], 0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a.b"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"kind": ""}, "kind"),
        ({"kind": "A"}, "kind"),
    ],
)
async def test_an_event_that_is_none_is_refused_by_its_field_and_nothing_is_kept(
    at: House, change: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await at.audit.record([event(at), replace(event(at), **change)])  # type: ignore[arg-type]  # as the row says
    assert refused.value.field == f"events[1].{field}"
    assert await kinds(at) == []


async def test_more_than_a_hundred_and_an_empty_range_are_refused(at: House) -> None:
    with pytest.raises(InvalidArgument):
        await at.audit.record([event(at) for _ in range(101)])
    with pytest.raises(InvalidArgument):
        await at.audit.page(AuditFilter(start=at.clock.now, end=at.clock.now), encode=as_stored, size=1)


async def test_what_is_too_long_is_cut_rather_than_lost(at: House) -> None:
    await at.audit.record([event(at, user_agent="x" * 9_999, detail="y" * 9_999)])
    [row] = (await at.audit.page(AuditFilter(), encode=as_stored, size=1)).events
    assert len(row["personal"]["userAgent"]) == len(row["personal"]["detail"]) == 512
