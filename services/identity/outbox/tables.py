"""The table of the outbox."""

from sqlalchemy import Column, Index, Integer, String, Text, text

from services.identity.store.schema.column_types import Ascii, Exact, Moment, growing_integer
from services.identity.store.schema.table import table

outbox = table(
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
