"""What is known of a subscription of Stripe's, and how news of it adds up in whatever order it comes."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

FINAL = ("incomplete_expired", "canceled")
STATUSES = ("incomplete", "trialing", "active", "past_due", "unpaid", "paused", *FINAL)
"""As a subscription goes through them: of two that Stripe tells within one second, the later one here is believed."""
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subscription is, as one look at it shows."""

    plan: str
    status: str
    period_start: datetime | None = None
    period_end: datetime | None = None
    trial_end: datetime | None = None
    cancel_at_period_end: bool = False
    seats: int | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionEvent:
    """What one event says of one subscription: all of it (`terms`), or that an invoice was paid or not (`paid`).

    `created` is Stripe's time of the event in Unix seconds; `user_id` is empty if it does not say whose it is. `read`
    marks terms that were read after the event, which have no rival.
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
    """What all events so far say together; the times are Stripe's, None for what no event has told."""

    terms: Terms = NO_TERMS
    told_at: int | None = None
    invoice_at: int | None = None
    invoice_paid: bool | None = None

    @property
    def status(self) -> str:
        """The subscription's status, with what its newest invoice says if that is the newer news."""
        said = self.terms.status
        if self.invoice_at is None or self.invoice_at <= (self.told_at or 0):
            return said
        if self.invoice_paid:
            return "active" if said in ("incomplete", "past_due", "unpaid") else said
        return "past_due" if said == "active" else said

    def after(self, news: SubscriptionEvent) -> "SubscriptionState":
        """Return what is known once the news is; the order of several, and how often each comes, do not matter.

        Of all terms the newest stay, but nothing follows an end. What was read after its event replaces all.
        """
        known = self
        if news.terms is not None:
            if news.read:
                return SubscriptionState(news.terms, max(news.created, self.told_at or 0))
            if self.told_at is None or _rank(news.terms, news.created) > _rank(self.terms, self.told_at):
                known = replace(known, terms=news.terms, told_at=news.created)
        if news.paid is not None:
            said = (news.created, news.paid)
            if self.invoice_at is None or said > (self.invoice_at, bool(self.invoice_paid)):
                known = replace(known, invoice_at=news.created, invoice_paid=news.paid)
        return known


def _rank(terms: Terms, created: int) -> tuple[Any, ...]:
    """Return what is greater for the terms to be believed; equal only for terms that are equal."""
    place = STATUSES.index(terms.status) if terms.status in STATUSES else -1
    times = (terms.period_end or BEFORE_ALL, terms.period_start or BEFORE_ALL, terms.trial_end or BEFORE_ALL)
    seats = -1 if terms.seats is None else terms.seats
    rest = (terms.status, terms.cancel_at_period_end, *times, seats, terms.plan)
    return (terms.status in FINAL, created, place, *rest)
