"""What a product adds to users and sessions, how old a subscription's news is, and an outbox with topics."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("additional", sa.Text))
    op.add_column("sessions", sa.Column("additional", sa.Text))
    op.add_column("subscriptions", sa.Column("told_at", sa.BigInteger))
    op.create_index("ix_outbox_topic_id", "outbox", ["topic", "id"])


def downgrade() -> None:
    op.drop_index("ix_outbox_topic_id", "outbox")
    op.drop_column("subscriptions", "told_at")
    op.drop_column("sessions", "additional")
    op.drop_column("users", "additional")
