"""Identity's whole schema: the tables of all domains. A new `tables.py` is imported here once."""

from services.identity.billing.tables import stripe_events, subscriptions
from services.identity.outbox.tables import outbox
from services.identity.passwords.tables import accounts
from services.identity.sessions.tables import sessions
from services.identity.store.schema.table import metadata
from services.identity.store.tables import requests, verifications
from services.identity.users.tables import users

__all__ = [
    "accounts",
    "metadata",
    "outbox",
    "requests",
    "sessions",
    "stripe_events",
    "subscriptions",
    "users",
    "verifications",
]
