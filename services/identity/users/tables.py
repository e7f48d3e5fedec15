"""The table of users, and the column by which other tables refer to a user."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, Text

from services.identity.store.schema.column_types import Ascii, Exact, Moment, picture
from services.identity.store.schema.table import ID_LENGTH, metadata, table

users = table(
    "users",
    Column("email", Exact(255), nullable=False, unique=True),
    Column("name", Exact(255), nullable=False),
    Column("image", picture()),
    Column("email_verified", Boolean, nullable=False),
    Column("role", Ascii(16), nullable=False, index=True),
    Column("banned", Boolean, nullable=False),
    Column("ban_reason", String(512)),
    Column("ban_expires", Moment),
    Column("additional", Text),  # a JSON object of the custom fields that the product declares
    Index("ix_users_created_at", "created_at", "id"),
    Index("ix_users_name", "name", "id"),
)


def user_id_column(*, nullable: bool = False) -> Column[str]:
    """Return the column `user_id` of a table whose rows are deleted with their user."""
    user = ForeignKey(users.c.id, ondelete="CASCADE")
    return Column("user_id", Ascii(ID_LENGTH), user, nullable=nullable, index=True)


def tables_of_users() -> list[Table]:
    """Return the tables that refer to a user. Import `services.identity.schema` before: it declares all tables."""
    return [each for each in metadata.sorted_tables if "user_id" in each.c and each.c.user_id.references(users.c.id)]
