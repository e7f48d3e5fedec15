"""What is wrong with a failing database, and what to do: the words of the log and of the command line.

`store_codes.py` says what the program does about an error; here is what its operator does.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from services.identity.store.faults.errors import code_of


class Diagnosis(NamedTuple):
    """What is wrong and the mend, and whether it can pass without help."""

    problem: str
    remedy: str
    is_transient: bool = False


NO_DATABASE = Diagnosis(
    "there is no database of that name on the server", "create it (CREATE DATABASE), or correct the name"
)
NO_SCHEMA = Diagnosis(
    "there is no schema of that name in the database", "create it (CREATE SCHEMA), or correct the parameter `schema`"
)
WRONG_PASSWORD = Diagnosis(
    "the server refuses the user or the password",
    "correct them; a server that wants TLS of this user says the same: then add sslmode=require",
)
NOT_ADMITTED = Diagnosis(
    "the server does not admit this user from here in this way",
    "look at its rules (pg_hba.conf, the user's host); if it wants TLS, add sslmode=require",
)
NO_RIGHT = Diagnosis("the user lacks a right on this database", "GRANT it: migrations create and alter tables")
TLS_REFUSED = Diagnosis(
    "the server does not take part in TLS as the address asks for it",
    "turn TLS on there, or correct sslmode in the address",
)
TLS_UNVERIFIED = Diagnosis(
    "the server's certificate is not proved by the authorities that are trusted here",
    "name its authority with sslrootcert=FILE, or correct the host's name",
)
TLS_WANTED = Diagnosis(
    "the server takes no connection without TLS", "add sslmode=require, or verify-full, to the address"
)
TOO_MANY = Diagnosis(
    "the server has as many connections as it takes",
    "raise its limit (max_connections), or lower MYSQL_POOL_MAX_CONNECTIONS of what connects to it",
    is_transient=True,
)
READ_ONLY = Diagnosis("this server takes no writes", "the address must lead to the primary", is_transient=True)
READ_ONLY_FILE = Diagnosis("the database file cannot be written", "make the file and its folder writable for this user")
DISK_FULL = Diagnosis(
    "the disk of the database is full", "make room on it; what was not committed is lost", is_transient=True
)
STARTING = Diagnosis("the server starts or shuts down", "wait for it", is_transient=True)
BLOCKED = Diagnosis("the server has blocked this host", "say FLUSH HOSTS there, and look why connections broke off")
NO_SUCH_HOST = Diagnosis("the host's name is not known", "correct it, or look at the name service", is_transient=True)
NOTHING_LISTENS = Diagnosis(
    "nothing listens at the host and port", "start the server, or correct the address", is_transient=True
)
NO_ANSWER = Diagnosis(
    "the server does not answer in time", "look whether it runs, and what lies between", is_transient=True
)
NO_FILE = Diagnosis("the database file cannot be opened", "its folder must be there, and both must be this user's")
NO_DATABASE_FILE = Diagnosis("the file is no database, or a damaged one", "move it")
NO_SPACE = re.compile(r"\b(errcode: 28|error 28)\b", re.IGNORECASE)
"""How MySQL words the operating system's ENOSPC in its errors 3, 1026 and 1030."""

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
"""By the codes of MySQL and MariaDB, PostgreSQL's SQLSTATEs and SQLite's names; sources as in `store_codes.py`."""


def diagnose(error: BaseException) -> Diagnosis | None:
    """Return what an error of SQLAlchemy, a driver or the network means to an operator, None if that is not known."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return TLS_UNVERIFIED
        if isinstance(each, ssl.SSLError) or "rejected SSL upgrade" in str(each):  # asyncpg's words
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
    """Yield an error and what led to it: SQLAlchemy's, the driver's, then the network's."""
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
