"""The row of each store: its engine, whether it answers, and how the processes use it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pymongo import AsyncMongoClient

from ops.doctor import mongodb, redis, sql
from ops.doctor.examination import in_thread
from ops.doctor.finding import Finding
from ops.stack.endpoints import Endpoints
from ops.status.process_rows import GONE, UP
from ops.status.reading import READ_SECONDS
from ops.status.samples import Window
from services.cache.redis.connections import Connections
from services.cache.redis.wire import close
from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine

SYSTEMS = {"sql": ("mysql", "postgresql", "sqlite"), "mongodb": ("mongodb",), "redis": ("redis",)}
OWNERS = {"sql": "identity", "mongodb": "notifications", "redis": "cache"}
VARIABLES = {"sql": "DATABASE_URL", "mongodb": "MONGODB_URI", "redis": "REDIS_URL"}


@dataclass(frozen=True)
class StoreRow:
    """One store. A number is None if it is not known. Rates and latencies are those since the last reading."""

    name: str
    state: str
    engine: str = ""
    version: str = ""
    calls_per_second: float | None = None
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    connections_in_use: float | None = None
    connections: float | None = None
    wait_p99_seconds: float | None = None
    problem: str = ""
    remedy: str = ""


async def ask(known: Endpoints) -> list[StoreRow]:
    """Ask every store whose address is known for its engine and version."""
    asked: dict[str, tuple[str, Callable[[str], Awaitable[tuple[str, str]]]]] = {
        "sql": (known.sql, _ask_sql),
        "mongodb": (known.mongodb, _ask_mongodb),
        "redis": (known.redis, _ask_redis),
    }
    return await asyncio.gather(*(_row(name, *each) for name, each in asked.items() if each[0]))


def with_use(rows: Iterable[StoreRow], windows: Mapping[str, Window]) -> list[StoreRow]:
    """Return the rows with what the store's owner measures of its calls and connections."""
    return [_used(row, windows.get(OWNERS[row.name])) for row in rows]


def _used(row: StoreRow, window: Window | None) -> StoreRow:
    if window is None:
        return row
    system = next(
        (s for s in SYSTEMS[row.name] if window.after.total("trivet_store_duration_seconds_count", system=s)), ""
    )
    if not system:
        return row
    return replace(
        row,
        calls_per_second=window.rate("trivet_store_duration_seconds_count", system=system),
        p50_seconds=window.quantile(0.5, "trivet_store_duration_seconds", system=system),
        p99_seconds=window.quantile(0.99, "trivet_store_duration_seconds", system=system),
        connections_in_use=window.after.largest("trivet_store_pool_in_use", system=system),
        connections=window.after.largest("trivet_store_pool_limit", system=system),
        wait_p99_seconds=window.quantile(0.99, "trivet_store_pool_wait_seconds", system=system),
    )


async def _row(name: str, address: str, ask_one: Callable[[str], Awaitable[tuple[str, str]]]) -> StoreRow:
    try:
        async with asyncio.timeout(READ_SECONDS):
            engine, version = await ask_one(address)
    except Exception as failure:  # of any driver: the store is shown as gone
        problem = f"{name} does not answer ({type(failure).__name__})"
        return StoreRow(name, GONE, problem=problem, remedy=f"`trivet doctor` says why; {VARIABLES[name]} names it")
    return StoreRow(name, UP, engine, version)


async def _ask_sql(address: str) -> tuple[str, str]:
    answer: list[tuple[str, str]] = []

    def work(_: list[Finding]) -> None:
        engine = operator_engine(store_url.parse(address))
        try:
            with engine.connect() as connection:
                answer.append(sql.server(connection))
        finally:
            engine.dispose()

    await in_thread(work)
    return answer[0]


async def _ask_mongodb(address: str) -> tuple[str, str]:
    milliseconds = int(READ_SECONDS * 1_000)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        address, serverSelectionTimeoutMS=milliseconds, timeoutMS=milliseconds
    )
    try:
        return mongodb.engine_and_version(await client.admin.command("buildInfo"))
    finally:
        await client.close()


async def _ask_redis(address: str) -> tuple[str, str]:
    connection, _ = await Connections(address, limit=1).open()
    try:
        return redis.engine_and_version(await redis.info(connection))
    finally:
        await close(connection)
