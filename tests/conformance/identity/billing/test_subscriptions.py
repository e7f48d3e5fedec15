"""Subscriptions on every engine: an event's effect takes place once, in whatever order events come (P2, P3)."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from sqlalchemy import func, select, update

from services.identity import schema
from services.identity.billing.stripe_terms import SubscriptionEvent, Terms
from services.identity.billing.subscriptions import (
    UNCLAIMED_KEPT,
    EventOutcome,
    RowChangedError,
    RowVersion,
    Subscriptions,
    tag_of,
)
from services.identity.store.database import Transaction
from tests.conformance.identity.conftest import OPERATOR, Identity
from tests.harness.peers.stripe import NOW

PRO = Terms("pro", "active", seats=3)


@pytest.fixture
def subscriptions(identity: Identity) -> Subscriptions:
    return Subscriptions(identity.database, identity.outbox, now=identity.clock)


def news(number: int = 1, *, of: str = "sub_1", **changes: object) -> SubscriptionEvent:
    """Return the news of an event, the `number`th second's."""
    own = SubscriptionEvent(f"evt_{number}", NOW + number, of, "cus_1")
    return replace(own, **changes)  # type: ignore[arg-type]  # as the test says


def checkout(user_id: str, number: int = 9) -> SubscriptionEvent:
    return news(number, user_id=user_id)


async def _events(identity: Identity) -> list[str]:
    rows = await identity.database.rows("tests.events", select(schema.stripe_events.c.id))
    return sorted(row.id for row in rows)


async def _rows(identity: Identity) -> int:
    row = await identity.database.row("tests.count", select(func.count()).select_from(schema.subscriptions))
    assert row is not None
    return int(row[0])


async def plan_of(subscriptions: Subscriptions, user_id: str) -> tuple[str, str] | None:
    found = await subscriptions.find(user_id)
    return None if found is None else (found.terms.plan, found.status)


async def test_a_user_has_what_was_told_with_everything_in_it(identity: Identity, subscriptions: Subscriptions) -> None:
    user, _ = await identity.sign_up()
    assert await subscriptions.find(user.id) is None
    now = identity.clock().replace(microsecond=0)
    terms = Terms("pro", "trialing", now, now + timedelta(days=30), now + timedelta(days=14), True, 5)
    assert await subscriptions.apply(news(user_id=user.id, terms=terms)) is EventOutcome.APPLIED
    found = await subscriptions.find(user.id)
    assert found is not None
    assert (found.user_id, found.status, found.terms) == (user.id, "trialing", terms)


async def test_twenty_deliveries_at_once_have_one_effect(identity: Identity, subscriptions: Subscriptions) -> None:
    """P2: the event's id is written with its effect, and is there once."""
    user, _ = await identity.sign_up()
    identity.cache.told.clear()
    event = news(user_id=user.id, terms=PRO)
    outcomes = Counter(await asyncio.gather(*(subscriptions.apply(event) for _ in range(20))))
    assert outcomes == {EventOutcome.APPLIED: 1, EventOutcome.REPEATED: 19}
    assert identity.cache.told == [(tag_of(user.id),)]
    assert (await _events(identity), await _rows(identity)) == (["evt_1"], 1)


async def test_an_event_whose_effect_fails_has_not_been_applied(
    identity: Identity, subscriptions: Subscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: the same transaction, so that Stripe's next delivery finds it undone."""
    user, _ = await identity.sign_up()
    event = news(user_id=user.id, terms=PRO)

    async def fails(*_: object) -> None:
        raise RuntimeError("after the event's id and the row were written")

    with monkeypatch.context() as broken:
        broken.setattr(identity.outbox, "add", fails)
        with pytest.raises(RuntimeError):
            await subscriptions.apply(event)
    assert (await _events(identity), await _rows(identity)) == ([], 0)
    assert await subscriptions.apply(event) is EventOutcome.APPLIED


async def test_different_events_at_once_all_take_effect(identity: Identity, subscriptions: Subscriptions) -> None:
    """P3: also the first ones of a subscription, each of which would make its row."""
    user, _ = await identity.sign_up()
    events = [news(number, terms=replace(PRO, seats=number)) for number in range(20)]
    await asyncio.gather(*(subscriptions.apply(each) for each in [*events, checkout(user.id, 20)]))
    found = await subscriptions.find(user.id)
    assert found is not None
    assert found.terms.seats == 19
    assert (len(await _events(identity)), await _rows(identity)) == (21, 1)


async def test_whatever_order_events_come_in_the_newest_is_what_is_known(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    """P3: the checkout that says whose it is may come first, last, or between."""
    for number, order in enumerate(permutations(range(4))):
        user, _ = await identity.sign_up(f"ann{number}@x.io")
        mine = {"subscription_id": f"sub_{number}", "customer_id": f"cus_{number}"}
        told = [
            news(1, terms=replace(PRO, status="incomplete"), **mine),
            news(3, terms=replace(PRO, plan="team"), **mine),
            news(4, paid=False, **mine),
            replace(checkout(user.id, 2), **mine),  # type: ignore[arg-type]  # ids
        ]
        for place in order:
            event = replace(told[place], event_id=f"evt_{number}_{place}")
            await subscriptions.apply(event)
            assert await subscriptions.apply(event) is EventOutcome.REPEATED
        assert await plan_of(subscriptions, user.id) == ("team", "past_due"), order


async def test_what_is_not_newer_changes_nothing_and_tells_no_cache(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    """P3."""
    user, _ = await identity.sign_up()
    await subscriptions.apply(news(5, user_id=user.id, terms=PRO))
    identity.cache.told.clear()
    for number, status in ((4, "incomplete"), (3, "past_due")):
        assert await subscriptions.apply(news(number, terms=replace(PRO, status=status))) is EventOutcome.NOTHING_NEW
    assert await plan_of(subscriptions, user.id) == ("pro", "active")
    assert identity.cache.told == []


async def test_after_an_end_nothing_comes(identity: Identity, subscriptions: Subscriptions) -> None:
    user, _ = await identity.sign_up()
    await subscriptions.apply(news(5, user_id=user.id, terms=replace(PRO, status="canceled")))
    assert await subscriptions.apply(news(6, terms=PRO)) is EventOutcome.NOTHING_NEW
    assert await plan_of(subscriptions, user.id) == ("pro", "canceled")


async def test_what_nobody_was_named_for_waits_for_its_checkout(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    """P3: Stripe sends customer.subscription.created first, and only the checkout says whose it is."""
    user, _ = await identity.sign_up()
    assert await subscriptions.apply(news(1, terms=PRO)) is EventOutcome.UNCLAIMED
    assert await subscriptions.apply(news(2, of="sub_2", terms=replace(PRO, plan="team"))) is EventOutcome.UNCLAIMED
    assert await subscriptions.find(user.id) is None
    assert await subscriptions.apply(checkout(user.id)) is EventOutcome.APPLIED
    assert await plan_of(subscriptions, user.id) is not None
    assert (
        await subscriptions.apply(news(3, of="sub_3", terms=PRO)) is EventOutcome.APPLIED
    )  # the customer is known now
    rows = await identity.database.rows("tests.owners", select(schema.subscriptions.c.user_id))
    assert {row.user_id for row in rows} == {user.id}
    assert len(rows) == 3


async def test_a_checkout_alone_shows_no_plan_yet(identity: Identity, subscriptions: Subscriptions) -> None:
    user, _ = await identity.sign_up()
    await subscriptions.apply(checkout(user.id))
    assert await subscriptions.find(user.id) is None


async def test_a_user_who_does_not_exist_is_given_nothing(identity: Identity, subscriptions: Subscriptions) -> None:
    for event in (news(1, user_id="nobody", terms=PRO), checkout("-", 2)):
        assert await subscriptions.apply(event) is EventOutcome.UNKNOWN_USER
    assert (await _events(identity), await _rows(identity)) == ([], 0)


async def test_the_first_who_is_named_keeps_a_subscription(identity: Identity, subscriptions: Subscriptions) -> None:
    """I6: an event that names another moves nothing."""
    (ann, _), (bob, _) = await identity.sign_up("ann@x.io"), await identity.sign_up("bob@x.io")
    await subscriptions.apply(news(1, user_id=ann.id, terms=PRO))
    await subscriptions.apply(checkout(bob.id))
    await subscriptions.apply(news(3, user_id=bob.id, terms=replace(PRO, plan="team")))
    assert await plan_of(subscriptions, bob.id) is None
    assert await plan_of(subscriptions, ann.id) == ("team", "active")


async def test_a_live_subscription_is_shown_before_one_that_has_ended(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    user, _ = await identity.sign_up()
    await subscriptions.apply(news(1, user_id=user.id, terms=PRO))
    identity.clock.move(seconds=1)
    await subscriptions.apply(news(2, of="sub_2", terms=replace(PRO, plan="team", status="canceled")))
    assert await plan_of(subscriptions, user.id) == ("pro", "active")
    await subscriptions.apply(news(3, terms=replace(PRO, status="canceled")))
    assert await plan_of(subscriptions, user.id) == ("team", "canceled")


async def test_it_goes_with_its_user_and_a_late_event_brings_nothing_back(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    user, _ = await identity.sign_up()
    await subscriptions.apply(news(1, user_id=user.id, terms=PRO))
    await identity.deletion.delete(user.id, actor=OPERATOR)
    assert await _rows(identity) == 0
    late = news(2, user_id=user.id, terms=replace(PRO, status="canceled"))
    assert await subscriptions.apply(late) is EventOutcome.UNKNOWN_USER
    assert await _rows(identity) == 0


async def test_a_user_who_is_deleted_while_an_event_is_applied_has_either_no_row(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    for number in range(10):
        user, _ = await identity.sign_up(f"ann{number}@x.io")
        event = news(number, of=f"sub_{number}", user_id=user.id, terms=PRO)
        outcome, _ = await asyncio.gather(subscriptions.apply(event), identity.deletion.delete(user.id, actor=OPERATOR))
        assert outcome in (EventOutcome.APPLIED, EventOutcome.UNKNOWN_USER)
    assert await _rows(identity) == 0


async def test_what_was_read_for_an_event_is_written_only_if_nobody_wrote_meanwhile(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    """P3: an older look at Stripe never overwrites a later one, even on a clock that stands still."""
    user, _ = await identity.sign_up()
    first, second = (news(n, user_id=user.id, terms=replace(PRO, seats=n), read=True) for n in (1, 2))
    seen = await subscriptions.row_version(first)
    assert seen == RowVersion(None)
    assert await subscriptions.apply(second, seen=await subscriptions.row_version(second)) is EventOutcome.APPLIED
    with pytest.raises(RowChangedError):
        await subscriptions.apply(first, seen=seen)
    assert await _events(identity) == ["evt_2"]
    again = await subscriptions.row_version(first)
    assert await subscriptions.apply(news(3, terms=PRO, read=True), seen=again) is EventOutcome.APPLIED
    with pytest.raises(RowChangedError):
        await subscriptions.apply(first, seen=again)
    assert await subscriptions.row_version(second) is None


async def test_what_nobody_claims_goes_after_a_month(identity: Identity, subscriptions: Subscriptions) -> None:
    user, _ = await identity.sign_up()
    await subscriptions.apply(news(1, user_id=user.id, terms=PRO, customer_id="cus_ann"))
    await subscriptions.apply(news(2, of="sub_2", terms=PRO))
    identity.clock.move(seconds=UNCLAIMED_KEPT.total_seconds() - 1)
    assert await subscriptions.sweep() == 0
    identity.clock.move(seconds=1)
    assert await subscriptions.sweep() == 1
    assert await plan_of(subscriptions, user.id) == ("pro", "active")


async def test_nothing_of_an_event_but_ids_and_terms_is_stored(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    user, _ = await identity.sign_up()
    identity.cache.confirms = False  # so that the note stays to be looked at
    await subscriptions.apply(news(user_id=user.id, terms=PRO))
    notes = await identity.database.rows(
        "tests.notes", select(schema.outbox.c.payload).where(schema.outbox.c.topic == "cache.invalidate")
    )
    assert [json.loads(note.payload) for note in notes][-1] == {"tags": [tag_of(user.id)]}


async def test_without_the_rule_that_the_newest_stays_an_old_event_would_win(
    identity: Identity, subscriptions: Subscriptions
) -> None:
    """The control of P3: what comes last is then what is known."""
    user, _ = await identity.sign_up()
    await subscriptions.apply(news(5, user_id=user.id, terms=PRO))

    async def forget(transaction: Transaction) -> None:
        await transaction.execute(update(schema.subscriptions).values(told_at=None))

    await identity.database.transaction("tests.forget", forget)
    await subscriptions.apply(news(4, terms=replace(PRO, status="incomplete")))
    assert await plan_of(subscriptions, user.id) == ("pro", "incomplete")
