"""Tables of users, accounts, sessions, subscriptions, the outbox, idempotency keys and one-time secrets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.identity.store.schema.column_types import Ascii, Exact, Moment, growing_integer

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
release = "0.1.0"


def upgrade() -> None:
    _table(
        "users",
        sa.Column("email", Exact(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("image", sa.String(2048)),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("role", Ascii(16), nullable=False),
        sa.Column("banned", sa.Boolean, nullable=False),
        sa.Column("ban_reason", sa.String(512)),
        sa.Column("ban_expires", Moment),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_index("ix_users_role", "users", ["role"])
    op.create_index("ix_users_created_at", "users", ["created_at", "id"])
    _table(
        "sessions",
        *_owner("sessions"),
        sa.Column("token_hash", Ascii(64), nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("remembered", sa.Boolean, nullable=False),
        sa.Column("ip_address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(512), nullable=False),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    _indexes("sessions", "user_id", "expires_at")
    _table(
        "accounts",
        *_owner("accounts"),
        sa.Column("account_id", Exact(255), nullable=False),
        sa.Column("provider", Ascii(64), nullable=False),
        sa.Column("issuer", Ascii(255), nullable=False, server_default=""),
        sa.Column("access_token", sa.Text),
        sa.Column("refresh_token", sa.Text),
        sa.Column("id_token", sa.Text),
        sa.Column("access_token_expires_at", Moment),
        sa.Column("refresh_token_expires_at", Moment),
        sa.Column("scope", sa.Text),
        sa.Column("password", sa.String(255)),
        sa.UniqueConstraint("provider", "issuer", "account_id", name="uq_accounts_provider_issuer_account_id"),
    )
    _indexes("accounts", "user_id")
    _table(
        "verifications",
        sa.Column("identifier", Exact(320), nullable=False),
        sa.Column("value", Ascii(64), nullable=False),
        sa.Column("data", sa.Text),
        sa.Column("expires_at", Moment, nullable=False),
        sa.UniqueConstraint("identifier", "value", name="uq_verifications_identifier_value"),
    )
    _indexes("verifications", "value", "expires_at")
    _table(
        "subscriptions",
        *_owner("subscriptions"),
        sa.Column("plan", Exact(64), nullable=False),
        sa.Column("status", Ascii(32), nullable=False),
        sa.Column("stripe_customer_id", Ascii(255)),
        sa.Column("stripe_subscription_id", Ascii(255)),
        sa.Column("period_start", Moment),
        sa.Column("period_end", Moment),
        sa.Column("trial_end", Moment),
        sa.Column("cancel_at_period_end", sa.Boolean, nullable=False),
        sa.Column("seats", sa.Integer),
        sa.UniqueConstraint("stripe_subscription_id", name="uq_subscriptions_stripe_subscription_id"),
    )
    _indexes("subscriptions", "user_id", "status", "stripe_customer_id")
    _table(
        "outbox",
        sa.Column("topic", Ascii(64), nullable=False),
        sa.Column("key", Exact(255), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        key=sa.Column("id", growing_integer(), autoincrement=True, nullable=False),
    )
    _table(
        "requests",
        sa.Column("caller", Ascii(64), nullable=False),
        sa.Column("request_id", Ascii(128), nullable=False),
        sa.Column("body_hash", Ascii(64), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.UniqueConstraint("caller", "request_id", name="uq_requests_caller_request_id"),
    )
    _indexes("requests", "expires_at")
    _table(
        "stripe_events",
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("applied_at", Moment),
        key=sa.Column("id", Ascii(255), nullable=False),
    )


def downgrade() -> None:
    for name in ("stripe_events", "requests", "outbox", "subscriptions", "verifications", "accounts", "sessions"):
        op.drop_table(name)
    op.drop_table("users")


def _table(name: str, *parts: Any, key: sa.Column[Any] | None = None) -> None:
    op.create_table(
        name,
        key if key is not None else sa.Column("id", Ascii(36), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        *parts,
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def _owner(table: str) -> tuple[Any, ...]:
    return (
        sa.Column("user_id", Ascii(36), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id", ondelete="CASCADE"),
    )


def _indexes(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])
