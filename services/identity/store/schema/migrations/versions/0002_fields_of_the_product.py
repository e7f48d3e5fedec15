"""Custom fields, subscription events that can come in any order, outbox topics, and the sweep of Stripe's events."""

import sqlalchemy as sa
from alembic import op

from services.identity.store.schema.column_types import Ascii

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
release = "0.1.0"


def upgrade() -> None:
    op.add_column("users", sa.Column("additional", sa.Text))
    op.add_column("sessions", sa.Column("additional", sa.Text))
    with op.batch_alter_table("subscriptions") as subscriptions:
        subscriptions.add_column(sa.Column("told_at", sa.BigInteger))
        subscriptions.add_column(sa.Column("invoice_at", sa.BigInteger))
        subscriptions.add_column(sa.Column("invoice_paid", sa.Boolean))
        subscriptions.alter_column("user_id", existing_type=Ascii(36), nullable=True)
    op.create_index("ix_outbox_topic_id", "outbox", ["topic", "id"])
    op.create_index("ix_stripe_events_applied_at", "stripe_events", ["applied_at"])


def downgrade() -> None:
    op.drop_index("ix_stripe_events_applied_at", "stripe_events")
    op.drop_index("ix_outbox_topic_id", "outbox")
    op.execute("DELETE FROM subscriptions WHERE user_id IS NULL")
    with op.batch_alter_table("subscriptions") as subscriptions:
        subscriptions.alter_column("user_id", existing_type=Ascii(36), nullable=False)
        for column in ("invoice_paid", "invoice_at", "told_at"):
            subscriptions.drop_column(column)
    op.drop_column("sessions", "additional")
    op.drop_column("users", "additional")
