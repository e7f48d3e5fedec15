"""The table of accounts. An account is one way to sign in: a password, or an identity at a provider."""

from sqlalchemy import Column, String, Text, UniqueConstraint

from services.identity.store.schema.column_types import Ascii, Exact, Moment
from services.identity.store.schema.table import table
from services.identity.users.tables import user_id_column

accounts = table(
    "accounts",
    user_id_column(),
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
