"""Outbox messages have the time of their next attempt and the cause of the last rejection."""

import sqlalchemy as sa
from alembic import op

from services.identity.store.schema.column_types import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
release = "0.1.0"

BEFORE_ALL = sa.text("'1970-01-01 00:00:00'")  # due at once: existing rows, and rows that an older process writes


def upgrade() -> None:
    op.add_column("outbox", sa.Column("next_attempt_at", Moment, nullable=False, server_default=BEFORE_ALL))
    op.add_column("outbox", sa.Column("last_error", sa.String(255)))
    op.create_index("ix_outbox_topic_next_attempt_at", "outbox", ["topic", "next_attempt_at", "id"])
    op.drop_index("ix_outbox_topic_id", "outbox")


def downgrade() -> None:
    op.create_index("ix_outbox_topic_id", "outbox", ["topic", "id"])
    op.drop_index("ix_outbox_topic_next_attempt_at", "outbox")
    op.drop_column("outbox", "last_error")
    op.drop_column("outbox", "next_attempt_at")
