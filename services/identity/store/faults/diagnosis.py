"""Explains database errors to operators: the problem and the remedy, for the log and the command line.

`codes.py` says what the program does about an error. This file says what the operator can do.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from services.identity.store.faults.errors import code_of


class Diagnosis(NamedTuple):
    """A problem of a database, and its remedy. `is_transient`: the problem can end without the operator."""

    problem: str
    remedy: str
    is_transient: bool = False


NO_DATABASE = Diagnosis("the server has no database of that name", "create it (CREATE DATABASE), or correct the name")
NO_SCHEMA = Diagnosis(
    "the database has no schema of that name", "create it (CREATE SCHEMA), or correct the parameter `schema`"
)
WRONG_PASSWORD = Diagnosis(
    "the server rejects the user or the password",
    "correct them; if this user must connect with TLS, add sslmode=require",
)
NOT_ADMITTED = Diagnosis(
    "the server does not accept this user from this host",
    "check its access rules (pg_hba.conf, the user's host); if it requires TLS, add sslmode=require",
)
NO_RIGHT = Diagnosis(
    "the user lacks a privilege on this database",
    "GRANT it: `trivet db grants` gives Trivet's users what they need, also after a migration",
)
TLS_REFUSED = Diagnosis(
    "the server does not support TLS as the URL requires",
    "turn TLS on at the server, or correct sslmode in the URL",
)
TLS_UNVERIFIED = Diagnosis(
    "the server's certificate is not trusted",
    "name its certificate authority with sslrootcert=FILE, or correct the host name",
)
TLS_WANTED = Diagnosis("the server requires TLS", "add sslmode=require or verify-full to the URL")
TOO_MANY = Diagnosis(
    "the server has too many connections",
    "raise its limit (max_connections), or lower MYSQL_POOL_MAX_CONNECTIONS",
    is_transient=True,
)
READ_ONLY = Diagnosis("this server is read-only", "change the URL to the primary", is_transient=True)
READ_ONLY_FILE = Diagnosis("the database file is read-only", "make the file and its folder writable for this user")
DISK_FULL = Diagnosis(
    "the disk of the database is full", "free space on it; uncommitted changes are lost", is_transient=True
)
STARTING = Diagnosis("the server is starting or shutting down", "wait until it is ready", is_transient=True)
BLOCKED = Diagnosis(
    "the server has blocked this host", "run FLUSH HOSTS at the server, and find out why connections failed"
)
NO_SUCH_HOST = Diagnosis("the host name cannot be resolved", "correct it, or check DNS", is_transient=True)
NOTHING_LISTENS = Diagnosis(
    "nothing listens at the host and port", "start the server, or correct the URL", is_transient=True
)
NO_ANSWER = Diagnosis(
    "the server does not answer in time", "check that it runs, and the network and firewalls between", is_transient=True
)
NO_FILE = Diagnosis(
    "the database file cannot be opened", "check that its folder exists, and that this user can write both"
)
NO_DATABASE_FILE = Diagnosis("the file is not a database, or is damaged", "move it away, or restore a backup")
NO_SPACE = re.compile(r"\b(errcode: 28|error 28)\b", re.IGNORECASE)
"""ENOSPC of the operating system, as the messages of MySQL's errors 3, 1026 and 1030 name it."""

BY_CODE: dict[int | str, Diagnosis] = {
    **dict.fromkeys((1049, "3D000"), NO_DATABASE),
    "3F000": NO_SCHEMA,
    **dict.fromkeys((1045, 1698, "28P01"), WRONG_PASSWORD),
    **dict.fromkeys((1130, "28000"), NOT_ADMITTED),
    **dict.fromkeys((1044, 1142, 1227, 1370, "42501"), NO_RIGHT),
    2026: TLS_REFUSED,
    3159: TLS_WANTED,
    **dict.fromkeys((1040, 1203, 1226, "53300"), TOO_MANY),
    **dict.fromkeys((1290, 1792, 1836, 3100, "25006"), READ_ONLY),
    **dict.fromkeys(("SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY", "SQLITE_PERM"), READ_ONLY_FILE),
    **dict.fromkeys((1021, 1114, "53100", "SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"), DISK_FULL),
    **dict.fromkeys((1053, "57P01", "57P03"), STARTING),
    1129: BLOCKED,
    **dict.fromkeys(("SQLITE_CANTOPEN", "SQLITE_CANTOPEN_ISDIR"), NO_FILE),
    **dict.fromkeys(("SQLITE_NOTADB", "SQLITE_CORRUPT"), NO_DATABASE_FILE),
}
"""By the codes of MySQL and MariaDB, PostgreSQL's SQLSTATEs and SQLite's names; sources as in `codes.py`."""


def diagnose(error: BaseException) -> Diagnosis | None:
    """Return the explanation of an error of SQLAlchemy, a driver or the network, None if it is unknown."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return TLS_UNVERIFIED
        if isinstance(each, ssl.SSLError) or "rejected SSL upgrade" in str(each):  # asyncpg's message
            return TLS_REFUSED
        if isinstance(each, socket.gaierror):
            return NO_SUCH_HOST
        if isinstance(each, ConnectionRefusedError):
            return NOTHING_LISTENS
        if isinstance(each, TimeoutError):
            return NO_ANSWER
        if (diagnosis := BY_CODE.get(code_of(each) or "")) is not None:
            return diagnosis
        if isinstance(each, DBAPIError) and NO_SPACE.search(str(each.orig)):
            return DISK_FULL
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes: SQLAlchemy's, then the driver's, then the network's."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        driver = each.driver_exception if isinstance(each, DBAPIError) else None
        waiting += [driver, getattr(each, "original_exception", None), each.__cause__, each.__context__]
