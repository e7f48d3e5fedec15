"""The tables of subscriptions and of Stripe's events."""

from datetime import timedelta

from sqlalchemy import BigInteger, Boolean, Column, Integer

from services.identity.store.schema.column_types import Ascii, Exact, Moment
from services.identity.store.schema.table import Expiry, table
from services.identity.users.tables import user_id_column

EVENTS_KEPT = timedelta(days=30)
"""Stripe sends an event again for three days at most, so an older row is not needed to recognize a repeated one."""

subscriptions = table(
    "subscriptions",
    user_id_column(nullable=True),  # null until an event names the user
    Column("plan", Exact(64), nullable=False),
    Column("status", Ascii(32), nullable=False, index=True),
    Column("stripe_customer_id", Ascii(255), index=True),
    Column("stripe_subscription_id", Ascii(255), unique=True),
    Column("period_start", Moment),
    Column("period_end", Moment),
    Column("trial_end", Moment),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("seats", Integer),
    Column("told_at", BigInteger),  # `created` of the newest event with the terms, in Unix seconds
    Column("invoice_at", BigInteger),  # `created` of the newest event about one of its invoices, in Unix seconds
    Column("invoice_paid", Boolean),  # whether that invoice was paid
)

stripe_events = table(
    "stripe_events",
    Column("created", BigInteger, nullable=False),
    Column("applied_at", Moment, index=True),  # null until the event is applied: it is not swept before
    key=Column("id", Ascii(255), primary_key=True),
    expiry=Expiry("applied_at", EVENTS_KEPT),
)
