"""Load on a store through its driver alone: the upper bound of what a service can do with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import AsyncMongoClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bench.load.samples import Round
from services.identity.store.engine import store_url

Work = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Statement:
    """`what` is a name in RUNNERS, `value` is the parameter of its command."""

    what: str
    url: str
    value: str


@asynccontextmanager
async def sql(statement: Statement) -> AsyncIterator[Work]:
    """Read a user by id, as GetUser does."""
    url, arguments = store_url.parse(statement.url).for_service()
    engine = create_async_engine(url, connect_args=arguments)
    query = text("SELECT * FROM users WHERE id = :id")

    async def work() -> None:
        async with engine.connect() as connection:
            (await connection.execute(query, {"id": statement.value})).one()

    yield work
    await engine.dispose()


@asynccontextmanager
async def mongodb(statement: Statement) -> AsyncIterator[Work]:
    """Read a user's newest 20 notifications or count the unread ones, or write one log entry."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(statement.url)
    database = client.get_default_database("trivet")
    user = {"userId": statement.value}

    async def find() -> None:
        await database.notifications.find(user).sort([("createdAt", -1), ("_id", -1)]).limit(20).to_list()

    async def count() -> None:
        unread = user | {"read": False, "expiresAt": {"$gt": datetime.now(UTC)}}
        await database.notifications.count_documents(unread, limit=1_000)

    async def insert() -> None:
        entry = {"timestamp": datetime.now(UTC), "level": "info", "message": "a line", "service": "bench"}
        await database.bench_logs.insert_many([entry])

    yield {"mongodb find": find, "mongodb count": count, "mongodb insert": insert}[statement.what]
    await client.close()


@asynccontextmanager
async def redis(statement: Statement) -> AsyncIterator[Work]:
    """GET a value. The statement's value is its size in bytes."""
    async with Redis.from_url(statement.url) as client:
        await client.set("bench", "x" * int(statement.value))

        async def work() -> None:
            await client.get("bench")

        yield work


RUNNERS = {"sql": sql, "mongodb find": mongodb, "mongodb count": mongodb, "mongodb insert": mongodb, "redis": redis}


async def sustained(statement: Statement, callers: int, seconds: float) -> Round:
    """Run the statement for `seconds`, with `callers` in flight at a time."""
    milliseconds: list[float] = []
    async with RUNNERS[statement.what](statement) as work:
        await work()
        end = time.perf_counter() + seconds

        async def worker() -> None:
            while (began := time.perf_counter()) < end:
                await work()
                milliseconds.append(1000 * (time.perf_counter() - began))

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(callers)))
        return Round(time.perf_counter() - began, milliseconds)
