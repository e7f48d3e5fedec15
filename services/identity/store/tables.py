"""The tables of the store's own mechanisms: idempotency keys, and one-time secrets with leases."""

from sqlalchemy import Column, Text, UniqueConstraint

from services.identity.store.schema.column_types import Ascii, Exact, Moment
from services.identity.store.schema.table import HASH_LENGTH, Expiry, table

requests = table(
    "requests",
    Column("caller", Ascii(64), nullable=False),
    Column("request_id", Ascii(128), nullable=False),
    Column("body_hash", Ascii(HASH_LENGTH), nullable=False),
    Column("answer", Text, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    UniqueConstraint("caller", "request_id"),
    expiry=Expiry("expires_at"),
)

verifications = table(
    "verifications",
    Column("identifier", Exact(320), nullable=False),
    Column("value", Ascii(HASH_LENGTH), nullable=False, index=True),
    Column("data", Text),
    Column("expires_at", Moment, nullable=False, index=True),
    UniqueConstraint("identifier", "value"),
    expiry=Expiry("expires_at"),
)
