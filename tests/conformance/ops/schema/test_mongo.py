"""MongoDB's indexes and validators are migrated like tables: by number, with a history, a lock and a way back."""

import asyncio
import os
import runpy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, IndexModel
from pymongo.errors import WriteError

from ops.schema import mongo_generate
from ops.schema.reset import reset_mongo
from runtime.clock import utc_now
from runtime.errors import Unavailable
from runtime.ids import new_id
from services.notifications.domains import COLLECTIONS
from services.notifications.store.indexes import Collection, types
from services.notifications.store.mongo import open_store
from services.notifications.store.schema import history, lock, migrate
from services.notifications.store.schema.changes import AddIndex, Migration, Schema, name_of
from services.notifications.store.schema.history import Database
from services.notifications.store.schema.steps import steps
from tests.conftest import Engines
from tests.harness.waiting import until

ENGINES = ["secantusdb", *(["mongodb"] if os.environ.get("TRIVET_TEST_MONGODB_URL") else [])]
DOCUMENTS = 3_000
HEAD = steps()[-1].number
LATER = Migration(HEAD + 1, "titles", "0.2.0", (AddIndex("notifications", IndexModel([("title", 1)], name="title")),))


@pytest.fixture(params=ENGINES)
async def address(request: pytest.FixtureRequest, engine: Engines) -> AsyncIterator[str]:
    """The address of a database of the test's own."""
    url = f"{engine.get(request.param).url}/schema_{new_id()}"
    yield url
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        await client.drop_database(client.get_default_database())


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    async with AsyncMongoClient[dict[str, Any]](address, tz_aware=True) as client:
        yield client.get_default_database()


async def _indexes(database: Database) -> dict[str, list[str]]:
    names = await database.list_collection_names()
    every = {name: [row["name"] async for row in await database[name].list_indexes()] for name in names}
    own = {history.NAME, lock.NAME}
    return {name: sorted(set(found) - {"_id_"}) for name, found in every.items() if name not in own}


def test_the_migrations_make_what_the_code_declares() -> None:
    assert mongo_generate.difference() == ()
    assert [step.number for step in steps()] == list(range(1, HEAD + 1))


async def test_up_down_and_up_again(database: Database) -> None:
    declared = {each.name: sorted(map(name_of, each.indexes)) for each in COLLECTIONS}
    await migrate.upgrade(database)
    assert await _indexes(database) == declared
    await database.notifications.insert_one({"_id": "kept", "userId": "ann"})
    assert (await migrate.downgrade(database, HEAD)).current == 0
    assert not any((await _indexes(database)).values())
    assert len((await migrate.upgrade(database)).pending) == HEAD
    assert await _indexes(database) == declared
    assert await database.notifications.count_documents({}) == 1


async def test_each_migration_is_noted_and_a_second_run_does_nothing(database: Database) -> None:
    await migrate.upgrade(database, 1)
    found = await history.status(database, steps())
    assert (found.current, [step.number for step in found.pending]) == (1, list(range(2, HEAD + 1)))
    assert "@" in found.applied[1].by
    await migrate.upgrade(database)
    again = await history.status(database, steps())
    assert again.applied[1] == found.applied[1]
    assert again.pending == ()
    with pytest.raises(ValueError, match=f"MongoDB is at {HEAD} already"):
        await migrate.upgrade(database, 1)
    with pytest.raises(ValueError, match="there is no migration 99"):
        await migrate.upgrade(database, 99)
    with pytest.raises(ValueError, match="there are no 99 migrations to take back"):
        await migrate.downgrade(database, 99)


async def test_a_database_of_a_release_before_this_is_taken_over(database: Database) -> None:
    for each in COLLECTIONS:
        await database[each.name].create_indexes(list(each.indexes))
    assert len((await migrate.upgrade(database)).pending) == HEAD
    assert (await history.status(database, steps())).pending == ()


async def test_documents_of_a_wrong_type_are_refused_and_older_ones_can_still_be_changed(database: Database) -> None:
    await database.logs.insert_one({"_id": "old", "expiresAt": "tomorrow"})
    await migrate.upgrade(database)
    with pytest.raises(WriteError, match="failed validation"):
        await database.logs.insert_one({"expiresAt": "tomorrow"})  # no expiry index would ever delete it
    await database.logs.update_one({"_id": "old"}, {"$set": {"message": "changed"}})
    await database.logs.insert_one({"expiresAt": utc_now()})


async def test_an_index_of_a_full_collection_is_built_beside_writes(database: Database) -> None:
    await migrate.upgrade(database)
    await database.notifications.insert_many([{"title": str(number)} for number in range(DOCUMENTS)])
    said: list[str] = []
    building = asyncio.create_task(migrate.upgrade(database, every=(*steps(), LATER), on_change=said.append))
    written = 0
    while not building.done() or not written:
        await database.notifications.insert_one({"title": "meanwhile"})
        written += 1
    await building
    (line,) = said
    assert line.startswith("building title of notifications (3,0")
    assert await database.notifications.count_documents({"title": "meanwhile"}, hint="title") == written


async def test_a_second_migrator_waits_and_says_for_whom(database: Database) -> None:
    said: list[str] = []
    held, lets_go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with lock.only_one(database):
            held.set()
            await lets_go.wait()

    def wait(holder: str) -> None:
        said.append(holder)
        lets_go.set()

    holding = asyncio.create_task(hold())
    await held.wait()
    with pytest.raises(lock.MigrationLockError, match=f"process {os.getpid()}"):
        async with lock.only_one(database, seconds=0):
            raise AssertionError("two hold the lock")
    await migrate.upgrade(database, on_wait=wait)
    await holding
    assert said == [f"{history.operator()} (process {os.getpid()})"]


async def test_the_lock_of_a_killed_migrator_ends_with_its_lease(database: Database) -> None:
    await database[lock.NAME].insert_one({"_id": lock.KEY, "token": "x", "holder": "gone", "until": utc_now()})
    async with lock.only_one(database, seconds=5):
        pass


async def test_a_later_schema_is_refused_by_commands_and_by_the_service_with_one_line(
    database: Database, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate.upgrade(database)
    await database[history.NAME].insert_one(
        {"_id": 99, "name": "later", "appliedAt": utc_now(), "appliedBy": "x", "needs": 99}
    )
    for work in (migrate.upgrade, migrate.downgrade):
        with pytest.raises(migrate.NewerSchemaError, match="is 99, which this version does not know"):
            await work(database)
    async with open_store(address, timeout=10.0) as store:
        await until(lambda: store.schema_refusal is not None, 20)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await store.ping()
            assert caught.value.reason == "SCHEMA_TOO_NEW"
        await database[history.NAME].update_one({"_id": 99}, {"$set": {"needs": 1}})
        await until(lambda: store.is_prepared, 20)
        await store.ping()
    lines = [record.getMessage() for record in caplog.records if "schema is 99" in record.getMessage()]
    assert len([line for line in lines if "cannot work with" in line]) == 1


async def test_a_rollback_under_a_running_service_is_named_and_heals(
    database: Database, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(address, timeout=10.0) as store:
        await until(lambda: store.is_prepared, 20)
        await migrate.downgrade(database)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await store.ping()
            assert caught.value.reason == "SCHEMA_OUTDATED"
        with pytest.raises(Unavailable):  # and no other work is done
            await store.run("tests.find", lambda: database.logs.find_one({}))
        await migrate.upgrade(database)
        await store.ping()
        await store.run("tests.find", lambda: database.logs.find_one({}))
    said = [record.getMessage() for record in caplog.records if "trivet db migrate" in record.getMessage()]
    assert said == [
        f"MongoDB's schema is {HEAD - 1} and must be {HEAD}: run `trivet db migrate`, or restart the service"
    ]


async def test_a_reset_leaves_empty_collections_and_those_of_others(database: Database) -> None:
    await migrate.upgrade(database)
    await database.notifications.insert_one({"title": "gone"})
    await database.of_another_program.insert_one({"_id": 7})
    assert "notifications" in await reset_mongo(database, on_wait=lock.ignore)
    assert await database.notifications.count_documents({}) == 0
    assert await database.of_another_program.count_documents({}) == 1
    assert (await history.status(database, steps())).pending == ()


async def test_a_migration_is_generated_from_the_collections_in_code(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mongo_generate.generate("nothing", "0.2.0", tmp_path) is None
    logs = next(each for each in COLLECTIONS if each.name == "logs")
    changed = Collection(
        "logs", (*logs.indexes[1:], IndexModel([("level", 1)], name="by_level")), validator=types(x="int")
    )
    others = tuple(each for each in COLLECTIONS if each is not logs)
    monkeypatch.setattr(mongo_generate, "COLLECTIONS", (*others, changed))
    path = mongo_generate.generate("level of logs", "0.2.0", tmp_path)
    assert path is not None
    assert path.name == f"{HEAD + 1:04}_level_of_logs.py"
    made = runpy.run_path(str(path))["migration"]
    await migrate.upgrade(database, every=(*steps(), made))
    assert (await _indexes(database))["logs"] == sorted(map(name_of, changed.indexes))
    assert Schema.after((*steps(), made)).validators["logs"] == changed.validator
    await migrate.downgrade(database, every=(*steps(), made))
    assert (await _indexes(database))["logs"] == sorted(map(name_of, logs.indexes))
