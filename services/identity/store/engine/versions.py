"""The oldest supported server of each kind."""

from sqlalchemy import Connection

OLDEST: dict[str, tuple[int, ...]] = {"sqlite": (3, 35), "mariadb": (10, 6), "mysql": (8, 0), "postgresql": (14,)}
NAMES = {"sqlite": "SQLite", "mariadb": "MariaDB", "mysql": "MySQL", "postgresql": "PostgreSQL"}


class TooOldError(Exception):
    """The server is older than the oldest supported one. The message is for the operator."""


def check_version(connection: Connection) -> None:
    """Raise TooOldError for a server that is too old."""
    dialect = connection.dialect
    version = tuple(part for part in dialect.server_version_info or () if isinstance(part, int))
    kind = dialect.name
    if getattr(dialect, "is_mariadb", False):
        kind, version = "mariadb", version[-3:]  # some report 5.5.5-10.6.12
    if version < OLDEST[kind]:
        raise TooOldError(
            f"{NAMES[kind]} {_text(version)} is too old: upgrade the server to {_text(OLDEST[kind])} or later"
        )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version[:3]))
