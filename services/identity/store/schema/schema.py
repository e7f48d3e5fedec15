"""The tables. `migrations/` brings a database to them, and a test compares the two on every engine."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from services.identity.store.schema.column_types import Ascii, Exact, Moment, growing_integer, picture

ID_LENGTH = 36
HASH_LENGTH = 64

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _table(name: str, *parts: Any, key: Column[Any] | None = None) -> Table:
    """Return a table with what every one has: its id, and when a row was made and last changed."""
    return Table(
        name,
        metadata,
        key if key is not None else Column("id", Ascii(ID_LENGTH), primary_key=True),
        Column("created_at", Moment, nullable=False),
        Column("updated_at", Moment, nullable=False),
        *parts,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def _owner(*, nullable: bool = False) -> Column[str]:
    user = ForeignKey("users.id", ondelete="CASCADE")
    return Column("user_id", Ascii(ID_LENGTH), user, nullable=nullable, index=True)


users = _table(
    "users",
    Column("email", Exact(255), nullable=False, unique=True),
    Column("name", Exact(255), nullable=False),
    Column("image", picture()),
    Column("email_verified", Boolean, nullable=False),
    Column("role", Ascii(16), nullable=False, index=True),
    Column("banned", Boolean, nullable=False),
    Column("ban_reason", String(512)),
    Column("ban_expires", Moment),
    Column("additional", Text),  # a JSON object of the fields that the product has declared
    Index("ix_users_created_at", "created_at", "id"),
    Index("ix_users_name", "name", "id"),
)

sessions = _table(
    "sessions",
    _owner(),
    Column("token_hash", Ascii(HASH_LENGTH), nullable=False, unique=True),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("remembered", Boolean, nullable=False),
    Column("ip_address", String(64), nullable=False),
    Column("user_agent", String(512), nullable=False),
    Column("additional", Text),  # as above
)

accounts = _table(
    "accounts",
    _owner(),
    Column("account_id", Exact(255), nullable=False),
    Column("provider", Ascii(64), nullable=False),
    Column("issuer", Ascii(255), nullable=False, server_default=""),
    Column("access_token", Text),
    Column("refresh_token", Text),
    Column("id_token", Text),
    Column("access_token_expires_at", Moment),
    Column("refresh_token_expires_at", Moment),
    Column("scope", Text),
    Column("password", String(255)),
    UniqueConstraint("provider", "issuer", "account_id"),
)

verifications = _table(
    "verifications",
    Column("identifier", Exact(320), nullable=False),
    Column("value", Ascii(HASH_LENGTH), nullable=False, index=True),
    Column("data", Text),
    Column("expires_at", Moment, nullable=False, index=True),
    UniqueConstraint("identifier", "value"),
)

subscriptions = _table(
    "subscriptions",
    _owner(nullable=True),  # null until an event has said whose it is
    Column("plan", Exact(64), nullable=False),
    Column("status", Ascii(32), nullable=False, index=True),
    Column("stripe_customer_id", Ascii(255), index=True),
    Column("stripe_subscription_id", Ascii(255), unique=True),
    Column("period_start", Moment),
    Column("period_end", Moment),
    Column("trial_end", Moment),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("seats", Integer),
    Column("told_at", BigInteger),  # Stripe's `created` of the newest event that told all of it, in Unix seconds
    Column("invoice_at", BigInteger),  # likewise of the newest event about an invoice of it
    Column("invoice_paid", Boolean),  # what that event said
)

outbox = _table(
    "outbox",
    Column("topic", Ascii(64), nullable=False),
    Column("key", Exact(255), nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Moment, nullable=False, server_default=text("'1970-01-01 00:00:00'")),
    Column("last_error", String(255)),
    Index("ix_outbox_topic_next_attempt_at", "topic", "next_attempt_at", "id"),
    key=Column("id", growing_integer(), primary_key=True, autoincrement=True),
)

requests = _table(
    "requests",
    Column("caller", Ascii(64), nullable=False),
    Column("request_id", Ascii(128), nullable=False),
    Column("body_hash", Ascii(HASH_LENGTH), nullable=False),
    Column("answer", Text, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    UniqueConstraint("caller", "request_id"),
)

stripe_events = _table(
    "stripe_events",
    Column("created", BigInteger, nullable=False),
    Column("applied_at", Moment, index=True),
    key=Column("id", Ascii(255), primary_key=True),
)
