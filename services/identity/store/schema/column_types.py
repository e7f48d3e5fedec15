"""Column types that store and compare the same values on every engine."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, String, Text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


class Moment(TypeDecorator[datetime]):
    """A timezone-aware time in UTC, in milliseconds. An engine without time zones stores it without one."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.DATETIME(fsp=3))
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True, precision=3))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Ascii(TypeDecorator[str]):
    """ASCII text, compared byte by byte: ids, hashes and keywords."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_bytewise(dialect, self.impl_instance, "ascii", "ascii_bin"))


class Exact(TypeDecorator[str]):
    """Unicode text, compared byte by byte. With MySQL's default, `jose@x.io` would equal `josé@x.io`."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_bytewise(dialect, self.impl_instance, "utf8mb4", "utf8mb4_bin"))


def _bytewise(dialect: Dialect, plain: TypeEngine[Any], charset: str, collation: str) -> TypeEngine[Any]:
    assert isinstance(plain, String)
    if dialect.name == "mysql":
        return mysql.VARCHAR(plain.length, charset=charset, collation=collation)
    if dialect.name == "postgresql":
        return postgresql.VARCHAR(plain.length, collation="C")
    return plain


def growing_integer() -> TypeEngine[int]:
    """Return the type of an auto-increment key. SQLite supports INTEGER only."""
    return BigInteger().with_variant(Integer(), "sqlite")


def picture() -> TypeEngine[str]:
    """Return the type of a picture's URL or data URL. MySQL's TEXT is too short; SQLite does not limit text."""
    return Text().with_variant(mysql.MEDIUMTEXT(), "mysql").with_variant(String(2048), "sqlite")
