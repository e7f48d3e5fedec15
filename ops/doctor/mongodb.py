"""The document store of notifications: reachability, version, clock, disk and indexes."""

import asyncio
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from ops.doctor import clocks, disk, end_of_life, schema
from ops.doctor.examination import Check, outcome
from ops.doctor.finding import Finding, error
from ops.schema.mongo import database_of
from runtime.clock import Clock
from services.notifications.domains import COLLECTIONS
from services.notifications.store.indexes import Collection
from services.notifications.store.schema.history import Database

CHECK = "mongodb"
OTHERS = {"secantus": "SecantusDB"}
"""The names of other engines, by the field of buildInfo with their version."""
PART_SECONDS = 1.0
CONNECT_MS = 1_000


async def examine(uri: str, now: Clock) -> list[Finding]:
    """Check the store at a URI."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        uri, tz_aware=True, serverSelectionTimeoutMS=CONNECT_MS, connectTimeoutMS=CONNECT_MS, timeoutMS=1_500
    )
    try:
        compared = clocks.Comparison(now)
        hello = await client.admin.command("hello")
        database = client[database_of(uri)]
        found = await asyncio.gather(
            outcome(Check(end_of_life.CHECK, lambda: _version(client, now)), PART_SECONDS),
            outcome(Check(disk.CHECK, lambda: _disk(database)), PART_SECONDS),
            outcome(Check(schema.CHECK, lambda: schema.of_mongodb(database)), PART_SECONDS),
            outcome(Check("indexes", lambda: _indexes(database)), PART_SECONDS),
        )
        theirs = hello["localTime"].astimezone(UTC)
        return [*compared.judge("MongoDB", theirs), *(finding for part in found for finding in part)]
    except PyMongoError as failure:
        problem = f"MongoDB cannot be used: {type(failure).__name__}: {str(failure).partition(',')[0][:200]}"
        return [error(CHECK, problem, "start it, or correct MONGODB_URI (address, user, password, TLS)")]
    finally:
        await client.close()


def engine_and_version(build: Mapping[str, Any]) -> tuple[str, str]:
    """Return the engine and its version, by its answer to buildInfo. Others speak MongoDB's protocol too."""
    for name, value in build.items():
        engine = name.removesuffix("Version")
        if engine not in ("", name, "git") and isinstance(value, str):
            return OTHERS.get(engine, engine), value
    return "MongoDB", str(build.get("version", ""))


async def _version(client: AsyncMongoClient[dict[str, Any]], now: Clock) -> list[Finding]:
    engine, version = engine_and_version(await client.admin.command("buildInfo"))
    return end_of_life.judge(engine, version, now().date())


async def _disk(database: Database) -> list[Finding]:
    stats = await database.command("dbStats")
    total = float(stats.get("fsTotalSize", 0))  # another server can leave it out
    return disk.judge("MongoDB", total - float(stats.get("fsUsedSize", 0)), total)


async def _indexes(database: Database) -> list[Finding]:
    there = set(await database.list_collection_names())
    found = await asyncio.gather(*(_missing(database, each, there) for each in COLLECTIONS))
    return [finding for findings in found for finding in findings]


async def _missing(database: Database, declared: Collection, there: set[str]) -> list[Finding]:
    names = {index.document["name"] for index in declared.indexes}
    if declared.name in there:
        names -= set(await database[declared.name].index_information())
    remedy = "create it as its migration does: services/notifications/store/schema/migrations"
    return [error("indexes", f"the index {name} of {declared.name} is missing", remedy) for name in sorted(names)]
