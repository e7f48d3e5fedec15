"""A server that refuses for good is named as an error, with what it refuses, its version and the mend."""

import logging
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, ConfigurationError, ExecutionTimeout, OperationFailure

from runtime.errors import Unavailable
from runtime.ids import new_id
from services.notifications.store.bulk_writes import insert_missing
from services.notifications.store.mongo import open_store
from services.notifications.store.server_errors import TESTED_SERVERS, is_permanent, is_server_failure, version_of
from tests.conformance.notifications.conftest import failing
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("code", "name", "mend"),
    [
        (238, "NotImplemented", TESTED_SERVERS),
        (59, "CommandNotFound", TESTED_SERVERS),
        (67, "CannotCreateIndex", TESTED_SERVERS),
        (13, "Unauthorized", "trivet db grants"),
        (18, "AuthenticationFailed", "MONGODB_URI"),
        (85, "IndexOptionsConflict", "drop the named index"),
    ],
)
async def test_a_server_that_refuses_the_indexes_is_named_once_as_an_error(
    own_server: Engine,
    caplog: pytest.LogCaptureFixture,
    code: int,
    name: str,
    mend: str,
) -> None:
    async with open_store(f"{own_server.url}/refusals{code}", timeout=2.0) as store:
        async with failing(own_server, "createIndexes", errorCode=code):
            await until(lambda: bool(errors(caplog)), 10)
            with pytest.raises(Unavailable):
                await store.ping()
        await until(lambda: store.is_prepared, 10)  # an operator has mended it
    (told,) = errors(caplog)
    assert f"{name} {code}" in told
    assert mend in told
    assert "secantusVersion" in told


async def test_what_passes_by_itself_is_a_warning(own_server: Engine, caplog: pytest.LogCaptureFixture) -> None:
    async with open_store(f"{own_server.url}/passing", timeout=2.0) as store:
        async with failing(own_server, "createIndexes", errorCode=91):
            await until(
                lambda: any("cannot create the indexes yet" in record.getMessage() for record in caplog.records), 10
            )
        await until(lambda: store.is_prepared, 10)
    assert errors(caplog) == []


async def test_rights_that_are_taken_away_later_are_named_once_and_not_taken_for_our_mistake(
    own_server: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_store(f"{own_server.url}/rights", timeout=2.0) as store:
        await until(lambda: store.is_prepared, 10)
        async with failing(own_server, "find", errorCode=13):
            for _ in range(3):
                with pytest.raises(Unavailable, match="denies access"):
                    await store.run("test.find", lambda: store.database.notifications.find_one({}))
    (told,) = errors(caplog)
    assert "Unauthorized 13" in told
    assert "trivet db grants" in told


@pytest.mark.parametrize(("code", "name"), [(1, "InternalError"), (8, "UnknownError"), (14_031, "OutOfDiskSpace")])
@pytest.mark.parametrize("command", ["find", "insert"])
async def test_a_server_that_fails_is_unavailable_and_not_our_mistake(
    own_server: Engine, caplog: pytest.LogCaptureFixture, code: int, name: str, command: str
) -> None:
    async with open_store(f"{own_server.url}/failed", timeout=2.0) as store:
        await until(lambda: store.is_prepared, 10)
        rows = store.database.notifications
        work = {"find": lambda: rows.find_one({}), "insert": lambda: insert_missing(rows, [{"_id": new_id()}])}[command]
        async with failing(own_server, command, errorCode=code):
            for _ in range(3):
                with pytest.raises(Unavailable, match="MongoDB failed"):
                    await store.run("test", work)
            if command == "find":
                with pytest.raises(Unavailable):  # health says so too
                    await store.ping()
        await store.ping()
    (told,) = errors(caplog)
    assert f"{name} {code}" in told
    assert "look at its log and its disk" in told


def test_a_batch_of_which_the_server_failed_to_write_a_part_is_its_failure() -> None:
    assert is_server_failure(BulkWriteError({"writeErrors": [{"code": 11_000}, {"code": 14_031}]}))
    assert not is_server_failure(BulkWriteError({"writeErrors": [{"code": 11_000}]}))


@pytest.mark.parametrize(
    ("error", "is_for_good"),
    [
        (OperationFailure("no", 238), True),
        (OperationFailure("too old", 2), True),
        (ConfigurationError("the server is too old"), True),
        (OperationFailure("a lock", 24), False),
        (OperationFailure("again", 1, {"errorLabels": ["RetryableWriteError"]}), False),
        (ExecutionTimeout("late", 50), False),
        (AutoReconnect("away"), False),
        (OSError("away"), False),
    ],
)
def test_what_is_a_refusal(error: Exception, is_for_good: bool) -> None:
    assert is_permanent(error) is is_for_good


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ({"version": "8.0.4", "versionArray": [8, 0, 4]}, "a server with MongoDB version 8.0.4"),
        (
            {"version": "7.0", "ferretdbVersion": "v1.24"},
            "a server with MongoDB version 7.0 (ferretdbVersion v1.24)",
        ),
        ({}, "a server with MongoDB version unknown"),
    ],
)
def test_a_server_is_told_by_its_versions(build: dict[str, Any], said: str) -> None:
    assert version_of(build) == said
