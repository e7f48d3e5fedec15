"""The state of a Stripe subscription, and how events merge into it in any order."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

FINAL = ("incomplete_expired", "canceled")
STATUSES = ("incomplete", "trialing", "active", "past_due", "unpaid", "paused", *FINAL)
"""In the order of a subscription's life. Of two events of the same second, the later status in this list wins."""
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a subscription: its plan, status and periods."""

    plan: str
    status: str
    period_start: datetime | None = None
    period_end: datetime | None = None
    trial_end: datetime | None = None
    cancel_at_period_end: bool = False
    seats: int | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionEvent:
    """An event about one subscription: its terms (`terms`), or the result of an invoice (`paid`).

    `created` is Stripe's time of the event in Unix seconds. `user_id` is empty if the event names no user. `read` marks
    terms that were read from the API after the event: they replace all others.
    """

    event_id: str
    created: int
    subscription_id: str
    customer_id: str = ""
    user_id: str = ""
    terms: Terms | None = None
    paid: bool | None = None
    read: bool = False


NO_TERMS = Terms(plan="", status="incomplete")


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """The merged state of all events so far. Times are Stripe's, in Unix seconds; None without such an event."""

    terms: Terms = NO_TERMS
    terms_at: int | None = None
    invoice_at: int | None = None
    invoice_paid: bool | None = None

    @property
    def status(self) -> str:
        """The status of the subscription. The newest invoice overrides it if it is newer than the terms."""
        said = self.terms.status
        if self.invoice_at is None or self.invoice_at <= (self.terms_at or 0):
            return said
        if self.invoice_paid:
            return "active" if said in ("incomplete", "past_due", "unpaid") else said
        return "past_due" if said == "active" else said

    def after(self, event: SubscriptionEvent) -> "SubscriptionState":
        """Return the state after an event. The order and the repetition of events do not matter.

        The newest terms win, but no terms replace a final status. Terms that were read from the API replace all.
        """
        state = self
        if event.terms is not None:
            if event.read:
                return SubscriptionState(event.terms, max(event.created, self.terms_at or 0))
            if self.terms_at is None or _rank(event.terms, event.created) > _rank(self.terms, self.terms_at):
                state = replace(state, terms=event.terms, terms_at=event.created)
        if event.paid is not None:
            said = (event.created, event.paid)
            if self.invoice_at is None or said > (self.invoice_at, bool(self.invoice_paid)):
                state = replace(state, invoice_at=event.created, invoice_paid=event.paid)
        return state


def _rank(terms: Terms, created: int) -> tuple[Any, ...]:
    """Return a sort key of terms. The greater one wins; only equal terms have equal keys."""
    place = STATUSES.index(terms.status) if terms.status in STATUSES else -1
    times = (terms.period_end or BEFORE_ALL, terms.period_start or BEFORE_ALL, terms.trial_end or BEFORE_ALL)
    seats = -1 if terms.seats is None else terms.seats
    rest = (terms.status, terms.cancel_at_period_end, *times, seats, terms.plan)
    return (terms.status in FINAL, created, place, *rest)
