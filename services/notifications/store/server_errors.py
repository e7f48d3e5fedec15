"""Errors of MongoDB that waiting does not fix: a missing feature, wrong credentials or missing rights."""

from collections.abc import Mapping
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import BulkWriteError, ConfigurationError, OperationFailure, PyMongoError

BUILD_INFO_SECONDS = 1.0
LOGIN_CODES = frozenset({11, 18, 8_000})
"""UserNotFound, AuthenticationFailed, and Atlas' code for a failed login."""
RIGHTS_CODES = frozenset({13})
"""Unauthorized."""
INDEX_CODES = frozenset({85, 86, 11_000})
"""IndexOptionsConflict, IndexKeySpecsConflict, and duplicate keys that prevent a unique index."""
FAILED_CODES = frozenset({1, 8, 14_031})
"""InternalError, UnknownError and OutOfDiskSpace: the server itself failed, whatever the command was."""
TRANSIENT_CODES = frozenset({24, 46, 112, 117, 262, 276, 314, 11_601, 12_587})
"""Locks, conflicts with concurrent work, and interrupted work."""
TESTED_SERVERS = "MongoDB, SecantusDB 0.7"


def is_permanent(error: BaseException) -> bool:
    """Return whether the error is permanent, so not a failover, a time-out or a conflict."""
    if isinstance(error, OperationFailure):
        return not (error.timeout or error.code in TRANSIENT_CODES or error.has_error_label("RetryableWriteError"))
    return isinstance(error, ConfigurationError)  # for example, a server that is too old for the driver


def is_unauthorized(error: PyMongoError) -> bool:
    """Return whether credentials or rights are wrong."""
    return isinstance(error, OperationFailure) and error.code in LOGIN_CODES | RIGHTS_CODES


def is_server_failure(error: PyMongoError) -> bool:
    """Return whether the server failed by itself, in a command or in a write of a batch."""
    if isinstance(error, BulkWriteError):
        return any(one.get("code") in FAILED_CODES for one in error.details.get("writeErrors", []))
    return isinstance(error, OperationFailure) and error.code in FAILED_CODES


def remedy_of(error: PyMongoError) -> str:
    """Return the action by which an operator fixes a permanent error."""
    code = error.code if isinstance(error, OperationFailure) else None
    if code in LOGIN_CODES:
        return "check the user and the password in MONGODB_URI"
    if code in RIGHTS_CODES:
        return "give the user of MONGODB_URI its rights by `trivet db grants`; a missing migration needs the migrator's"
    if code in INDEX_CODES:
        return "drop the named index: its definition differs, or existing documents violate it"
    if is_server_failure(error):
        return "look at its log and its disk: after a full disk a server can need a restart"
    return f"use a tested server: {TESTED_SERVERS} (docs/engines.md)"


async def server_of(client: AsyncMongoClient[Any]) -> str:
    """Return the server's version, and its own version if it only implements MongoDB's protocol."""
    try:
        with pymongo.timeout(BUILD_INFO_SECONDS):
            return version_of(await client.admin.command("buildInfo"))
    except PyMongoError:  # buildInfo is rejected too
        return "a server of unknown version"


def version_of(build: Mapping[str, Any]) -> str:
    """Return the versions in a response to `buildInfo`."""
    own = [f"{name} {value}" for name, value in build.items() if name != "version" and _is_version(name, value)]
    given = f"a server with MongoDB version {build.get('version', 'unknown')}"
    return f"{given} ({', '.join(own)})" if own else given


def _is_version(name: str, value: object) -> bool:
    return name.lower().endswith("version") and isinstance(value, str)
