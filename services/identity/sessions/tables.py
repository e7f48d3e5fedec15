"""The table of sessions."""

from sqlalchemy import Boolean, Column, String, Text

from services.identity.store.schema.column_types import Ascii, Moment
from services.identity.store.schema.table import HASH_LENGTH, Expiry, table
from services.identity.users.tables import user_id_column

sessions = table(
    "sessions",
    user_id_column(),
    Column("token_hash", Ascii(HASH_LENGTH), nullable=False, unique=True),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("remembered", Boolean, nullable=False),
    Column("ip_address", String(64), nullable=False),
    Column("user_agent", String(512), nullable=False),
    Column("additional", Text),  # a JSON object of the custom fields that the product declares
    expiry=Expiry("expires_at"),
)
