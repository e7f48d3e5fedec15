"""Column types that hold the same values, and compare them alike, on every engine."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, String, Text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


class Moment(TypeDecorator[datetime]):
    """An aware time in UTC, to the millisecond; stored without a zone where the engine knows none."""

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
    """Ids, hashes and words of ours, compared byte by byte."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_bytewise(dialect, self.impl_instance, "ascii", "ascii_bin"))


class Exact(TypeDecorator[str]):
    """Text that is compared byte by byte: MySQL's default would find `jose@x.io` for `josé@x.io`."""

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
    """Return the type of a key that the engine counts up; SQLite does so for INTEGER alone."""
    return BigInteger().with_variant(Integer(), "sqlite")


def picture() -> TypeEngine[str]:
    """Return the type of a picture's address or data URL. MySQL's TEXT is too short; SQLite bounds no text."""
    return Text().with_variant(mysql.MEDIUMTEXT(), "mysql").with_variant(String(2048), "sqlite")
