"""Better Auth's four tables, with the column types that its own migrator gives them on each engine."""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql, postgresql

metadata = MetaData()
"""The types are those of Better Auth's migrator, or larger if Trivet's values need it."""


def _table(name: str, *parts: Any) -> Table:
    return Table(name, metadata, *parts, mysql_charset="utf8mb4")


def _short(length: int) -> String:
    return String(length).with_variant(Text(), "sqlite", "postgresql")


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    kind = DateTime().with_variant(mysql.TIMESTAMP(fsp=3), "mysql")
    kind = kind.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql").with_variant(Date(), "sqlite")
    return Column(name, kind, nullable=nullable)


def _flag(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Boolean().with_variant(Integer(), "sqlite"), nullable=nullable)


def _id() -> Column[str]:
    return Column("id", _short(36), primary_key=True)


def _owner() -> Column[str]:
    return Column("userId", _short(36), ForeignKey("user.id", ondelete="CASCADE"), nullable=False)


user = _table(
    "user",
    _id(),
    Column("name", _short(255), nullable=False),
    Column("email", _short(255), nullable=False, unique=True),
    _flag("emailVerified"),
    Column("image", Text().with_variant(mysql.MEDIUMTEXT(), "mysql")),  # a picture as a data URL is longer than TEXT
    _time("createdAt"),
    _time("updatedAt"),
    # Columns of the admin plugin. Better Auth ignores them without it.
    Column("role", Text),
    _flag("banned", nullable=True),
    Column("banReason", Text),
    _time("banExpires", nullable=True),
)
session = _table(
    "session",
    _id(),
    _time("expiresAt"),
    Column("token", _short(255), nullable=False, unique=True),
    _time("createdAt"),
    _time("updatedAt"),
    Column("ipAddress", Text),
    Column("userAgent", Text),
    _owner(),
    Column("impersonatedBy", Text),
    Index("session_userId_idx", "userId"),
)
account = _table(
    "account",
    _id(),
    Column("accountId", Text, nullable=False),
    Column("providerId", Text, nullable=False),
    _owner(),
    Column("accessToken", Text),
    Column("refreshToken", Text),
    Column("idToken", Text),
    _time("accessTokenExpiresAt", nullable=True),
    _time("refreshTokenExpiresAt", nullable=True),
    Column("scope", Text),
    Column("password", Text),
    _time("createdAt"),
    _time("updatedAt"),
    Index("account_userId_idx", "userId"),
)
verification = _table(
    "verification",
    _id(),
    Column("identifier", _short(255), nullable=False),
    Column("value", Text, nullable=False),
    _time("expiresAt"),
    _time("createdAt"),
    _time("updatedAt"),
    Index("verification_identifier_idx", "identifier"),
)
