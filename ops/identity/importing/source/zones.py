"""The time zone of a database's times: what the server says of it, and what only the operator knows."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, text
from sqlalchemy.types import DateTime, TypeEngine

from ops.errors import WrongSettings

OFFSET = re.compile(r"([+-])(0\d|1[0-4]):?([0-5]\d)")
FURTHEST = timedelta(hours=14)
"""The largest difference between a zone and UTC."""
TOLERANCE = timedelta(minutes=5)
"""How far the clock of the database's machine may differ from ours."""
# Both in winter and in summer: London is at UTC half of the year.
SERVER_ZONE = {
    "mysql": "SELECT CASE @@session.time_zone WHEN 'SYSTEM' THEN @@system_time_zone ELSE @@session.time_zone END,"
    " UNIX_TIMESTAMP('2024-01-01 12:00:00') = 1704110400 AND UNIX_TIMESTAMP('2024-07-01 12:00:00') = 1719835200",
    "postgresql": "SELECT reset_val, timestamp '2024-01-01 12:00' AT TIME ZONE reset_val = timestamptz"
    " '2024-01-01 12:00Z' AND timestamp '2024-07-01 12:00' AT TIME ZONE reset_val = timestamptz '2024-07-01 12:00Z'"
    " FROM pg_settings WHERE name = 'TimeZone'",
}


@dataclass(frozen=True)
class ServerZone:
    """The zone of the server's new sessions, and whether it is UTC all year round."""

    name: str
    is_utc: bool


def parsed(text: str) -> tzinfo | None:
    """Return the zone that --time-zone names, None for an empty text. Raises WrongSettings."""
    if not text:
        return None
    if text.upper() in ("UTC", "Z"):
        return UTC
    if match := OFFSET.fullmatch(text):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongSettings(
            f"--time-zone: this machine does not know {text}: give UTC, an offset such as +02:00, "
            "or a name such as Europe/Berlin"
        ) from None


def of_driver(text: str) -> tzinfo | None:
    """Return the zone that a URL tells an app's driver, as in mysql2's `timezone=Z`; None for `local` and the like."""
    try:
        return parsed(text)
    except WrongSettings:
        return None


def server_zone(connection: Connection) -> ServerZone:
    """Ask the server. SQLite has no zone of its own and counts as UTC."""
    statement = SERVER_ZONE.get(connection.dialect.name)
    if statement is None:
        return ServerZone("UTC", True)
    name, is_utc = connection.execute(text(statement)).one()
    return ServerZone(str(name), bool(is_utc))


def is_zoneless(declared: TypeEngine[object], dialect: str) -> bool:
    """Whether a column is declared for times whose zone is not kept; MySQL's TIMESTAMP moves with the session."""
    if not isinstance(declared, DateTime):
        return False
    return dialect == "mysql" or (dialect == "postgresql" and not declared.timezone)


def assumed(option: str, server: ServerZone) -> tzinfo:
    """Return UTC where the server gives no reason to doubt it. Raises WrongSettings where the operator must say."""
    if server.is_utc:
        return UTC
    raise WrongSettings(
        f"{option}: times there are kept without a zone, and the server's own is {server.name}: say --time-zone UTC "
        "if the app writes UTC (mysql2 with timezone 'Z', Prisma, or Node in UTC), else --time-zone with the app's "
        "zone, for example Europe/Berlin"
    )


def is_ahead(newest: object, zone: tzinfo) -> bool:
    """Whether a column's newest time would not have come yet if it were of this zone."""
    return isinstance(newest, datetime) and newest > local_now(zone) + TOLERANCE


def local_now(zone: tzinfo) -> datetime:
    return datetime.now(zone).replace(tzinfo=None)
