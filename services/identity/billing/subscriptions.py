"""Stores subscriptions: the state that Stripe reports, and their users."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from runtime.clock import Clock, utc_now
from runtime.errors import Aborted
from runtime.ids import new_id
from services.identity.billing.stripe_terms import SubscriptionEvent, SubscriptionState, Terms
from services.identity.billing.tables import stripe_events, subscriptions
from services.identity.outbox.outbox import Outbox
from services.identity.store.database import Database, Transaction
from services.identity.store.faults.errors import DuplicateError, OrphanError
from services.identity.users.tables import users

LIVE = ("active", "trialing", "past_due")
MAX_OF_A_USER = 100
UNCLAIMED_KEPT = timedelta(days=30)
UNCLAIMED_BATCH = 500
RACES = 3
TICK = timedelta(milliseconds=1)


class EventOutcome(Enum):
    """The outcome of an event."""

    APPLIED = "applied"
    UNCLAIMED = "unclaimed"  # stored until an event names its user
    NOTHING_NEW = "nothing_new"
    REPEATED = "repeated"
    UNKNOWN_USER = "unknown_user"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A user's subscription. `status` is Stripe's, corrected by the newest invoice."""

    id: str
    user_id: str
    status: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class RowVersion:
    """The version of a subscription's row: the time of its last write, None without a row."""

    at: datetime | None


class RowChangedError(Exception):
    """The row was written since its version was read."""


class _RepeatedError(DuplicateError):
    """The event was applied before."""


def tag_of(user_id: str) -> str:
    """Return the cache tag of a user's subscription."""
    return f"subscription:{user_id}"


def events_race() -> Aborted:
    return Aborted("EVENTS_RACE", "concurrent events changed this subscription: send the event again")


class Subscriptions:
    """The subscriptions of a database. The effect of an event, its id and the invalidation are one transaction."""

    def __init__(self, database: Database, outbox: Outbox, *, now: Clock = utc_now) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def find(self, user_id: str) -> Subscription | None:
        """Return a user's newest live subscription, or else the newest one; None if there is none."""
        rows = await self._database.rows(
            "subscriptions.find",
            select(subscriptions).where(subscriptions.c.user_id == user_id).limit(MAX_OF_A_USER),
        )
        found = [(row, _known(row)) for row in rows if row.told_at is not None]
        if not found:
            return None
        row, known = max(found, key=lambda each: (each[1].status in LIVE, each[0].created_at, each[0].id))
        return Subscription(row.id, row.user_id, known.status, known.terms)

    async def row_version(self, event: SubscriptionEvent) -> RowVersion | None:
        """Return the version of the row of the event's subscription, None if the event was applied before."""
        if await self._database.row(
            "stripe_events.find", select(stripe_events.c.id).where(stripe_events.c.id == event.event_id)
        ):
            return None
        statement = select(subscriptions.c.updated_at).where(_is(event.subscription_id))
        row = await self._database.row("subscriptions.seen", statement)
        return RowVersion(row.updated_at if row else None)

    async def apply(self, event: SubscriptionEvent, *, seen: RowVersion | None = None) -> EventOutcome:
        """Merge an event into the stored state, once.

        An event of an unknown user changes nothing. An event without a user is stored until another event, or another
        subscription of the same customer, names the user. `seen` is the row's version before Stripe was read. Raises
        RowChangedError if the row has another version now: a concurrent call may have stored a newer state.
        """
        for _ in range(RACES):
            try:
                return await self._database.transaction("subscriptions.apply", lambda tx: self._apply(tx, event, seen))
            except _RepeatedError:
                return EventOutcome.REPEATED
            except OrphanError:  # the user was deleted concurrently
                return EventOutcome.UNKNOWN_USER
            except DuplicateError:  # two concurrent first events of one subscription
                continue
        raise events_race()

    async def _apply(self, transaction: Transaction, event: SubscriptionEvent, seen: RowVersion | None) -> EventOutcome:
        await self._note_event(transaction, event)
        row = (
            await transaction.execute(select(subscriptions).where(_is(event.subscription_id)).with_for_update())
        ).first()
        if seen is not None and seen.at != (row.updated_at if row else None):
            raise RowChangedError
        owner = await self._owner(transaction, row, event)
        before = SubscriptionState() if row is None else _known(row)
        after = before.after(event)
        customer = event.customer_id or (row and row.stripe_customer_id) or None
        if row is not None and (after, owner, customer) == (before, row.user_id, row.stripe_customer_id):
            return EventOutcome.NOTHING_NEW
        await self._write(transaction, row, event.subscription_id, after, user_id=owner, stripe_customer_id=customer)
        if owner is None:
            return EventOutcome.UNCLAIMED
        if customer is not None:
            await self._claim(transaction, customer, owner)
        await self._outbox.add(transaction, tag_of(owner))
        return EventOutcome.APPLIED

    async def _note_event(self, transaction: Transaction, event: SubscriptionEvent) -> None:
        now = self._now()
        values = {
            "id": event.event_id,
            "created": event.created,
            "applied_at": now,
            "created_at": now,
            "updated_at": now,
        }
        try:
            await transaction.execute(insert(stripe_events).values(values))
        except DuplicateError:
            raise _RepeatedError from None

    async def _owner(self, transaction: Transaction, row: Row[Any] | None, event: SubscriptionEvent) -> str | None:
        """Return the id of the subscription's user, None if it is unknown. Raises OrphanError for an unknown user.

        The first named user keeps the subscription, even if a later event names another one.
        """
        if row is not None and row.user_id is not None:
            return str(row.user_id)
        if event.user_id:
            statement = select(users.c.id).where(users.c.id == event.user_id)
            if (await transaction.execute(statement)).first() is None:
                raise OrphanError
            return event.user_id
        customer = event.customer_id or (row and row.stripe_customer_id)
        if not customer:
            return None
        theirs = select(subscriptions.c.user_id).where(
            subscriptions.c.stripe_customer_id == customer, subscriptions.c.user_id.is_not(None)
        )
        return (await transaction.execute(theirs.limit(1))).scalar()

    async def _write(
        self,
        transaction: Transaction,
        row: Row[Any] | None,
        subscription_id: str,
        known: SubscriptionState,
        **owner: str | None,
    ) -> None:
        now = self._now()
        told = {"told_at": known.terms_at, "invoice_at": known.invoice_at, "invoice_paid": known.invoice_paid}
        values = asdict(known.terms) | told | owner
        if row is None:
            values |= {"id": new_id(), "stripe_subscription_id": subscription_id, "created_at": now, "updated_at": now}
            await transaction.execute(insert(subscriptions).values(values))
            return
        # Never the same time twice, because the time is the row's version.
        values |= {"updated_at": max(now, row.updated_at + TICK)}
        await transaction.execute(update(subscriptions).where(subscriptions.c.id == row.id).values(values))

    async def _claim(self, transaction: Transaction, customer: str, user_id: str) -> None:
        """Assign the customer's other subscriptions without a user to this user."""
        unclaimed = update(subscriptions).where(
            subscriptions.c.stripe_customer_id == customer, subscriptions.c.user_id.is_(None)
        )
        await transaction.execute(unclaimed.values(user_id=user_id))

    async def sweep(self) -> int:
        """Delete a batch of subscriptions that had no user for 30 days; return how many were deleted."""

        async def work(transaction: Transaction) -> int:
            is_over = subscriptions.c.user_id.is_(None), subscriptions.c.updated_at <= self._now() - UNCLAIMED_KEPT
            ids = (
                (await transaction.execute(select(subscriptions.c.id).where(*is_over).limit(UNCLAIMED_BATCH)))
                .scalars()
                .all()
            )
            if not ids:
                return 0
            return (
                await transaction.execute(delete(subscriptions).where(subscriptions.c.id.in_(ids), *is_over))
            ).rowcount

        return await self._database.transaction("subscriptions.sweep", work)


def _is(subscription_id: str) -> Any:
    return subscriptions.c.stripe_subscription_id == subscription_id


def _known(row: Row[Any]) -> SubscriptionState:
    values = row._mapping
    terms = Terms(**{name: values[name] for name in Terms.__dataclass_fields__})
    return SubscriptionState(terms, row.told_at, row.invoice_at, row.invoice_paid)
