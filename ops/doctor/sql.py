"""Identity's database: reachability, version, clock, time zone, migrations, indexes and collations."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, Inspector, inspect, text

from ops.doctor import clocks, collations, end_of_life, schema
from ops.doctor.examination import failed, in_thread
from ops.doctor.finding import Finding, error, warning
from ops.errors import CommandFailed
from ops.identity.database_failures import explained
from runtime.clock import Clock
from services.identity.schema import metadata
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import server_of
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.engine.versions import NAMES, TooOldError, check_version

CHECK = "sql"
UTC_NAMES = ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Universal", "Zulu", "+00:00", "UCT", "Etc/UCT", "Etc/Universal")
OWN_NAMES = {"mariadb": "MariaDB", "mysql": "MySQL", "tidb": "TiDB"}

Part = Callable[[Connection], list[Finding]]


async def examine(address: str, now: Clock) -> list[Finding]:
    """Check the database at an address."""

    def parts(found: list[Finding]) -> None:
        found += _examine(address, now)

    return await in_thread(parts)


def _examine(address: str, now: Clock) -> list[Finding]:
    engine = operator_engine(store_url.parse(address))
    found: list[Finding] = []
    try:
        with explained(address), engine.connect() as connection:
            for name, part in _parts(now).items():
                found += _outcome(name, part, connection)
    except CommandFailed as refusal:
        problem, _, remedy = str(refusal).partition(": ")[2].partition(": ")
        return [*found, error(CHECK, problem, remedy or "check that it is running, and DATABASE_URL")]
    finally:
        engine.dispose()
    return found


def _parts(now: Clock) -> dict[str, Part]:
    return {
        end_of_life.CHECK: lambda connection: _version(connection, now()),
        clocks.CHECK: lambda connection: _clock(connection, now),
        "time zones": _time_zone,
        schema.CHECK: schema.of_sql,
        "indexes": _indexes,
        collations.CHECK: collations.examine,
    }


def _outcome(name: str, part: Part, connection: Connection) -> list[Finding]:
    """Return what a part finds. If it fails, that is the finding, and the connection can still be used."""
    try:
        return part(connection)
    except Exception as failure:  # of the driver, for example a missing right
        connection.rollback()
        return [failed(name, failure)]


def _version(connection: Connection, now: datetime) -> list[Finding]:
    try:
        check_version(connection)
    except TooOldError as refusal:
        problem, _, remedy = str(refusal).partition(": ")
        return [error(end_of_life.CHECK, problem, remedy)]
    engine, version = server(connection)
    return end_of_life.judge(engine, version, now.date())


def server(connection: Connection) -> tuple[str, str]:
    """Return the engine's name and its version."""
    if connection.dialect.name == "mysql":
        given = str(connection.scalar(text("SELECT VERSION()")))
        return OWN_NAMES[server_of(given)], given.removeprefix("5.5.5-")
    version = connection.dialect.server_version_info or ()
    return NAMES[connection.dialect.name], ".".join(map(str, version))


def _clock(connection: Connection, now: Clock) -> list[Finding]:
    statement = {"mysql": "SELECT UTC_TIMESTAMP(6)", "postgresql": "SELECT clock_timestamp()"}
    if connection.dialect.name not in statement:
        return []
    compared = clocks.Comparison(now)
    theirs = connection.scalar(text(statement[connection.dialect.name]))
    assert isinstance(theirs, datetime)
    in_utc = theirs.astimezone(UTC) if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    return compared.judge("the database", in_utc)


def _time_zone(connection: Connection) -> list[Finding]:
    if connection.dialect.name == "mysql":
        own, system = connection.execute(text("SELECT @@global.time_zone, @@system_time_zone")).one()
        zone = system if own == "SYSTEM" else own
        remedy = "set default-time-zone='+00:00' at the server, or TZ=UTC for it"
    elif connection.dialect.name == "postgresql":
        # The value that a session begins with: ours sets another one.
        zone = connection.scalar(text("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'"))
        remedy = "set timezone = 'UTC' at the server, the database or the role"
    else:
        return []
    if zone in UTC_NAMES:
        return []
    problem = f"the database's time zone is {zone}: times in its log, and of other programs, are not in UTC"
    return [warning("time zones", problem, remedy)]


def _indexes(connection: Connection) -> list[Finding]:
    look = inspect(connection)
    there = set(look.get_table_names())
    missing = [
        f"{name} of {table.name}"
        for table in metadata.sorted_tables
        if table.name in there
        for name in sorted({str(index.name) for index in table.indexes} - _existing(look, table.name))
    ]
    remedy = "create it as its migration does: services/identity/store/schema/migrations"
    return [error("indexes", f"the index {name} is missing", remedy) for name in missing]


def _existing(look: Inspector, table: str) -> set[str]:
    return {str(each["name"]) for each in (*look.get_indexes(table), *look.get_unique_constraints(table))}
