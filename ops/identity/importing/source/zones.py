"""The time zone of times without one: the server's zone, or the operator's setting."""

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
"""The accepted difference between the clocks of the database server and this machine."""
# Both winter and summer are checked: London has UTC for half of the year.
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
    """Return the zone in a driver's URL, such as mysql2's `timezone=Z`. Returns None for `local` and unknown names."""
    try:
        return parsed(text)
    except WrongSettings:
        return None


def server_zone(connection: Connection) -> ServerZone:
    """Return the zone of the server. SQLite has none and counts as UTC."""
    statement = SERVER_ZONE.get(connection.dialect.name)
    if statement is None:
        return ServerZone("UTC", True)
    name, is_utc = connection.execute(text(statement)).one()
    return ServerZone(str(name), bool(is_utc))


def is_zoneless(declared: TypeEngine[object], dialect: str) -> bool:
    """Whether a column stores times without a zone. MySQL's TIMESTAMP depends on the session's zone."""
    if not isinstance(declared, DateTime):
        return False
    return dialect == "mysql" or (dialect == "postgresql" and not declared.timezone)


def assumed(option: str, server: ServerZone) -> tzinfo:
    """Return UTC if the server is in UTC. Raises WrongSettings if the operator must set the zone."""
    if server.is_utc:
        return UTC
    raise WrongSettings(
        f"{option}: times there are stored without a zone, and the server's own is {server.name}: use --time-zone UTC "
        "if the app writes UTC (mysql2 with timezone 'Z', Prisma, or Node in UTC), else --time-zone with the app's "
        "zone, for example Europe/Berlin"
    )


def is_ahead(newest: object, zone: tzinfo) -> bool:
    """Whether a column's newest time would be in the future if it were in this zone."""
    return isinstance(newest, datetime) and newest > local_now(zone) + TOLERANCE


def local_now(zone: tzinfo) -> datetime:
    return datetime.now(zone).replace(tzinfo=None)
